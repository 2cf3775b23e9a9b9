// The commands of fleetctl as data: names, arguments and options are those of fleet 1.0. What runs is imported when it runs.
import type { Context, Io } from './context.ts';
import {
  adoptOptions,
  blockOptions,
  fileOptions,
  generatedOption,
  jsonOption,
  journalOptions,
  listOptions,
  provisionOptions,
  loadImageOptions,
  sshOptions,
  sshPortOption,
  statusOptions,
  waitOptions,
  type OptionDefinition,
} from './options.ts';
import type { ListOptions } from './commands/list.ts';
import type { ChangeVerb } from './commands/change.ts';
import type { Values } from './values.ts';

/** One call of a command. */
export interface Call {
  readonly context: Context;
  readonly args: readonly string[];
  readonly values: Values;
}

export interface CommandDefinition {
  readonly name: string;
  readonly takes: keyof typeof argumentForms;
  readonly description: string;
  readonly options: readonly OptionDefinition[];
  /** Answers the exit status. */
  readonly run: OnlineRun | OfflineRun;
}

/** Of a command that speaks with the API. */
export type OnlineRun = (call: Call) => Promise<number>;
/** Of one that does not, whatever --tunnel and --driver say. */
export type OfflineRun = Readonly<{
  offline: (io: Io, args: readonly string[], values: Values) => Promise<number>;
}>;

/** What a command takes after its name: as commander declares it, and as help shows it. */
export const argumentForms = {
  nothing: { declared: undefined, shown: '' },
  UNIT: { declared: '<UNIT>', shown: ' UNIT' },
  MACHINE: { declared: '<MACHINE>', shown: ' MACHINE' },
  UNITS: { declared: '<UNIT...>', shown: ' UNIT…' },
  FILE: { declared: '<FILE> [MACHINE...]', shown: ' FILE [MACHINE…]' },
  SOCKET: { declared: '<SOCKET>', shown: ' SOCKET' },
  COMMAND: { declared: '[WORD...]', shown: ' MACHINE|UNIT [COMMAND…]' },
} as const;

/** All commands that speak with the API, in the order of help. */
export const commands: readonly CommandDefinition[] = [
  changing('submit', 'upload unit files', fileOptions),
  changing('load', 'submit if needed, place units and load them into systemd', [
    ...blockOptions,
    ...fileOptions,
  ]),
  changing('start', 'submit and load if needed, and start units', [
    ...blockOptions,
    ...fileOptions,
  ]),
  changing('stop', 'stop units; they stay loaded', blockOptions),
  changing(
    'unload',
    'stop units and take them off their machines; they stay submitted',
    blockOptions,
  ),
  changing('destroy', 'stop units and remove them from the cluster', blockOptions),
  {
    name: 'restart',
    takes: 'UNITS',
    description: 'stop and start units, one after the other',
    options: waitOptions,
    run: async ({ context, args, values }) =>
      (await import('./commands/restart.ts')).restart(context, args, timeoutOf(values)),
  },
  {
    name: 'status',
    takes: 'UNITS',
    description: "print systemd's status of units, from where they run",
    options: statusOptions,
    run: async ({ context, args, values }) =>
      (await import('./commands/inspect.ts')).status(context, args, sshPortOf(values)),
  },
  {
    name: 'journal',
    takes: 'UNIT',
    description: "print a unit's journal, from where it runs",
    options: journalOptions,
    run: async ({ context, args: [unit = ''], values }) => {
      const options = {
        lines: values.number('lines') ?? 10,
        follow: values.flag('follow'),
        output: values.text('output') ?? 'short',
        sudo: values.flag('sudo'),
      };
      const { journal } = await import('./commands/inspect.ts');
      return await journal(context, unit, options, sshPortOf(values));
    },
  },
  {
    name: 'ssh',
    takes: 'COMMAND',
    description: 'open a shell or run a command on a machine, or where a unit is',
    options: sshOptions,
    run: async ({ context, args, values }) => {
      const { ssh } = await import('./commands/ssh.ts');
      return await ssh(context, args, {
        machine: values.text('machine'),
        unit: values.text('unit'),
        port: sshPortOf(values),
        forwardAgent: values.flag('forward-agent'),
      });
    },
  },
  {
    name: 'cat',
    takes: 'UNIT',
    description: 'print a unit file as it was submitted',
    options: [generatedOption],
    run: async ({ context, args: [unit = ''], values }) => {
      const which = values.flag(generatedOption.name) ? 'generated' : 'submitted';
      return await (await import('./commands/show.ts')).cat(context, unit, which);
    },
  },
  {
    name: 'explain',
    takes: 'UNIT',
    description: 'say why a unit is where it is, or is not',
    options: [jsonOption],
    run: async ({ context, args: [unit = ''], values }) =>
      (await import('./commands/show.ts')).explain(context, unit, values.flag('json')),
  },
  listing(
    'list-units',
    'what runs where, as systemd reports it',
    'unit,load,active,sub,machine,hash',
    async ({ context, values }) =>
      (await import('./commands/list.ts')).listUnits(context, listOf(values)),
  ),
  listing(
    'list-unit-files',
    'what was submitted, wanted and placed',
    'unit,hash,dstate,state,target,tmachine,global,desc',
    async ({ context, values }) =>
      (await import('./commands/list.ts')).listUnitFiles(context, listOf(values)),
  ),
  listing(
    'list-machines',
    'the machines of the fleet',
    'machine,ip,metadata,status',
    async ({ context, values }) =>
      (await import('./commands/list.ts')).listMachines(context, listOf(values)),
  ),
  {
    name: 'adopt',
    takes: 'UNITS',
    description: 'take units that run unknown to the store into it, as they run',
    options: adoptOptions,
    run: async ({ context, args, values }) =>
      (await import('./commands/adopt.ts')).adopt(context, args, values.text('machine')),
  },
  {
    name: 'evict',
    takes: 'MACHINE',
    description: 'say that an absent machine is gone: its units are placed elsewhere at once',
    options: [],
    run: async ({ context, args: [machine = ''] }) =>
      (await import('./commands/evict.ts')).evict(context, machine),
  },
  {
    name: 'provision',
    takes: 'nothing',
    description: 'print the file that makes a new host a member as it boots',
    options: provisionOptions,
    run: {
      offline: async (io, _args, values) =>
        (await import('./commands/provision.ts')).provision(io, values),
    },
  },
  {
    name: 'load-image',
    takes: 'FILE',
    description: 'hand a file with a container image to podman and docker of machines',
    options: loadImageOptions,
    run: async ({ context, args: [file = '', ...machines], values }) => {
      const { loadImage } = await import('./commands/load-image.ts');
      const options = { runtime: values.text('runtime'), port: sshPortOf(values) };
      return await loadImage(context, file, machines, options);
    },
  },
  {
    name: 'fd-forward',
    takes: 'SOCKET',
    description: 'join standard input and output to a unix socket; --tunnel runs it',
    options: [],
    run: {
      offline: async (io, [socket = '']) =>
        (await import('./commands/fd-forward.ts')).fdForward(io, socket),
    },
  },
  {
    name: 'verify',
    takes: 'UNIT',
    description: 'deprecated, checks nothing: units have no signatures',
    options: [],
    run: {
      offline: (io) => {
        io.stderr('WARNING: verify is deprecated and checks nothing: units have no signatures\n');
        return Promise.resolve(2);
      },
    },
  },
];

function changing(
  name: ChangeVerb,
  description: string,
  options: readonly OptionDefinition[],
): CommandDefinition {
  return {
    name,
    takes: 'UNITS',
    description,
    options,
    run: async ({ context, args, values }) => {
      const { change } = await import('./commands/change.ts');
      return await change(context, name, args, {
        replace: values.flag('replace'),
        noBlock: values.flag('no-block'),
        timeoutMs: timeoutOf(values),
      });
    },
  };
}

function listing(
  name: string,
  description: string,
  fields: string,
  run: OnlineRun,
): CommandDefinition {
  return { name, takes: 'nothing', description, options: listOptions(fields), run };
}

/** ms that one attempt of --block-attempts stands for: the original polled less often than it counted. */
const ATTEMPT_MS = 2_000;
/** ms; Node's longest timer. */
const TIMER_MAX_MS = 2 ** 31 - 1;

function timeoutOf(values: Values): number {
  const limits = [
    (values.number('block-attempts') ?? 0) * ATTEMPT_MS,
    (values.number('timeout') ?? 0) * 1_000,
  ].filter((ms) => ms > 0);
  return limits.length === 0 ? 0 : Math.min(...limits, TIMER_MAX_MS);
}

function listOf(values: Values): ListOptions {
  return {
    full: values.flag('full'),
    noLegend: values.flag('no-legend'),
    fields: values.text('fields'),
    json: values.flag('json'),
  };
}

function sshPortOf(values: Values): number | undefined {
  return values.number(sshPortOption.name);
}

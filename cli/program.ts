// fleetctl's commands and options, as the original had them. The only importer of commander.
// Invariant: a given option beats the environment (FLEETCTL_…), the environment beats the default.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { ChangeVerb } from './commands/change.ts';
import type { ListOptions } from './commands/list.ts';
import type { SshOptions } from './remote.ts';
import type { Context } from './context.ts';

/** What the options of every command say. */
export interface GlobalOptions {
  readonly endpoint: string;
  readonly requestTimeout: number;
  readonly sshTimeout: number;
  readonly sshUsername: string;
  readonly strictHostKeyChecking: boolean;
  readonly knownHostsFile: string;
  readonly debug: boolean;
}

export interface ProgramDeps {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command with a context made from the options; its status becomes the process's. */
  run(options: GlobalOptions, body: (context: Context) => Promise<number>): Promise<void>;
}

/** Says what was wrong with the command line; undefined for another kind of error, '' where help or version were printed. */
export function usageProblem(error: unknown): string | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? '' : error.message.replace(/^error: /, '');
}

/** One attempt of --block-attempts is so many ms: the original polled less often than it counted. */
const ATTEMPT_MS = 2_000;
export const DEFAULT_ENDPOINT = 'unix:///var/run/fleet.sock';

/** The whole command line. */
export function makeProgram(deps: ProgramDeps): Command {
  const program = new Command('fleetctl')
    .description('Runs unit files on the machines of a fleet.')
    .usage('[OPTION…] COMMAND [ARGUMENT…]')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print help, of one command or of all')
    .addHelpText('beforeAll', `fleetctl ${deps.version}\n`)
    .addHelpText(
      'after',
      '\nEvery option can come from the environment: FLEETCTL_ENDPOINT for --endpoint.',
    );
  addGlobalOptions(program, deps.version);
  addChanges(program, deps);
  addListings(program, deps);
  addInspection(program, deps);
  program
    .command('version')
    .description('print the version')
    .action(async () => {
      await deps.run(globals(program), (context) => {
        context.stdout(`fleetctl version ${deps.version}\n`);
        return Promise.resolve(0);
      });
    });
  return program;
}

function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(`FLEETCTL_${made.name().toUpperCase().replaceAll('-', '_')}`);
}

function addGlobalOptions(program: Command, version: string): void {
  program
    .version(`fleetctl version ${version}`, '-v, --version', 'print the version')
    .addOption(
      option('--endpoint <URL[,URL…]>', 'API of fleetd: unix:///PATH or http://HOST:PORT').default(
        DEFAULT_ENDPOINT,
      ),
    )
    .addOption(seconds('--request-timeout <SECONDS>', 'for one answer of the API', 3))
    .addOption(seconds('--ssh-timeout <SECONDS>', 'for an SSH connection', 10))
    .addOption(option('--ssh-username <NAME>', 'user on the far side of SSH').default('core'))
    .addOption(
      option('--strict-host-key-checking <BOOL>', 'check the keys of SSH hosts')
        .default(true)
        .argParser(readBoolean),
    )
    .addOption(
      option('--known-hosts-file <FILE>', 'keys of SSH hosts').default('~/.fleetctl/known_hosts'),
    )
    .addOption(option('--debug', 'print more of what is done').default(false));
}

function seconds(flags: string, description: string, value: number): Option {
  return option(flags, description).default(value).argParser(readNumber);
}

const blockingVerbs: readonly (readonly [verb: ChangeVerb, description: string])[] = [
  ['load', 'submit if needed, place units and load them into systemd'],
  ['start', 'submit and load if needed, and start units'],
  ['stop', 'stop units; they stay loaded'],
  ['unload', 'stop units and take them off their machines; they stay submitted'],
  ['destroy', 'stop units and remove them from the cluster'],
];

function addChanges(program: Command, deps: ProgramDeps): void {
  const change = (verb: ChangeVerb, description: string): Command =>
    program
      .command(verb)
      .description(description)
      .argument('<UNIT…>', 'names, paths of files, or instances of a submitted template')
      .usage('[OPTION…] UNIT…');
  const replaceable = (command: Command): Command =>
    command
      .addOption(
        option('--replace', 'replace a unit that exists in another version').default(false),
      )
      .addOption(option('--sign', 'accepted and ignored').default(false).hideHelp());
  replaceable(change('submit', 'upload unit files'))
    .allowExcessArguments(true)
    .action(changeAction(program, deps, 'submit'));
  for (const [verb, description] of blockingVerbs) {
    const command = change(verb, description)
      .allowExcessArguments(true)
      .addOption(option('--no-block', 'ask only, do not wait'))
      .addOption(
        option('--block-attempts <N>', 'give up after so many attempts of 2 s; 0: never')
          .default(0)
          .argParser(readNumber),
      )
      .addOption(seconds('--timeout <SECONDS>', 'give up after so long; 0: never', 0));
    if (verb === 'load' || verb === 'start') replaceable(command);
    command.action(changeAction(program, deps, verb));
  }
}

interface ChangeFlags {
  readonly replace?: boolean;
  readonly block?: boolean;
  readonly blockAttempts?: number;
  readonly timeout?: number;
}

function changeAction(program: Command, deps: ProgramDeps, verb: ChangeVerb) {
  return async (_first: string, flags: ChangeFlags, command: Command): Promise<void> => {
    const limits = [(flags.blockAttempts ?? 0) * ATTEMPT_MS, (flags.timeout ?? 0) * 1000].filter(
      (ms) => ms > 0,
    );
    await deps.run(globals(program), async (context) => {
      const { change } = await import('./commands/change.ts');
      return await change(context, verb, command.args, {
        replace: flags.replace ?? false,
        noBlock: flags.block === false,
        timeoutMs: limits.length === 0 ? 0 : Math.min(...limits),
      });
    });
  };
}

interface ListFlags {
  readonly full?: boolean;
  readonly legend?: boolean;
  readonly fields?: string;
  readonly json?: boolean;
}

function addListings(program: Command, deps: ProgramDeps): void {
  type Lister = 'listUnits' | 'listUnitFiles' | 'listMachines';
  const listings: readonly (readonly [
    name: string,
    lister: Lister,
    description: string,
    fields: string,
  ])[] = [
    [
      'list-units',
      'listUnits',
      'what runs where, as systemd reports it',
      'unit,load,active,sub,machine,hash',
    ],
    [
      'list-unit-files',
      'listUnitFiles',
      'what was submitted, wanted and placed',
      'unit,hash,dstate,state,target,tmachine,global,desc',
    ],
    ['list-machines', 'listMachines', 'the machines of the fleet', 'machine,ip,metadata'],
  ];
  for (const [name, lister, description, fields] of listings) {
    program
      .command(name)
      .description(description)
      .usage('[OPTION…]')
      .addOption(option('-l, --full', 'do not shorten ids and hashes').default(false))
      .addOption(option('--no-legend', 'no header line'))
      .addOption(option('--fields <FIELDS>', `columns, separated by commas: ${fields}`))
      .addOption(option('--json', "the API's own shape").default(false))
      .action(async (flags: ListFlags) => {
        const options: ListOptions = {
          full: flags.full ?? false,
          noLegend: flags.legend === false,
          fields: flags.fields,
          json: flags.json ?? false,
        };
        await deps.run(globals(program), async (context) => {
          const listings = await import('./commands/list.ts');
          return await listings[lister](context, options);
        });
      });
  }
}

interface JournalFlags {
  readonly lines: number;
  readonly follow?: boolean;
  readonly output: string;
  readonly sudo?: boolean;
  readonly sshPort?: number;
}

function addInspection(program: Command, deps: ProgramDeps): void {
  const sshPort = (): Option => option('--ssh-port <PORT>', 'port of SSH').argParser(readNumber);
  program
    .command('cat')
    .description('print a unit file as it was submitted')
    .argument('<UNIT>')
    .action(async (unit: string) => {
      await deps.run(globals(program), async (context) =>
        (await import('./commands/show.ts')).cat(context, unit),
      );
    });
  program
    .command('explain')
    .description('say why a unit is where it is, or is not')
    .argument('<UNIT>')
    .addOption(option('--json', "the API's own shape").default(false))
    .action(async (unit: string, flags: { json?: boolean }) => {
      await deps.run(globals(program), async (context) =>
        (await import('./commands/show.ts')).explain(context, unit, flags.json ?? false),
      );
    });
  program
    .command('status')
    .description("print systemd's status of units, from where they run")
    .argument('<UNIT…>')
    .allowExcessArguments(true)
    .addOption(sshPort())
    .addOption(new Option('--no-block').hideHelp())
    .action(async (_first: string, flags: { sshPort?: number }, command: Command) => {
      const options = globals(program);
      await deps.run(options, async (context) =>
        (await import('./commands/inspect.ts')).status(
          context,
          command.args,
          ssh(options, flags.sshPort),
        ),
      );
    });
  program
    .command('journal')
    .description("print a unit's journal, from where it runs")
    .argument('<UNIT>')
    .addOption(option('-n, --lines <N>', 'so many lines').default(10).argParser(readNumber))
    .addOption(option('-f, --follow', 'go on with new lines').default(false))
    .addOption(option('--output <FORMAT>', "journalctl's output format").default('short'))
    .addOption(option('--sudo', 'run journalctl by sudo').default(false))
    .addOption(sshPort())
    .action(async (unit: string, flags: JournalFlags) => {
      const options = globals(program);
      await deps.run(options, async (context) =>
        (await import('./commands/inspect.ts')).journal(
          context,
          unit,
          {
            lines: flags.lines,
            follow: flags.follow ?? false,
            output: flags.output,
            sudo: flags.sudo ?? false,
          },
          ssh(options, flags.sshPort),
        ),
      );
    });
}

function globals(program: Command): GlobalOptions {
  return program.opts<GlobalOptions>();
}

function ssh(options: GlobalOptions, port: number | undefined): SshOptions {
  return {
    port,
    username: options.sshUsername,
    strictHostKeyChecking: options.strictHostKeyChecking,
    knownHostsFile: options.knownHostsFile,
    timeoutSec: options.sshTimeout,
  };
}

function readNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It is not a number of 0 or more.');
  return value;
}

function readBoolean(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new InvalidArgumentError("It is neither 'true' nor 'false'.");
}

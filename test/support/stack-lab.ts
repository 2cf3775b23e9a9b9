// A real stack on the hosts of a lab: brought in by fleetctl, seen by the API and by each host's own systemd.
// Invariant: a host is asked through its own systemd what it runs; what fleet says is held against that.
import { request } from 'node:http';
import { expect } from 'vitest';
import { FleetClient } from '../../src/api/client.ts';
import type { V2Unit, V2UnitState } from '../../src/api/types.ts';
import type { Pending } from '../../src/model/refusal.ts';
import { eventually } from './eventually.ts';
import type { HostRow, Lab } from './lab.ts';
import { faultsOf, type Seen } from './stack-check.ts';
import { clashes, spansOf } from './stack-history.ts';
import {
  dropGranted,
  hostSetup,
  makeGranted,
  needsOf,
  stays,
  takenForGranted,
  withStandIns,
} from './stack-standin.ts';
import { metadataFor, type Stack, type StackUnit } from './stacks.ts';

/** One unit on one host, in systemd's words. */
interface Run {
  readonly active: string;
  readonly invocation: string;
}

/** A cluster at rest, and what systemd says. */
export interface Rest extends Seen {
  /** By unit and machine; of oneshots too. */
  readonly invocations: ReadonlyMap<string, string>;
  /** ms that it took. */
  readonly tookMs: number;
}

/** Faults of one look that are named. */
const FAULTS_NAMED = 20;

/** Where fleetctl finds the stack's files on h1. */
const DIR = '/root/stack';

export class StackOnLab {
  readonly #lab: Lab;
  readonly #stack: Stack;
  readonly #rows: readonly HostRow[];
  /** By place in the rows. */
  readonly #metadata: Readonly<Record<string, string>>[];
  readonly #client: FleetClient;
  /** Hosts where fleet runs. */
  readonly #up: Set<string>;
  #sinceMs = Date.now();

  private constructor(lab: Lab, stack: Stack, rows: readonly HostRow[]) {
    this.#lab = lab;
    this.#stack = stack;
    this.#rows = rows;
    this.#up = new Set(rows.map(({ host }) => host));
    this.#metadata = [...metadataFor(stack, rows.length)];
    const endpoints = [`unix://${lab.socket('h1')}`];
    this.#client = new FleetClient({ endpoints, requestTimeoutMs: 5_000 });
  }

  /** Hosts have the metadata that the stack asks for, stand-ins, and what the stack takes for granted; its files are on h1. */
  static async of(lab: Lab, stack: Stack): Promise<StackOnLab> {
    const rows = await lab.rows();
    const made = new StackOnLab(lab, stack, rows);
    await made.#clear();
    made.#sinceMs = Date.now();
    const setup = hostSetup + makeGranted(takenForGranted(stack));
    await Promise.all(rows.map(({ host }) => made.#shell(host, setup)));
    await made.#shell('h1', filesOf(stack));
    await made.#patch(rows.flatMap((_, at) => made.#describe(at, made.#metadata[at]!)));
    return made;
  }

  /** Submits all, and starts all that can be started. */
  async start(): Promise<void> {
    await this.#ctl('submit', ...this.#stack.units.map(({ name, template }) => template ?? name));
    await this.#ctl('start', '--no-block', ...this.#stack.units.map(({ name }) => name));
  }

  /** What must not have run at the same time and did, since the stack came. */
  async clashes(): Promise<readonly string[]> {
    const spans = await spansOf(this.#lab, [...this.#up], this.#sinceMs);
    expect(spans.length, 'spans in the journals').toBeGreaterThan(0);
    return clashes(this.#stack, spans);
  }

  /** Takes all away, and waits until no host has any of it. */
  async destroy(): Promise<void> {
    const all = this.#stack.units.flatMap(({ name, template }) => [name, template ?? name]);
    await this.#ctl('destroy', ...new Set(all));
    await eventually(async () => {
      const hosts = await this.#runs();
      return [...hosts.values()].every((runs) => runs.size === 0);
    });
    await Promise.all(this.#rows.map(({ host }) => this.#shell(host, dropGranted)));
    await this.#patch(this.#rows.flatMap((_, at) => this.#describe(at, {})));
    this.#client.close();
  }

  async stopFleet(host: string): Promise<void> {
    this.#up.delete(host);
    await this.#lab.out(host, 'systemctl', 'stop', 'fleet');
  }

  async startFleet(host: string): Promise<void> {
    await this.#lab.out(host, 'systemctl', 'start', 'fleet');
    this.#up.add(host);
  }

  async kill(host: string): Promise<void> {
    this.#up.delete(host);
    await this.#lab.kill(host);
  }

  async boot(host: string): Promise<void> {
    await this.#lab.boot(host);
    this.#up.add(host);
  }

  /** The two hosts get each other's metadata, in one step. */
  async swapMetadata(one: string, other: string): Promise<void> {
    const [a, b] = [one, other].map((host) => this.#rows.findIndex((row) => row.host === host));
    const [ofA, ofB] = [this.#metadata[a!]!, this.#metadata[b!]!];
    await this.#patch([...this.#describe(a!, ofB), ...this.#describe(b!, ofA)]);
    this.#metadata[a!] = ofB;
    this.#metadata[b!] = ofA;
  }

  /** Of these hosts, the one that runs the most. */
  busiest({ runs }: Seen, hosts: readonly string[]): string {
    const count = (host: string): number =>
      [...runs.values()].filter((on) => on.includes(this.#idOf(host))).length;
    return hosts.toSorted((a, b) => count(b) - count(a))[0]!;
  }

  /** Where the cluster comes to: nothing is wrong with it. */
  async rest(what: string, timeoutMs = 30_000): Promise<Rest> {
    const from = performance.now();
    const rest = await eventually(
      async () => {
        const { seen, faults, invocations } = await this.#look();
        if (faults.length > 0)
          throw new Error(`${what}: ${faults.slice(0, FAULTS_NAMED).join('\n')}`);
        return { ...seen, invocations, tookMs: Math.round(performance.now() - from) };
      },
      { timeoutMs, everyMs: 200 },
    );
    const [waiting] = rest.pending.values();
    if (waiting !== undefined) await this.#expectWords(waiting);
    return rest;
  }

  /** fleetctl says what the record says: a line for each machine. */
  async #expectWords({ name, machines }: Pending): Promise<void> {
    const said = await this.#lab.out('h1', 'fleetctl', 'explain', name);
    for (const { machine } of machines) expect(said).toContain(`machine ${machine.slice(0, 8)} `);
    expect(said, name).not.toContain('as desired');
  }

  /** What a stack that failed has left: hosts that are off, and its units. */
  async #clear(): Promise<void> {
    for (const { host, state } of this.#rows)
      if (state === 'off') await this.#lab.boot(host);
      else await this.#lab.out(host, 'systemctl', 'start', 'fleet');
    await eventually(async () => {
      const signal = AbortSignal.timeout(10_000);
      const left = await this.#client.units(signal);
      for (const { name } of left) await this.#client.destroyUnit(name, signal);
      const machines = await this.#client.machines(signal);
      const present = machines.filter(({ status }) => status !== 'absent').length;
      return present === this.#rows.length && (await this.#client.states(signal)).length === 0;
    });
    await Promise.all(this.#rows.map(({ host }) => this.#shell(host, dropGranted)));
    const machines = await this.#client.machines(AbortSignal.timeout(10_000));
    await this.#patch(
      machines.flatMap(({ id, metadata = {} }) =>
        Object.keys(metadata).map((key) => ({ op: 'remove', path: `/${id}/metadata/${key}` })),
      ),
    );
  }

  async #look(): Promise<{
    seen: Seen;
    faults: readonly string[];
    invocations: ReadonlyMap<string, string>;
  }> {
    const signal = AbortSignal.timeout(10_000);
    const [files, states, machines, hosts] = await Promise.all([
      this.#client.units(signal),
      this.#client.states(signal),
      this.#client.machines(signal),
      this.#runs(),
    ]);
    const present = this.#present()
      .map(({ machineId }) => machineId)
      .sort();
    const listed = machines
      .filter(({ status }) => status !== 'absent')
      .map(({ id }) => id)
      .sort();
    const runs = new Map<string, string[]>();
    for (const [id, units] of hosts)
      for (const name of units.keys()) runs.set(name, [...(runs.get(name) ?? []), id]);
    for (const { name, machineID, global } of files)
      if (!global && machineID !== undefined && !present.includes(machineID))
        runs.set(name, [...(runs.get(name) ?? []), machineID]);
    const waiting = this.#stack.units.filter(
      ({ name, asks }) => !asks.global && !runs.get(name)?.some((id) => present.includes(id)),
    );
    const explained = await Promise.all(
      waiting.map(({ name }) => this.#client.explain(name, signal)),
    );
    const pending = new Map(
      explained.flatMap(({ name, pending: why }) => (why === undefined ? [] : [[name, why]])),
    );
    const seen: Seen = {
      machines: this.#present().map(({ machineId: id }) => ({
        id,
        metadata: this.#metadataOf(id),
      })),
      units: this.#stack.units,
      runs,
      pending,
    };
    const faults = [
      ...(present.join() === listed.join() ? [] : [`machines: ${listed.join()}`]),
      ...faultsOf(seen),
      ...misreported(hosts, files, states),
      ...idle(this.#stack.units, hosts),
    ];
    const ids = [...hosts].flatMap(([id, units]) =>
      [...units].map(([name, { invocation }]) => [`${name} ${id}`, invocation] as const),
    );
    return { seen, faults, invocations: new Map(ids) };
  }

  /** By machine and unit: what its systemd has from fleet. */
  async #runs(): Promise<ReadonlyMap<string, ReadonlyMap<string, Run>>> {
    const names = this.#stack.units.map(({ name }) => name);
    const show = ['systemctl', 'show', '-p', 'Id,FragmentPath,ActiveState,InvocationID', '--'];
    const up = this.#rows.filter(({ host }) => this.#up.has(host));
    const found = up.map(async ({ host, machineId }) => {
      const blocks = (await this.#lab.out(host, ...show, ...names)).split('\n\n');
      const runs = blocks
        .map((block) => Object.fromEntries(block.split('\n').map(pairOf)) as Record<string, string>)
        .filter((shown) => shown['FragmentPath']?.startsWith('/run/') === true)
        .map((shown): [string, Run] => [
          shown['Id']!,
          { active: shown['ActiveState']!, invocation: shown['InvocationID']! },
        ]);
      return [machineId, new Map(runs)] as const;
    });
    return new Map(await Promise.all(found));
  }

  #present(): readonly HostRow[] {
    return this.#rows.filter(({ host }) => this.#up.has(host));
  }

  #idOf(host: string): string {
    return this.#rows.find((row) => row.host === host)!.machineId;
  }

  #metadataOf(id: string): Readonly<Record<string, string>> {
    return this.#metadata[this.#rows.findIndex(({ machineId }) => machineId === id)]!;
  }

  async #ctl(...args: readonly string[]): Promise<void> {
    const command = ['sh', '-c', `cd ${DIR} && exec fleetctl "$@"`, 'sh', ...args];
    const ended = await this.#lab.exec('h1', ...command);
    if (ended.status !== 0) throw new Error(`fleetctl ${args[0]}: ${ended.stderr}`);
  }

  async #shell(host: string, script: string): Promise<void> {
    const ended = await this.#lab.feed(host, script, 'sh', '-e');
    if (ended.status !== 0) throw new Error(`${host}: ${ended.stderr}`);
  }

  /** What makes a host's metadata these and no others of the stack's. */
  #describe(at: number, wanted: Readonly<Record<string, string>>): readonly object[] {
    const keys = new Set([...Object.keys(this.#metadata[at]!), ...Object.keys(wanted)]);
    return [...keys].map((key) => ({
      op: wanted[key] === undefined ? 'remove' : 'add',
      path: `/${this.#rows[at]!.machineId}/metadata/${key}`,
      ...(wanted[key] === undefined ? {} : { value: wanted[key] }),
    }));
  }

  async #patch(operations: readonly object[]): Promise<void> {
    if (operations.length === 0) return;
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({
        socketPath: this.#lab.socket('h1'),
        path: '/fleet/v1/machines',
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json' },
      })
        .on('response', (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end(JSON.stringify(operations));
    });
    expect(status, 'PATCH of the metadata').toBe(204);
  }
}

/** Expects that what ran before and after, on the machines that were there all along, is the same run. */
export function expectUntouched(before: Rest, after: Rest): void {
  const both = [...before.invocations].filter(([run]) => after.invocations.has(run));
  expect(both.filter(([run, id]) => after.invocations.get(run) !== id)).toEqual([]);
  for (const [name, on] of before.runs)
    for (const id of on)
      if ([before, after].every(({ machines }) => machines.some((machine) => machine.id === id)))
        expect(after.runs.get(name), `${name} stays`).toContain(id);
}

/** Units that fleet says are elsewhere than they are, or in another state. */
function misreported(
  hosts: ReadonlyMap<string, ReadonlyMap<string, Run>>,
  files: readonly V2Unit[],
  states: readonly V2UnitState[],
): readonly string[] {
  const real = [...hosts].flatMap(([id, units]) =>
    [...units].map(([name, { active }]) => `${name} ${id} ${active}`),
  );
  const said = states.map(
    ({ name, machineID, systemdActiveState: active }) => `${name} ${machineID} ${active}`,
  );
  const placed = files
    .filter(({ machineID, currentState }) => machineID !== undefined && currentState !== 'lost')
    .filter(({ name, machineID }) => hosts.get(machineID!)?.has(name) !== true);
  return [
    ...real.filter((row) => !said.includes(row)).map((row) => `list-units has no row ${row}`),
    ...said.filter((row) => !real.includes(row)).map((row) => `list-units has a row ${row}`),
    ...placed.map(
      ({ name, machineID }) => `${name} is not on ${machineID}, as list-unit-files says`,
    ),
  ];
}

/** Units that are where they belong and do not run, though all that they need is there and runs. */
function idle(
  units: readonly StackUnit[],
  hosts: ReadonlyMap<string, ReadonlyMap<string, Run>>,
): readonly string[] {
  const own = new Set(units.map(({ name }) => name));
  return [...hosts].flatMap(([id, runs]) =>
    units
      .filter((unit) => runs.has(unit.name) && stays(unit))
      .filter((unit) => needsOf(unit).every((need) => !own.has(need) || isActive(runs.get(need))))
      .filter(({ name }) => !isActive(runs.get(name)))
      .map(({ name }) => `${name} is ${runs.get(name)!.active} on ${id}`),
  );
}

function isActive(run: Run | undefined): boolean {
  return run?.active === 'active';
}

function pairOf(line: string): readonly [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

/** A shell script that writes the stack's files. */
function filesOf({ units }: Stack): string {
  const files = new Map(units.map(({ name, template, text }) => [template ?? name, text]));
  const writes = [...files].map(
    ([name, text]) => `cat > '${name}' <<'END OF UNIT'\n${withStandIns(text)}\nEND OF UNIT`,
  );
  return [`rm -rf ${DIR}`, `mkdir ${DIR}`, `cd ${DIR}`, ...writes].join('\n');
}

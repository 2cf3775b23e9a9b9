// A systemd in memory for tests of the agent: links, a reload that counts, jobs that end, fail or hang as the unit file's comments say.
// `# hang-start`, `# hang-stop`, `# fail`, `# oneshot`, `# bad-install`, `# bad-disable`, `# refuse-stop`, `# behind-fleetd` in the text choose; test/real/host.test.ts holds the same facts against a real one.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { OWN_UNIT } from '../../agent/stop-reason.ts';
import type { Alarm, CheckStart, Job, Systemd, UnitProperties } from '../../agent/systemd.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { JobResult, SystemdState } from '../../src/model/unit-state.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { Wake } from '../../src/runtime/wake.ts';
import { noteCommand, type NoteCommand } from './note-command.ts';

interface FakeUnit {
  text: string;
  activeState: string;
  subState: string;
  invocation: number;
  endJob: ((result: JobResult) => void) | undefined;
  fragmentPath: string;
}

export class FakeSystemd implements Systemd {
  /** Files that systemd has read, by name: what was linked before the last reload. */
  readonly units = new Map<string, FakeUnit>();
  readonly linked = new Map<string, string>();
  readonly enabled = new Set<string>();
  readonly calls: string[] = [];
  readonly alarmsSet = new Map<string, Alarm>();
  /** Of whom a state was asked, in order. */
  readonly looks: UnitName[] = [];
  /** The kind of the job that is pending on fleetd's own unit. */
  ownJob: string | undefined;
  readonly #changed = new Wake();
  readonly #read: (path: string) => string | undefined;
  #invocations = 0;

  /** `read` answers the text of a unit file; from the disk unless another is given. */
  constructor(read: (path: string) => string | undefined = readFromDisk) {
    this.#read = read;
  }

  /** A unit that the host has from elsewhere. */
  addForeign(name: string): void {
    this.units.set(name, unit('', `/lib/systemd/system/${name}`));
  }

  active(): string[] {
    return [...this.units].filter(([, u]) => u.activeState === 'active').map(([name]) => name);
  }

  count(call: string): number {
    return this.calls.filter((each) => each.startsWith(call)).length;
  }

  link(paths: readonly string[]): Promise<void> {
    this.calls.push(`link ${paths.map((path) => basename(path)).join(' ')}`);
    for (const path of paths) this.linked.set(basename(path), path);
    return Promise.resolve();
  }

  enable(names: readonly UnitName[]): Promise<void> {
    this.calls.push(`enable ${names.join(' ')}`);
    const isBad = (name: string): boolean =>
      this.#read(this.linked.get(name) ?? '')?.includes('# bad-install') === true;
    if (names.some(isBad))
      return Promise.reject(new FleetError('DBUS_CALL_FAILED', 'bad [Install]'));
    for (const name of names) this.enabled.add(name);
    return Promise.resolve();
  }

  disable(names: readonly UnitName[]): Promise<void> {
    this.calls.push(`disable ${names.join(' ')}`);
    if (names.some((name) => this.units.get(name)?.text.includes('# bad-disable') === true))
      return Promise.reject(new FleetError('DBUS_CALL_FAILED', 'read-only file system'));
    for (const name of names) {
      this.enabled.delete(name);
      this.linked.delete(name);
    }
    return Promise.resolve();
  }

  reload(): Promise<void> {
    this.calls.push('reload');
    for (const [name, path] of this.linked) {
      const text = this.#read(path);
      if (text === undefined) continue; // a link that leads nowhere
      const known = this.units.get(name);
      if (known === undefined) this.units.set(name, unit(text, path));
      else known.text = text;
    }
    for (const [name, { activeState, fragmentPath }] of this.units) {
      const isIdle = activeState === 'inactive' || activeState === 'failed';
      if (isIdle && !this.linked.has(name) && !fragmentPath.startsWith('/lib/'))
        this.units.delete(name);
    }
    this.#changed.set();
    return Promise.resolve();
  }

  async start(name: UnitName, _signal?: AbortSignal, check?: CheckStart): Promise<Job> {
    check?.();
    return await this.#start(name);
  }

  #start(name: UnitName): Promise<Job> {
    this.calls.push(`start ${name}`);
    const found = this.units.get(name);
    if (found === undefined)
      return Promise.reject(new FleetError('DBUS_CALL_FAILED', `unit '${name}' not found`));
    if (found.activeState === 'active') return Promise.resolve({ ended: Promise.resolve('done') });
    if (isUnusable(found))
      return Promise.reject(new FleetError('DBUS_CALL_FAILED', 'bad unit file setting'));
    found.invocation = this.#invocations += 1;
    if (found.text.includes('# hang-start')) {
      found.activeState = 'activating';
      return Promise.resolve({ ended: this.#hang(found) });
    }
    const failed = found.text.includes('# fail');
    const ended = found.text.includes('# oneshot');
    found.activeState = failed ? 'failed' : ended ? 'inactive' : 'active';
    found.subState = failed ? 'failed' : ended ? 'dead' : 'running';
    this.#changed.set();
    return Promise.resolve({ ended: Promise.resolve(failed ? 'failed' : 'done') });
  }

  stop(name: UnitName): Promise<Job> {
    this.calls.push(`stop ${name}`);
    const found = this.units.get(name);
    if (found === undefined) return Promise.resolve({ ended: Promise.resolve('done') });
    if (found.text.includes('# refuse-stop'))
      return Promise.reject(new FleetError('DBUS_CALL_FAILED', 'operation refused'));
    found.endJob?.('canceled');
    if (/# hang-stop|# behind-fleetd/.test(found.text)) {
      found.activeState = 'deactivating';
      return Promise.resolve({ ended: this.#hang(found) });
    }
    found.activeState = 'inactive';
    found.subState = 'dead';
    this.#changed.set();
    return Promise.resolve({ ended: Promise.resolve('done') });
  }

  stuckStops(names: readonly UnitName[]): Promise<readonly UnitName[]> {
    const isStuck = (name: UnitName): boolean =>
      this.units.get(name)?.text.includes('# behind-fleetd') === true;
    return Promise.resolve(names.filter(isStuck));
  }

  stopAhead(name: UnitName): Promise<void> {
    this.calls.push(`stop-ahead ${name}`);
    this.release(name);
    return Promise.resolve();
  }

  /** Ends the job that hangs: the unit is then active or inactive. */
  release(name: string): void {
    const found = this.units.get(name);
    if (found === undefined) return;
    found.activeState = found.activeState === 'activating' ? 'active' : 'inactive';
    found.endJob?.('done');
    this.#changed.set();
  }

  /** It fails while it runs. */
  fail(name: string): void {
    const found = this.units.get(name);
    if (found === undefined) return;
    found.activeState = 'failed';
    found.subState = 'failed';
    this.#changed.set();
  }

  resetFailed(name: UnitName): Promise<void> {
    const found = this.units.get(name);
    if (found?.activeState === 'failed') found.activeState = 'inactive';
    return Promise.resolve();
  }

  /** `# stop-timeout=5000` in the text, ms. */
  stopTimeoutMs(name: UnitName): Promise<number | undefined> {
    const found = /# stop-timeout=(\d+)/.exec(this.units.get(name)?.text ?? '');
    return Promise.resolve(found === null ? undefined : Number(found[1]));
  }

  setAlarms(alarms: readonly Alarm[]): Promise<void> {
    for (const alarm of alarms) this.alarmsSet.set(alarm.name, alarm);
    return Promise.resolve();
  }

  clearAlarms(names: readonly string[]): Promise<void> {
    for (const name of names) this.alarmsSet.delete(name);
    return Promise.resolve();
  }

  alarms(prefix: string): Promise<readonly string[]> {
    return Promise.resolve([...this.alarmsSet.keys()].filter((name) => name.startsWith(prefix)));
  }

  /** A test says so: here they run all of their commands at once. */
  ringing = false;

  isRinging(): Promise<boolean> {
    return Promise.resolve(this.ringing);
  }

  /** Runs the alarms that are due, as the real one does by itself: rm, systemctl stop and kill are understood. */
  ring(nowMs: number): void {
    for (const { name, atMs, commands } of this.alarmsSet.values()) {
      if (atMs > nowMs) continue;
      this.alarmsSet.delete(name);
      for (const command of commands) {
        const [program = '', ...args] = command;
        const names = args.slice(args.indexOf('--') + 1);
        const note = noteCommand(command);
        if (note !== undefined) this.#note(note);
        else if (program.endsWith('/rm')) for (const path of names) rmSync(path, { force: true });
        else
          for (const unitName of names) {
            if (args.includes('stop')) void this.stop(unitName as UnitName);
            else this.calls.push(`kill ${unitName}`);
          }
      }
    }
  }

  /** The permits, and systemctl show --property=Id,ActiveState,Job, > path, where that can be written. */
  #note({ path, permits, names }: NoteCommand): void {
    if (!existsSync(dirname(path))) return;
    const state = (name: string): string => this.units.get(name)?.activeState ?? 'inactive';
    const permitted = existsSync(permits) ? readdirSync(permits) : [];
    const lines = permitted.filter((name) => !name.startsWith('.')).map((name) => `${name}\n`);
    const blocks = names.map((name) => `Id=${name}\nActiveState=${state(name)}\n`);
    writeFileSync(path, `${lines.join('')}\n${blocks.join('\n')}`);
  }

  states(names: readonly UnitName[]): Promise<ReadonlyMap<UnitName, SystemdState>> {
    this.looks.push(...names);
    return Promise.resolve(
      new Map(
        names.map((name): [UnitName, SystemdState] => {
          const found = this.units.get(name);
          const read = found !== undefined && isUnusable(found) ? 'bad-setting' : 'loaded';
          const loadState = found === undefined ? 'not-found' : read;
          const { activeState = 'inactive', subState = 'dead' } = found ?? {};
          return [name, { loadState, activeState, subState }];
        }),
      ),
    );
  }

  async properties(name: UnitName): Promise<UnitProperties | undefined> {
    const state = (await this.states([name])).get(name)!;
    const fragmentPath = this.units.get(name)?.fragmentPath ?? '';
    return { ...state, fragmentPath, unitFileState: '' };
  }

  result(name: UnitName): Promise<string | undefined> {
    return Promise.resolve(
      this.units.get(name)?.activeState === 'failed' ? 'exit-code' : 'success',
    );
  }

  pendingJob(name: UnitName): Promise<string | undefined> {
    if (name === OWN_UNIT) return Promise.resolve(this.ownJob);
    const isStopping = this.units.get(name)?.activeState === 'deactivating';
    return Promise.resolve(isStopping ? 'stop' : undefined);
  }

  changed(signal: AbortSignal): Promise<void> {
    return this.#changed.changed(signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #hang(found: FakeUnit): Promise<JobResult> {
    return new Promise((resolve) => {
      found.endJob = (result) => {
        found.endJob = undefined;
        resolve(result);
      };
    });
  }
}

function isUnusable({ text }: FakeUnit): boolean {
  return text.includes('# bad-setting');
}

function readFromDisk(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function unit(text: string, fragmentPath: string): FakeUnit {
  return {
    text,
    activeState: 'inactive',
    subState: 'dead',
    invocation: 0,
    endJob: undefined,
    fragmentPath,
  };
}

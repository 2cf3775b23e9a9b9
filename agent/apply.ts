// Carries a plan out: stops, files, links, one reload, notes, hand-overs, starts, in the plan's order.
// Invariant: it decides nothing; where a step of a unit fails, only what follows for that unit is left out.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { SystemdState } from '../src/model/unit-state.ts';
import type { UnitName, UnitTarget } from '../src/model/unit.ts';
import type { Guards } from '../src/reconcile/host-guards.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import type { HostAction } from '../src/reconcile/host-plan.ts';
import type { Log } from '../src/runtime/log.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { DropIns } from './drop-ins.ts';
import type { Reloads } from './reloads.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';
import type { UnitJobs } from './unit-jobs.ts';

export interface ApplyDeps {
  readonly systemd: Systemd;
  readonly unitDir: UnitDir;
  readonly dropIns: DropIns;
  readonly carriedOut: CarriedOutFile;
  readonly jobs: UnitJobs;
  readonly log: Log;
  readonly reloads: Reloads;
  /** Texts at hand, by SHA-256. */
  readonly texts: ReadonlyMap<string, string>;
  readonly handOver: (name: UnitName, revision: bigint) => void;
  readonly loadFailed: (target: UnitTarget, error: FleetError) => void;
  /** Ends when what is started may be: the desired state is on the disk. */
  readonly startable: Promise<void>;
}

type Load = HostAction & { kind: 'load' };
type Unload = HostAction & { kind: 'unload' };

/** Carries out all actions. Throws what concerns all units, such as a reload that failed; the next pass does what is left. */
export async function applyActions(
  deps: ApplyDeps,
  actions: readonly HostAction[],
  signal: AbortSignal,
): Promise<void> {
  const failed = new Set<UnitName>();
  const loads: Load[] = [];
  const unloads: Unload[] = [];
  await noteStops(deps, actions);
  for (const action of actions) {
    if (action.kind !== 'reload') logAction(deps.log, action);
    switch (action.kind) {
      case 'stop':
        deps.jobs.stop(action.unit, signal);
        break;
      case 'unload':
        unloads.push(action);
        break;
      case 'load':
        loads.push(action);
        break;
      case 'reload':
        for (const name of await changeFiles(deps, { loads, unloads }, signal)) failed.add(name);
        break;
      case 'adopt':
      case 'hold':
      case 'start':
        if (!failed.has(action.unit)) note(deps.carriedOut, action);
        break;
      case 'hand-over':
        break; // below, when the notes are on disk
    }
  }
  await Promise.all([deps.carriedOut.save(), deps.startable]);
  for (const action of actions) {
    if (action.kind === 'hand-over' && !failed.has(action.unit))
      deps.handOver(action.unit, action.revision);
    if (action.kind === 'start' && !failed.has(action.unit))
      deps.jobs.start(action.unit, action.generation, signal);
  }
}

/** On the disk before a stop is asked: a fleetd that begins anew must not take for started what this one has stopped. */
async function noteStops(
  { carriedOut, log }: ApplyDeps,
  actions: readonly HostAction[],
): Promise<void> {
  const noted: UnitName[] = [];
  for (const action of actions) {
    const before = action.kind === 'stop' ? carriedOut.records.get(action.unit) : undefined;
    if (before?.desiredState !== 'launched' || before.ending === true) continue;
    carriedOut.set({ ...before, ending: true });
    noted.push(before.name);
  }
  const isLeave = actions.some((each) => each.kind === 'stop' && each.because === 'leaving');
  if (noted.length === 0 && !isLeave) return;
  try {
    if (isLeave) await carriedOut.beginLeave();
    await carriedOut.save();
  } catch (error) {
    const { message } = asUnitFailure(error);
    if (!isLeave && (await carriedOut.markStops(noted).catch(() => false))) return;
    log.warn({ err: message }, 'stops cannot be noted before they are asked, going on');
  }
}

function logAction(log: Log, action: Exclude<HostAction, { kind: 'reload' }>): void {
  const { kind, unit } = action;
  const because = 'because' in action ? action.because : undefined;
  const generation = 'generation' in action ? action.generation : undefined;
  log.info({ kind, unit, because, generation }, 'host action');
}

function note(
  file: CarriedOutFile,
  action: HostAction & { kind: 'adopt' | 'hold' | 'start' },
): void {
  const before = file.records.get(action.unit);
  if (before === undefined) return;
  const { stopped: _stopped, held: _held, ...rest } = before;
  const { ending: _ending, ...anew } = rest;
  const { started: _started, job: _job, result: _result, ...unstarted } = anew;
  const { generation } = action;
  switch (action.kind) {
    case 'adopt': {
      const started = action.started === undefined ? {} : { started: action.started };
      return file.set({ ...rest, generation, ...started });
    }
    case 'hold':
      return file.set({ ...before, held: generation });
    case 'start':
      // A start of the same generation before counts no more: this one may never be answered.
      return file.set({
        ...(before.started === generation ? unstarted : anew),
        generation,
        desiredState: 'launched',
      });
  }
}

/** Takes files and links away and brings new ones, with one reload. Answers the units for which it failed. */
async function changeFiles(
  deps: ApplyDeps,
  { loads, unloads }: { loads: readonly Load[]; unloads: readonly Unload[] },
  signal: AbortSignal,
): Promise<readonly UnitName[]> {
  const { carriedOut } = deps;
  const running = await stillRunning(deps, unloads, signal);
  const gone = unloads.map(({ unit }) => unit).filter((name) => !running.has(name));
  const relinked = loads
    .map(({ unit }) => unit)
    .filter((name) => carriedOut.records.get(name)?.enabled === true);
  await disableEach(deps, [...gone, ...relinked], signal);
  await deps.unitDir.remove(gone, signal);
  let loaded: readonly Loaded[];
  try {
    const unguarded = loads.filter((load) => !isGuarded(load)).map(({ unit }) => unit);
    for (const name of [...gone, ...unguarded])
      if (carriedOut.records.get(name)?.fenced === true) await deps.dropIns.remove(name);
    loaded = await writeAndLink(deps, loads, signal);
    await takeBack(deps, { loads, loaded }, signal);
    await deps.reloads.reload(signal);
  } catch (error) {
    noteBegun(carriedOut, loads);
    throw error;
  }
  for (const name of gone) carriedOut.delete(name);
  for (const one of loaded) carriedOut.set(recordOf(carriedOut, one));
  const names = new Set(loaded.map(({ target }) => target.name));
  return [...running, ...loads.map(({ unit }) => unit).filter((name) => !names.has(name))];
}

/** Units that came up again after their stop had ended, by a timer or a socket: they are stopped again. Failed ones are reset. */
async function stillRunning(
  { systemd, jobs }: ApplyDeps,
  unloads: readonly Unload[],
  signal: AbortSignal,
): Promise<ReadonlySet<UnitName>> {
  const running = new Set<UnitName>();
  if (unloads.length === 0) return running;
  const states = await systemd.states(
    unloads.map(({ unit }) => unit),
    signal,
  );
  for (const { unit } of unloads) {
    const state = states.get(unit);
    if (state?.activeState === 'failed') await resetFailed(systemd, unit, signal);
    if (state === undefined || !isUp(state)) continue;
    running.add(unit);
    jobs.stop(unit, signal);
  }
  return running;
}

function isUp({ activeState }: SystemdState): boolean {
  return activeState !== 'inactive' && activeState !== 'failed';
}

async function resetFailed(systemd: Systemd, name: UnitName, signal: AbortSignal): Promise<void> {
  try {
    await systemd.resetFailed(name, signal);
  } catch (error) {
    if (!isFleetError(error, 'DBUS_CALL_FAILED')) throw error; // gone already: nothing to reset
  }
}

interface Loaded {
  readonly target: UnitTarget;
  readonly enabled: boolean;
  readonly guards: Guards;
}

async function writeAndLink(
  deps: ApplyDeps,
  loads: readonly Load[],
  signal: AbortSignal,
): Promise<readonly Loaded[]> {
  const written = await allOrEach(deps, loads, (some) =>
    deps.unitDir.write(
      some.map(({ target }) => ({ name: target.name, text: textOf(deps, target) })),
      signal,
    ),
  );
  const guarded = await allOrEach(deps, written.filter(isGuarded), async (some) => {
    for (const { unit, guards } of some) await deps.dropIns.write(unit, guards);
  });
  const linkable = written.filter((load) => !isGuarded(load) || guarded.includes(load));
  const linked = await allOrEach(deps, linkable, (some) =>
    deps.systemd.link(
      some.map(({ unit }) => deps.unitDir.path(unit)),
      signal,
    ),
  );
  const withInstall = linked.filter(({ target }) => hasInstall(target));
  const enabled = await allOrEach(deps, withInstall, (some) =>
    deps.systemd.enable(
      some.map(({ unit }) => unit),
      signal,
    ),
  );
  const failed = new Set(withInstall.filter((load) => !enabled.includes(load)));
  return linked
    .filter((load) => !failed.has(load))
    .map(({ target, guards }) => ({ target, guards, enabled: hasInstall(target) }));
}

/** What could not be loaded and was not there before has no record: nothing would ever take its file and links away. */
async function takeBack(
  deps: ApplyDeps,
  { loads, loaded }: { loads: readonly Load[]; loaded: readonly Loaded[] },
  signal: AbortSignal,
): Promise<void> {
  const { unitDir, dropIns, carriedOut } = deps;
  const names = new Set(loaded.map(({ target }) => target.name));
  const failed = loads
    .map(({ unit }) => unit)
    .filter((name) => !names.has(name) && !carriedOut.records.has(name));
  await disableEach(deps, failed, signal);
  for (const name of failed) {
    try {
      await unitDir.remove([name], signal);
      await dropIns.remove(name);
    } catch (error) {
      asUnitFailure(error); // as when it was to be written
    }
  }
}

/** One call for all; where systemd refuses that, one for each: a link that stays behind leads nowhere, and holds nobody up. */
async function disableEach(
  { systemd, log }: ApplyDeps,
  names: readonly UnitName[],
  signal: AbortSignal,
): Promise<void> {
  if (names.length === 0) return;
  try {
    return await systemd.disable(names, signal);
  } catch (error) {
    if (!isFleetError(error, 'DBUS_CALL_FAILED')) throw error;
  }
  for (const name of names) {
    try {
      await systemd.disable([name], signal);
    } catch (error) {
      if (!isFleetError(error, 'DBUS_CALL_FAILED')) throw error;
      log.warn({ unit: name, err: error.message }, 'the links of a unit cannot be taken away');
    }
  }
}

function textOf({ texts }: ApplyDeps, { name, sha256 }: UnitTarget): string {
  const text = texts.get(sha256);
  if (text === undefined) throw new FleetError('NOT_FOUND', `the text of '${name}' is not at hand`);
  return text;
}

function isGuarded({ guards }: Load): boolean {
  return guards.fenced === true;
}

/** Also a container's service may have one: in a pod it is wanted by that (StartWithPod=). */
function hasInstall({ name, options }: UnitTarget): boolean {
  return name.endsWith('.container') || options.some(({ section }) => section === 'Install');
}

/** One call for all; where that fails for a reason of one unit, one for each, so that a bad unit stands alone. */
async function allOrEach(
  deps: ApplyDeps,
  loads: readonly Load[],
  call: (loads: readonly Load[]) => Promise<void>,
): Promise<readonly Load[]> {
  if (loads.length === 0) return [];
  try {
    await call(loads);
    return loads;
  } catch (error) {
    asUnitFailure(error);
  }
  const good: Load[] = [];
  for (const load of loads) {
    try {
      await call([load]);
      good.push(load);
    } catch (error) {
      const failure = asUnitFailure(error);
      deps.log.warn({ unit: load.unit, err: failure.message }, 'a unit cannot be loaded, retrying');
      deps.loadFailed(load.target, failure);
    }
  }
  return good;
}

/** What concerns one unit only: systemd's refusal, the file system's, ours. A lost connection concerns all, and is thrown on. */
function asUnitFailure(error: unknown): FleetError {
  if (isFleetError(error) && !isFleetError(error, 'DBUS_CLOSED', 'DBUS_TIMEOUT')) return error;
  if (error instanceof Error && 'code' in error && 'syscall' in error)
    return new FleetError('INTERNAL', `its file cannot be written: ${error.message}`, {
      cause: error,
    });
  throw error;
}

/**
 * Systemd was lost midway: what was begun has a record that equals no version. It is loaded again, or taken away if it is released before
 * that; without a record its file and links would stay for ever.
 */
function noteBegun(file: CarriedOutFile, loads: readonly Load[]): void {
  for (const { unit: name, target, guards } of loads) {
    if (file.records.has(name)) continue;
    const nothing = { hash: '', sha256: '', generation: 0, stopped: true };
    file.set({ ...nothing, name, desiredState: 'loaded', enabled: hasInstall(target), ...guards });
  }
}

function recordOf(file: CarriedOutFile, { target, enabled, guards }: Loaded): CarriedOut {
  const { name, hash, sha256, generation } = target;
  const {
    stopped: _stopped,
    held: _held,
    fenced: _fenced,
    stopsCutOff: _stopsCutOff,
    ended: _ended,
    ...rest
  } = file.records.get(name) ?? { desiredState: 'loaded' as const };
  return { ...rest, name, hash, sha256, generation, enabled, ...guards };
}

// Where the records and what is here have parted: records that were lost, of what was taken away and could not be noted, and of stops that a
// fleetd before this one may have asked.
// Invariant: what it answers leads to no action for what runs already.
import { guardsOf } from '../src/reconcile/host-guards.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import { hashOfOptions } from '../src/unitfile/hash.ts';
import { optionsOf } from '../src/unitfile/format.ts';
import { parseNamedFile } from '../src/unitfile/quadlet-name.ts';
import type { Log } from '../src/runtime/log.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { DropIns } from './drop-ins.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';

export interface RecoverDeps {
  readonly systemd: Systemd;
  readonly unitDir: UnitDir;
  readonly dropIns: DropIns;
  readonly carriedOut: CarriedOutFile;
  readonly log: Log;
}

/**
 * Sets records: for unit files that lie in the directory and have none, where systemd has loaded them; and for units that are down and
 * whose file or link was taken away, or may have been, so that the rest of that is done, or the unit loaded anew. Takes away what else lies
 * there of a unit that systemd has not loaded.
 */
export async function recoverRecords(
  { systemd, unitDir, dropIns, carriedOut, log }: RecoverDeps,
  signal: AbortSignal,
): Promise<void> {
  const known = carriedOut.records;
  const files = await unitDir.list(signal);
  const names = [...files.keys()].filter((name) => !known.has(name));
  if (names.length === 0 && known.size === 0) return;
  const states = await systemd.states([...names, ...known.keys()], signal);
  const unloaded = names.filter((name) => states.get(name)?.loadState === 'not-found');
  // Of a load that was interrupted: whoever reloads systemd next would load it.
  if (unloaded.length > 0) await systemd.disable(unloaded, signal);
  for (const name of unloaded) await dropIns.remove(name);
  const recovered: CarriedOut[] = [];
  for (const name of names) {
    const state = states.get(name);
    const sha256 = files.get(name);
    const bytes = await unitDir.read(name, signal);
    if (state === undefined || state.loadState === 'not-found') continue;
    if (bytes === undefined || sha256 === undefined) continue;
    const file = parseNamedFile(name, bytes.toString('utf8')).ok;
    const options = file === undefined ? [] : optionsOf(file);
    recovered.push({
      name,
      hash: hashOfOptions(options),
      sha256,
      generation: 0, // older than any that the store can name
      // Who started it is not known: `launched` would stop what a timer started where only `loaded` is asked for.
      desiredState: 'loaded',
      enabled: options.some(({ section }) => section === 'Install'),
      ...guardsOf(name, options),
    });
  }
  for (const { name } of recovered)
    log.info({ unit: name }, 'found a unit of fleet that no record tells of');
  for (const one of known.values()) {
    const { loadState, activeState } = states.get(one.name) ?? {};
    if (activeState !== 'inactive' && activeState !== 'failed') continue;
    const isTaken = !files.has(one.name) || loadState === 'not-found';
    if (isTaken) log.info({ unit: one.name }, 'found no file of a unit that a record tells of');
    // Whoever stops a unit may have begun to take it away as well.
    if (isTaken || one.ending === true || one.stopped === true) recovered.push(withoutFile(one));
  }
  for (const one of recovered) carriedOut.set(one);
}

/**
 * Takes back the notes of stops that systemd knows nothing of: the units are up. As soon as fleetd begins: one that ends by itself later is
 * not to be taken for one that was stopped.
 */
export async function settleStops(
  { systemd, carriedOut, log }: RecoverDeps,
  signal: AbortSignal,
): Promise<void> {
  const idle: CarriedOut[] = [];
  for (const one of carriedOut.records.values())
    if (one.ending === true && (await systemd.pendingJob(one.name, signal)) === undefined)
      idle.push(one);
  if (idle.length === 0) return;
  // Asked behind the jobs: a stop that ended in between has left its unit down.
  const names = idle.map(({ name }) => name);
  const states = await systemd.states(names, signal);
  for (const { ending: _ending, ...one } of idle) {
    if (!UP.has(states.get(one.name)?.activeState ?? '')) continue;
    log.info({ unit: one.name }, 'its stop was noted, and never asked');
    carriedOut.set(one);
  }
  await carriedOut.save();
}

/** With no stop under way (org.freedesktop.systemd1(5)). */
const UP: ReadonlySet<string> = new Set(['active', 'reloading', 'activating']);

function withoutFile({ name, enabled, fenced, stopsCutOff }: CarriedOut): CarriedOut {
  return {
    name,
    hash: '',
    sha256: '',
    generation: 0,
    desiredState: 'loaded',
    enabled,
    stopped: true,
    ...(fenced === undefined ? {} : { fenced }),
    ...(stopsCutOff === undefined ? {} : { stopsCutOff }),
  };
}

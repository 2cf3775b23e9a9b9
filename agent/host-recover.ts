// Where the records and what is here have parted: records that were lost, and records of what was taken away and could not be noted.
// Invariant: what it answers leads to no action for what runs already.
import type { UnitName } from '../src/model/unit.ts';
import { guardsOf } from '../src/reconcile/host-guards.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import { hashOfOptions } from '../src/unitfile/hash.ts';
import { optionsOf } from '../src/unitfile/format.ts';
import { parseNamedFile } from '../src/unitfile/quadlet-name.ts';
import type { Log } from '../src/runtime/log.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';

export interface Recovered {
  /** Records for the unit files that lie in the directory and have none, where systemd has loaded them. */
  readonly found: readonly CarriedOut[];
  /** Whose record tells of a file that is not there, and which are down. */
  readonly gone: readonly UnitName[];
}

export interface RecoverDeps {
  readonly systemd: Systemd;
  readonly unitDir: UnitDir;
  readonly carriedOut: CarriedOutFile;
  readonly log: Log;
}

/** Compares the records with the directory and with systemd. */
export async function recoverRecords(
  { systemd, unitDir, carriedOut, log }: RecoverDeps,
  signal: AbortSignal,
): Promise<Recovered> {
  const known = carriedOut.records;
  const files = await unitDir.list(signal);
  const names = [...files.keys()].filter((name) => !known.has(name));
  const without = [...known.keys()].filter((name) => !files.has(name));
  if (names.length === 0 && without.length === 0) return { found: [], gone: [] };
  const states = await systemd.states([...names, ...without], signal);
  const gone = without.filter((name) => {
    const { activeState } = states.get(name) ?? {};
    return activeState === 'inactive' || activeState === 'failed';
  });
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
  for (const name of gone)
    log.info({ unit: name }, 'found no file of a unit that a record tells of');
  return { found: recovered, gone };
}

// What runs here and no record tells of: unit files in fleet's directory that systemd has loaded, after the records were lost.
// Invariant: what it answers leads to no action for what runs already.
import type { UnitName } from '../src/model/unit.ts';
import { guardsOf } from '../src/reconcile/host-guards.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import { hashOfOptions } from '../src/unitfile/hash.ts';
import { optionsOf } from '../src/unitfile/format.ts';
import { parseNamedFile } from '../src/unitfile/quadlet-name.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';

/** Records for the unit files that lie in the directory and have none. */
export async function recoverRecords(
  { systemd, unitDir }: Readonly<{ systemd: Systemd; unitDir: UnitDir }>,
  known: ReadonlyMap<UnitName, CarriedOut>,
  signal: AbortSignal,
): Promise<readonly CarriedOut[]> {
  const files = await unitDir.list(signal);
  const names = [...files.keys()].filter((name) => !known.has(name));
  if (names.length === 0) return [];
  const states = await systemd.states(names, signal);
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
  return recovered;
}

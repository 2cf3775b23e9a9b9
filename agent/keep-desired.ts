// Puts what the store asks of this host on its disk, with the unit files that a boot without the store needs.
// Invariant: a list on the disk may name a unit file that is not there yet; it never takes one away that it names. What of it is fenced starts
// from there with a later token than any before it was this host's.
import { hostname } from 'node:os';
import type { MachineId } from '../src/model/machine.ts';
import type { UnitTarget } from '../src/model/unit.ts';
import { mayBootWithoutStore } from '../src/reconcile/host-boot.ts';
import { requirementsOf } from '../src/unitfile/fleet-options.ts';
import { sha256Of } from '../src/unitfile/hash.ts';
import type { Desired, KeptDesired } from './kept-desired.ts';
import type { UnitDir } from './unit-dir.ts';

export interface KeepDesiredInput {
  readonly kept: KeptDesired;
  readonly unitDir: UnitDir;
  readonly machine: MachineId;
  /** Texts at hand, by SHA-256. */
  readonly texts: ReadonlyMap<string, string>;
  readonly desired: Desired;
  /** Makes known here which fencing tokens the store has given out; answers whether it could. Without it no fenced unit is put there anew. */
  readonly learnTokens: (signal: AbortSignal) => Promise<boolean>;
}

/** Answers whether all is there: a unit file that is not at hand yet comes with a later call. Throws what the disk throws. */
export async function keepDesired(
  { kept, unitDir, machine, texts, desired, learnTokens }: KeepDesiredInput,
  signal: AbortSignal,
): Promise<boolean> {
  const facts = { id: machine, hostname: hostname() };
  const needed = [...desired.assignments, ...desired.globals].filter((target) =>
    mayBootWithoutStore(target, facts),
  );
  const isNewFenced = (target: UnitTarget): boolean => isFenced(target) && !kept.has(target.sha256);
  const knowsTokens = !needed.some(isNewFenced) || (await learnTokens(signal));
  let isWhole = true;
  for (const target of needed) {
    if (kept.has(target.sha256)) continue;
    if (!knowsTokens && isFenced(target)) {
      isWhole = false;
      continue;
    }
    const text = texts.get(target.sha256) ?? (await loadedText(unitDir, target, signal));
    if (text === undefined) isWhole = false;
    else await kept.addText(target.sha256, text);
  }
  await kept.write(desired, new Set(needed.map(({ sha256 }) => sha256)));
  return isWhole;
}

function isFenced({ name, options }: UnitTarget): boolean {
  return requirementsOf(name, options).ok?.fence === true;
}

/** As it was loaded before: by a fleetd that kept none, say. */
async function loadedText(
  unitDir: UnitDir,
  { name, sha256 }: UnitTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = (await unitDir.read(name, signal))?.toString('utf8');
  return text !== undefined && sha256Of(text) === sha256 ? text : undefined;
}

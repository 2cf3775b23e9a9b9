// What a person may have meant: the candidate that is a slip or two away. Pure.
import { UNIT_NAME_MAX_BYTES } from '../src/model/limits.ts';
import { editDistance } from '../src/unitfile/fleet-keys.ts';
import { UNIT_TYPES } from '../src/unitfile/name.ts';

/** The only candidate that begins so, else that with the fewest edits; undefined where none is near. Case counts for nothing. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const begun = candidates.filter((candidate) => candidate.startsWith(word));
  return begun.length === 1 ? begun[0] : nearestWithin(slipsIn(word), word, candidates);
}

/** The same for names of units: one of another type, else by the slips before the type, as all names of a type end alike. */
export function nearestUnitName(name: string, names: readonly string[]): string | undefined {
  const stem = name.slice(0, name.lastIndexOf('.'));
  const ofOtherType = names.find((other) => other.slice(0, other.lastIndexOf('.')) === stem);
  return ofOtherType ?? nearestWithin(slipsIn(stem), name, names);
}

/** `a.servce` → `a.service`; undefined where the ending is a type, or near to none. */
export function withNearestType(text: string): string | undefined {
  const dot = text.lastIndexOf('.');
  const ending = text.slice(dot + 1);
  if (dot < 1 || UNIT_TYPES.some((type) => type === ending)) return undefined;
  const type = nearest(ending, UNIT_TYPES);
  return type === undefined ? undefined : `${text.slice(0, dot)}.${type}`;
}

/** characters; no name is longer */
const COMPARED_MAX = UNIT_NAME_MAX_BYTES;
/** edits */
const SLIPS_MAX = 3;

/** How many edits still look like a slip: two letters that changed places are two. */
function slipsIn(word: string): number {
  return Math.min(SLIPS_MAX, 1 + Math.floor(word.length / 4));
}

function nearestWithin(
  slips: number,
  word: string,
  candidates: readonly string[],
): string | undefined {
  const wanted = word.toLowerCase();
  if (wanted.length > COMPARED_MAX) return undefined;
  let found: string | undefined;
  let fewest = slips + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) >= fewest) continue;
    const edits = editDistance(wanted, candidate.toLowerCase());
    if (edits < fewest) [found, fewest] = [candidate, edits];
  }
  return found;
}

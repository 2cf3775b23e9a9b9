// Which global units run on one host: decided by the host itself, from its facts and its own schedule keys.
// Invariant: a placed unit beats a global one, and of two conflicting globals the first name wins, on every host alike.
import type { MachineId, Metadata } from '../model/machine.ts';
import type { Refusal } from '../model/refusal.ts';
import type { Requirements } from '../model/requirements.ts';
import { NO_REQUIREMENTS } from '../model/requirements.ts';
import type { Assignment, GlobalUnit, UnitName, UnitTarget } from '../model/unit.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';
import type { GlobMatcher } from '../unitfile/glob.ts';
import { compileGlob } from '../unitfile/glob.ts';
import type { MachineFacts } from './machine-filters.ts';
import { refusesFacts } from './machine-filters.ts';
import { needsOn } from './needs-on.ts';

export interface GlobalsInput {
  readonly id: MachineId;
  readonly hostname: string;
  /** What this host can do. */
  readonly capabilities?: Readonly<Record<string, string>>;
  /** With the overrides merged in: `mergedMetadata()`. */
  readonly metadata: Metadata;
  readonly globals: readonly GlobalUnit[];
  /** All that the host's schedule keys name, also what is being released: it runs until its key is gone. */
  readonly assigned: readonly Assignment[];
}

/** Each global unit is in exactly one of the lists, all sorted by name. */
export interface GlobalsDecision {
  readonly run: readonly UnitName[];
  /** Must not run here, and why: taken away if it does. */
  readonly refused: readonly Readonly<{ name: UnitName; refusal: Refusal }>[];
  /** Marked: taken away wherever it runs. */
  readonly released: readonly UnitName[];
  /** Inactive without a mark, or its options cannot be understood: left as it is. */
  readonly leftAlone: readonly UnitName[];
}

/** Decides all global units for one host. */
export function globalsFor(input: GlobalsInput): GlobalsDecision {
  const run: UnitName[] = [];
  const refused: { name: UnitName; refusal: Refusal }[] = [];
  const released: UnitName[] = [];
  const leftAlone: UnitName[] = [];
  const claims = input.assigned.map(
    (assigned) => claimOf(assigned, input) ?? bareClaim(assigned.name),
  );
  for (const unit of input.globals.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const claim = claimOf(unit, input);
    if (unit.release) released.push(unit.name);
    else if (claim === undefined || unit.desiredState === 'inactive') leftAlone.push(unit.name);
    else {
      const refusal = refusesFacts(claim.needs, input) ?? refusesClaims(claim, claims);
      if (refusal === undefined) {
        run.push(unit.name);
        claims.push(claim);
      } else refused.push({ name: unit.name, refusal });
    }
  }
  return { run, refused, released, leftAlone };
}

/** A unit that is here or comes here, with its globs compiled once. */
interface Claim {
  readonly name: UnitName;
  readonly needs: Requirements;
  readonly conflicts: readonly Glob[];
  readonly replaces: readonly Glob[];
}

interface Glob {
  readonly pattern: string;
  readonly matches: GlobMatcher;
}

function claimOf(unit: UnitTarget, machine: MachineFacts): Claim | undefined {
  const needs = requirementsOf(unit.name, unit.options).ok;
  if (needs === undefined) return undefined;
  const { conflicts, replaces } = needsOn(needs, machine);
  return {
    name: unit.name,
    needs,
    conflicts: conflicts.map(globOf),
    replaces: replaces.map(globOf),
  };
}

/** A unit that runs here although its options cannot be understood: others may still conflict with its name. */
function bareClaim(name: UnitName): Claim {
  return { name, needs: NO_REQUIREMENTS, conflicts: [], replaces: [] };
}

function globOf(pattern: string): Glob {
  return { pattern, matches: compileGlob(pattern) };
}

function refusesClaims(newcomer: Claim, here: readonly Claim[]): Refusal | undefined {
  for (const other of here) {
    if (other.name === newcomer.name) continue;
    const own = newcomer.conflicts.find((glob) => glob.matches(other.name));
    if (own !== undefined) return conflict(other.name, own.pattern, newcomer.name);
    const theirs = other.conflicts.find((glob) => glob.matches(newcomer.name));
    if (theirs !== undefined) return conflict(other.name, theirs.pattern, other.name);
    if (other.replaces.some((glob) => glob.matches(newcomer.name)))
      return { kind: 'replaces', with: other.name };
  }
  return undefined;
}

function conflict(other: UnitName, pattern: string, declaredBy: UnitName): Refusal {
  return { kind: 'conflict', with: other, pattern, declaredBy };
}

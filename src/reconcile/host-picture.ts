// What one host knows when it plans: what it should run, what it last carried out, what stands in its way.
// Invariant: a name that no key speaks of is not in `wanted`; that is never a reason to act.
import type { GlobalsDecision } from '../scheduler/globals.ts';
import type { Guards } from './host-guards.ts';
import type { JobResult } from '../model/unit-state.ts';
import type { Assignment, GlobalUnit, UnitName, UnitTarget } from '../model/unit.ts';

/** Why a unit is taken away. */
export type ReleaseReason = 'released' | 'global-released' | 'global-not-allowed' | 'leaving';

/** What the store asks of this host for one name. */
export type Wanted =
  | Readonly<{ kind: 'keep'; target: UnitTarget }>
  /** `assigned`: mod revision of this host's schedule key, which has to go when it is done. */
  | Readonly<{ kind: 'release'; because: ReleaseReason; assigned?: bigint }>
  /** Known, and not to be touched: inactive without a mark, or not understood. */
  | Readonly<{ kind: 'leave' }>;

/** What was last carried out for a unit, kept per boot. */
export interface CarriedOut extends Guards {
  readonly name: UnitName;
  readonly hash: string;
  readonly sha256: string;
  readonly generation: number;
  /** `launched` from before its start is asked until its stop has ended. */
  readonly desiredState: 'loaded' | 'launched';
  /** It has an [Install] section and was enabled. */
  readonly enabled: boolean;
  /** The generation whose start systemd has taken on. */
  readonly started?: number;
  readonly job?: JobResult;
  readonly result?: string;
  /** It was down as a timer was to stop it: it has ended by itself, and nobody starts it again for that. OnPartition=stop only. */
  readonly ended?: true;
  /** Its stop was asked; whether it has ended is not known. */
  readonly ending?: boolean;
  /** Its stop has ended and nothing was done since: it may be taken away or swapped. */
  readonly stopped?: boolean;
  /** The store went back to this older generation, which asks for something else: left as it is until a newer one comes. */
  readonly held?: number;
}

export interface HostPicture {
  readonly wanted: ReadonlyMap<UnitName, Wanted>;
  /** Names whose record cannot be read: left alone. */
  readonly unreadable: ReadonlySet<UnitName>;
  readonly carriedOut: ReadonlyMap<UnitName, CarriedOut>;
  /** What systemd has under names that were not carried out here: the file's path, or '' for nothing. Absent: not asked yet. */
  readonly elsewhere: ReadonlyMap<UnitName, string>;
  /** Unit files by SHA-256: whether the text is at hand. Absent: not asked for yet. */
  readonly texts: ReadonlyMap<string, 'at-hand' | 'unreadable'>;
  /** Files that could not be loaded a moment ago. */
  readonly loadFailures: ReadonlyMap<UnitName, Readonly<{ sha256: string; message: string }>>;
  /** Units whose stop or hand-over has not ended: nothing else is done to them. */
  readonly busy: ReadonlySet<UnitName>;
  /** Generations whose start was asked and is not yet taken on. */
  readonly starting: ReadonlyMap<UnitName, number>;
  /** More units are about to end: taking away waits, so that one reload serves all. */
  readonly moreAreStopping: boolean;
  /** What has stopped has waited long enough for that. */
  readonly unloadsOverdue: boolean;
}

/** What the store asks of this host, name by name. A placed unit beats a global one of the same name. */
export function wantedFrom(
  assignments: readonly Readonly<{ assignment: Assignment; revision: bigint }>[],
  globals: readonly GlobalUnit[],
  decision: GlobalsDecision,
): ReadonlyMap<UnitName, Wanted> {
  const wanted = new Map<UnitName, Wanted>();
  const run = new Set(decision.run);
  const refused = new Set(decision.refused.map(({ name }) => name));
  for (const unit of globals) wanted.set(unit.name, wantedGlobal(unit, run, refused));
  for (const { assignment, revision } of assignments) {
    wanted.set(
      assignment.name,
      assignment.release
        ? { kind: 'release', because: 'released', assigned: revision }
        : { kind: 'keep', target: assignment },
    );
  }
  return wanted;
}

function wantedGlobal(
  unit: GlobalUnit,
  run: ReadonlySet<UnitName>,
  refused: ReadonlySet<UnitName>,
): Wanted {
  if (unit.release || unit.desiredState === 'inactive')
    return { kind: 'release', because: 'global-released' };
  if (run.has(unit.name)) return { kind: 'keep', target: unit };
  if (refused.has(unit.name)) return { kind: 'release', because: 'global-not-allowed' };
  return { kind: 'leave' };
}

/** The same for a host that leaves: all that was carried out for the store goes, and every key is handed over. Orphans stay. */
export function wantedWhenLeaving(
  wanted: ReadonlyMap<UnitName, Wanted>,
  assigned: ReadonlyMap<UnitName, bigint>,
): ReadonlyMap<UnitName, Wanted> {
  return new Map(
    [...wanted.keys()].map((name): [UnitName, Wanted] => {
      const revision = assigned.get(name);
      const key = revision === undefined ? {} : { assigned: revision };
      return [name, { kind: 'release', because: 'leaving', ...key }];
    }),
  );
}

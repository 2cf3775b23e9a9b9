// Which machines' keys are gone, since when, and what the leader believes of them. reconcile/absence.ts judges; this keeps the times.
// Invariant: a machine is believed absent until its key is back, and nothing but its key brings it back.
import type { Host, Machine, MachineId } from '../model/machine.ts';
import { judgeAbsence, type Absence, type Brake, type Vanished } from '../reconcile/absence.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { ClusterPicture } from '../scheduler/cluster.ts';

/** What this process knows of its own connection to the store: without it, nobody is believed absent. */
export interface Evidence {
  /** Clock time in ms since which the renewals of this process's own machine lease were answered without a gap. */
  answeredSince(): number;
  /** The ttl that is assumed of machines that this process never saw. */
  readonly ttlSec: number;
}

export interface AbsenceDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly evidence: Evidence;
}

interface Seen {
  readonly ttlSec: number;
  readonly leaving: boolean;
}

interface Gone extends Seen {
  readonly atMs: number;
  believed: boolean;
}

export class AbsenceWatch {
  readonly #picture: ClusterPicture;
  readonly #deps: AbsenceDeps;
  readonly #leaderSinceMs: number;
  readonly #seen = new Map<MachineId, Seen>();
  readonly #gone = new Map<MachineId, Gone>();
  #scanned = false;
  readonly #memory: { discontinuityAtMs: number | undefined };
  #brake: Brake | undefined;

  /** `memory` outlives the term: when the store or the way to it was last not itself. */
  constructor(
    picture: ClusterPicture,
    deps: AbsenceDeps,
    memory: { discontinuityAtMs: number | undefined },
  ) {
    this.#picture = picture;
    this.#deps = deps;
    this.#leaderSinceMs = deps.clock.now();
    this.#memory = memory;
  }

  /** Told of each change of a machine's key. */
  saw(id: MachineId, machine: Machine | undefined): void {
    if (machine !== undefined) {
      this.#seen.set(id, { ttlSec: machine.ttlSec, leaving: machine.leaving });
      this.#gone.delete(id);
    } else this.#missing(id);
  }

  /** Machines that are believed absent, with what the cluster remembers of them. */
  absent(): readonly Readonly<{ id: MachineId; host: Host | undefined }>[] {
    return [...this.#gone]
      .filter(([, gone]) => gone.believed)
      .map(([id]) => ({ id, host: this.#picture.machine(id)?.host }));
  }

  /** What holds evictions back, if anything. */
  get brake(): Brake | undefined {
    return this.#brake;
  }

  /** Judges again and tells the picture. Answers the ms after which time alone may change a verdict. */
  look(): number {
    if (!this.#scanned) this.#scan();
    if (this.#gone.size === 0) {
      this.#brake = undefined;
      return Infinity;
    }
    const nowMs = this.#deps.clock.now();
    const answeredSinceMs = this.#deps.evidence.answeredSince();
    if (nowMs - answeredSinceMs < 1) this.#memory.discontinuityAtMs = nowMs; // own renewals are unanswered
    const absence = judgeAbsence({
      nowMs,
      present: this.#present(),
      vanished: [...this.#gone].map(([id, gone]) => this.#vanished(id, gone)),
      answeredSinceMs,
      leaderSinceMs: this.#leaderSinceMs,
      discontinuityAtMs: this.#memory.discontinuityAtMs,
      brake: this.#brake,
    });
    this.#say(absence);
    this.#brake = absence.brake;
    for (const id of absence.absent) {
      const gone = this.#gone.get(id);
      if (gone === undefined || gone.believed) continue;
      gone.believed = true;
      this.#picture.setPresence(id, 'absent');
    }
    return absence.lookAgainMs === undefined ? Infinity : Math.max(1, absence.lookAgainMs - nowMs);
  }

  /** Units may be placed on machines whose keys were gone before this term began. */
  #scan(): void {
    this.#scanned = true;
    for (const { id, machine } of this.#picture.machines())
      if (machine === undefined) this.#missing(id);
  }

  #missing(id: MachineId): void {
    if (this.#gone.has(id)) return;
    const seen = this.#seen.get(id) ?? { ttlSec: this.#deps.evidence.ttlSec, leaving: false };
    this.#gone.set(id, { ...seen, atMs: this.#deps.clock.now(), believed: false });
  }

  #vanished(id: MachineId, gone: Gone): Vanished {
    return {
      id,
      vanishedAtMs: gone.atMs,
      ttlSec: gone.ttlSec,
      orderly: gone.leaving,
      evict: this.#picture.machine(id)?.host?.evict === true,
      believed: gone.believed,
    };
  }

  #present(): number {
    let present = 0;
    for (const id of this.#seen.keys()) if (!this.#gone.has(id)) present += 1;
    return present;
  }

  #say(absence: Absence): void {
    const { log } = this.#deps;
    for (const id of absence.absent)
      if (this.#gone.get(id)?.believed === false)
        log.info(
          { machine: id, kind: 'absent' },
          'machine is absent, its units are placed elsewhere',
        );
    if (absence.brake !== undefined && absence.brake.sinceMs !== this.#brake?.sinceMs)
      log.warn(
        { machines: absence.brake.machines, kind: 'brake' },
        'more than half of the machines vanished at once, evicting nothing until they are back',
      );
  }
}

// Which machines' keys are gone, since when, and what the leader believes of them. reconcile/absence.ts judges; this keeps the times.
// Invariant: a machine is believed absent until its key is back, and nothing but its key brings it back.
import { isFleetError } from '../model/errors.ts';
import type { Host, Machine, MachineId } from '../model/machine.ts';
import {
  judgeAbsence,
  PROBE_AGAIN_MS,
  type Absence,
  type Brake,
  type Returned,
  type Vanished,
} from '../reconcile/absence.ts';
import { withChildSignal } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { ClusterPicture } from '../scheduler/cluster.ts';
import type { KeyValue, Kv, LeaseId, Revision } from '../store/kv.ts';
import { probeLeases, type Probe } from './lease-probe.ts';

/** What this process knows of its own connection to the store: without it, nobody is believed absent. */
export interface Evidence {
  /** Clock time in ms since which the renewals of this process's own machine lease were answered without a gap; undefined: not known now. */
  answeredSince(): number | undefined;
  /** Clock time in ms at which this process last found the store to be of another history; -Infinity for never. */
  restoredAt(): number;
  /** Clock time in ms by which the store had reached the revision, at the latest; Infinity: not that is known. */
  reachedAt(revision: Revision): number;
  /** The ttl that is assumed of machines that this process never saw. */
  readonly ttlSec: number;
}

export interface AbsenceDeps {
  readonly kv: Kv;
  readonly clock: Clock;
  readonly log: Log;
  readonly evidence: Evidence;
  /** This process's own machine: `evidence` tells how it is. */
  readonly machine: MachineId;
}

/** What outlives a term. */
export interface AbsenceMemory {
  /** When the store, or the way to it, was last not itself. */
  discontinuityAtMs: number | undefined;
}

/** A machine whose key is gone, for the records. */
export interface GoneMachine {
  readonly id: MachineId;
  /** Clock time in ms. */
  readonly atMs: number;
  readonly believed: boolean;
}

interface Seen {
  readonly ttlSec: number;
  readonly leaving: boolean;
  readonly lease: LeaseId | undefined;
  /** Of its key: another one, where it has ended and was made anew. */
  readonly createRevision: Revision;
  readonly returned: boolean;
}

interface Gone extends Pick<Seen, 'ttlSec' | 'leaving'> {
  readonly atMs: number;
  readonly remembered: boolean;
  believed: boolean;
}

/** ms; a store that does not answer a probe in so long is asked again. */
const PROBE_TIMEOUT_MS = 1_000;

export class AbsenceWatch {
  readonly #picture: ClusterPicture;
  readonly #deps: AbsenceDeps;
  readonly #leaderSinceMs: number;
  /** Those whose key is there. */
  readonly #seen = new Map<MachineId, Seen>();
  readonly #gone = new Map<MachineId, Gone>();
  /** Present, and was gone just now: it counts with those that vanished together with it. */
  readonly #returned = new Map<MachineId, Omit<Returned, 'silent'>>();
  /** Present, and not heard of when last asked: they take nothing until they renew. */
  #silent: ReadonlySet<MachineId> = new Set();
  #probe: { readonly atMs: number; readonly silent: number } | undefined;
  #scanned = false;
  readonly #memory: AbsenceMemory;
  #brake: Brake | undefined;

  constructor(picture: ClusterPicture, deps: AbsenceDeps, memory: AbsenceMemory) {
    this.#picture = picture;
    this.#deps = deps;
    this.#leaderSinceMs = deps.clock.now();
    this.#memory = memory;
  }

  /** Told of each change of a machine's key. */
  saw(id: MachineId, machine: Machine | undefined, kv?: KeyValue): void {
    if (machine === undefined) return this.#missing(id, undefined);
    const { ttlSec, leaving, returned = false } = machine;
    const before = this.#seen.get(id);
    const createRevision = kv?.createRevision ?? 0n;
    this.#seen.set(id, { ttlSec, leaving, lease: kv?.lease, createRevision, returned });
    const gone = this.#gone.get(id);
    this.#gone.delete(id);
    // That it was gone was not told where the mirror had to list again.
    const isOther = before !== undefined && createRevision !== before.createRevision;
    if (gone === undefined ? isOther && returned : !gone.leaving && !gone.remembered)
      this.#returned.set(id, { vanishedAtMs: gone?.atMs ?? this.#deps.clock.now(), ttlSec });
  }

  /** Goes on with the brake of the leader before. */
  resume(brake: Brake | undefined): void {
    this.#brake = brake;
  }

  /** Machines that are believed absent, with what the cluster remembers of them. */
  absent(): readonly Readonly<{ id: MachineId; host: Host | undefined }>[] {
    return [...this.#gone]
      .filter(([, gone]) => gone.believed)
      .map(([id]) => ({ id, host: this.#picture.machine(id)?.host }));
  }

  /** All machines whose keys are gone, believed or not. */
  gone(): readonly GoneMachine[] {
    return [...this.#gone].map(([id, { atMs, believed }]) => ({ id, atMs, believed }));
  }

  /** Says whether the machine's key is there. */
  isPresent(id: MachineId): boolean {
    return this.#seen.has(id);
  }

  /** Nothing of it is left in the store: it is no machine of this cluster any more. */
  forget(id: MachineId): void {
    this.#gone.delete(id);
  }

  /** What holds evictions back, if anything; also one whose time is over, while one of its machines is missing. */
  get brake(): Brake | undefined {
    return this.#brake;
  }

  /**
   * Judges again and tells the picture, having asked the store for leases where that matters. Answers the ms after which time alone may
   * change a verdict.
   */
  async look(signal: AbortSignal): Promise<number> {
    if (!this.#scanned) this.#scan();
    let absence = this.#judge();
    const needsProbe = absence.doubted.some(
      ({ because }) => because === 'unprobed' || because === 'silent',
    );
    if (needsProbe || this.#silent.size > 0) {
      await this.#ask(signal);
      absence = this.#judge();
    }
    this.#say(absence);
    this.#brake = absence.brake;
    for (const id of absence.absent) {
      const gone = this.#gone.get(id);
      if (gone === undefined || gone.believed) continue;
      gone.believed = true;
      this.#picture.setPresence(id, 'absent');
    }
    const nowMs = this.#deps.clock.now();
    const againMs = absence.lookAgainMs === undefined ? Infinity : absence.lookAgainMs - nowMs;
    const isOpen = this.#silent.size > 0 || this.#deps.evidence.answeredSince() === undefined;
    return Math.max(1, isOpen ? Math.min(againMs, PROBE_AGAIN_MS) : againMs);
  }

  #judge(): Absence {
    const nowMs = this.#deps.clock.now();
    const { evidence, machine } = this.#deps;
    // Without a key of its own this process renews a lease that says nothing of the others' keys.
    const answeredSinceMs = this.#gone.has(machine) ? nowMs : evidence.answeredSince();
    const isUnanswered = answeredSinceMs !== undefined && nowMs - answeredSinceMs < 1;
    if (this.#gone.size > 0 && isUnanswered) this.#memory.discontinuityAtMs = nowMs;
    const discontinuityAtMs = Math.max(
      this.#memory.discontinuityAtMs ?? -Infinity,
      evidence.restoredAt(),
    );
    for (const [id, { vanishedAtMs, ttlSec }] of this.#returned)
      if (nowMs - vanishedAtMs > 2 * ttlSec * 1000) this.#returned.delete(id); // nobody vanishes together with it any more
    return judgeAbsence({
      nowMs,
      present: this.#seen.size,
      silent: this.#silentNow(nowMs),
      vanished: [...this.#gone].map(([id, gone]) => this.#vanished(id, gone)),
      returned: [...this.#returned].map(([id, each]) => ({
        ...each,
        silent: this.#silent.has(id),
      })),
      answeredSinceMs,
      leaderSinceMs: this.#leaderSinceMs,
      discontinuityAtMs: discontinuityAtMs === -Infinity ? undefined : discontinuityAtMs,
      brake: this.#brake,
    });
  }

  /** Where nobody else is there, nobody can be silent; an answer from before the last one vanished says nothing of those that went with it. */
  #silentNow(nowMs: number): number | undefined {
    const others = this.#seen.size - (this.#seen.has(this.#deps.machine) ? 1 : 0);
    if (others === 0) return 0;
    const probe = this.#probe;
    if (probe === undefined || nowMs - probe.atMs >= PROBE_AGAIN_MS) return undefined;
    const isOlder = [...this.#gone.values()].some(({ atMs }) => atMs > probe.atMs);
    return isOlder ? undefined : probe.silent;
  }

  /** A store that does not answer leaves it open who is silent. */
  async #ask(signal: AbortSignal): Promise<void> {
    const { kv, clock, machine, log } = this.#deps;
    const atMs = clock.now();
    const others = [...this.#seen].flatMap(([id, { lease, ttlSec }]) =>
      id === machine || lease === undefined ? [] : [{ id, lease, ttlSec }],
    );
    let probe: Probe | undefined;
    try {
      probe = await withChildSignal(signal, async (child) => {
        const late = clock.sleep(PROBE_TIMEOUT_MS, child).then(() => undefined);
        const answer = probeLeases(kv, others, child);
        for (const wait of [late, answer]) wait.catch(() => undefined);
        return await Promise.race([answer, late]);
      });
    } catch (error) {
      if (!isFleetError(error)) throw error;
      log.debug({ code: error.code, err: error.message }, 'leases cannot be asked, asking again');
    }
    if (probe === undefined) return;
    const { silent, asked } = probe;
    const share = asked === 0 ? 0 : silent.length / asked;
    this.#probe = { atMs, silent: Math.ceil(share * others.length) };
    this.#doubt(new Set(silent));
  }

  /** What dies together vanishes one by one: nothing is placed on what is about to. */
  #doubt(silent: ReadonlySet<MachineId>): void {
    for (const id of new Set([...silent, ...this.#silent])) {
      const seen = this.#seen.get(id);
      if (seen === undefined || silent.has(id) === this.#silent.has(id)) continue;
      const heard = seen.leaving ? 'leaving' : 'present';
      this.#picture.setPresence(id, silent.has(id) ? 'doubted' : heard);
    }
    this.#silent = silent;
  }

  /**
   * Machines whose keys were gone before this term began: those that units may be placed on, and those that are remembered. And those
   * that came back just now: of what vanished together some may have been quicker than the leader.
   */
  #scan(): void {
    this.#scanned = true;
    const nowMs = this.#deps.clock.now();
    for (const [id, { ttlSec, returned, createRevision }] of this.#seen) {
      const backAtMs = Math.min(nowMs, this.#deps.evidence.reachedAt(createRevision));
      if (returned) this.#returned.set(id, { vanishedAtMs: backAtMs, ttlSec });
    }
    for (const { id, machine, host, holds } of this.#picture.machines())
      if (machine === undefined && (host !== undefined || holds.size > 0))
        this.#missing(id, host?.absentSinceMs);
  }

  /** `absentSinceMs`: the wall clock's, of an earlier leader. */
  #missing(id: MachineId, absentSinceMs: number | undefined): void {
    if (this.#gone.has(id)) return;
    const { evidence, clock } = this.#deps;
    const seen = this.#seen.get(id) ?? { ttlSec: evidence.ttlSec, leaving: false };
    this.#seen.delete(id);
    this.#returned.delete(id);
    const { ttlSec, leaving } = seen;
    const remembered = absentSinceMs !== undefined;
    const agoMs = remembered ? Math.max(0, clock.wallNow() - absentSinceMs) : 0;
    const atMs = clock.now() - agoMs;
    this.#gone.set(id, { ttlSec, leaving, atMs, remembered, believed: false });
  }

  #vanished(id: MachineId, gone: Gone): Vanished {
    return {
      id,
      vanishedAtMs: gone.atMs,
      ttlSec: gone.ttlSec,
      orderly: gone.leaving,
      evict: this.#picture.machine(id)?.host?.evict === true,
      believed: gone.believed,
      remembered: gone.remembered,
    };
  }

  #say(absence: Absence): void {
    const { log, clock } = this.#deps;
    for (const id of absence.absent)
      if (this.#gone.get(id)?.believed === false)
        log.info(
          { machine: id, kind: 'absent' },
          'machine is absent, its units are placed elsewhere',
        );
    const { brake } = absence;
    if (brake !== undefined && brake.sinceMs !== this.#brake?.sinceMs)
      log.warn(
        { machines: brake.machines, kind: 'brake' },
        'more than half of the machines vanished at once, evicting nothing until they are back',
      );
    if (brake === undefined && this.#brake !== undefined && clock.now() < this.#brake.untilMs)
      log.info({ machines: this.#brake.machines, kind: 'brake' }, 'the brake is off again');
  }
}

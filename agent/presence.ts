// This machine's key in the store, under its lease: registers it, keeps it, guards it against a second machine of the same id.
// Invariant: losing the lease, the key or the store stops no unit; it is registered again as soon as that can be.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { Machine } from '../src/model/machine.ts';
import { decode, encode } from '../src/registry/codec.ts';
import type { Keys } from '../src/registry/keys.ts';
import { aborted } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { Wake } from '../src/runtime/wake.ts';
import { LeaseKeeper, type LeaseEvent } from '../src/store/lease-keeper.ts';
import type { KeyValue, Kv, LeaseId, Renewal, Revision } from '../src/store/kv.ts';
import { SeenRevisions, type SeenRevision } from '../src/store/seen-revisions.ts';
import { claimKey } from './claim.ts';
import type { IdentityFile } from './identity.ts';
import { lookAtKey, oneChange, type Look } from './machine-key.ts';

/**
 * `starting`: the key was not looked at yet. `claiming`: another's claim stands there, and it is seen whether that one lives.
 * `taken`: it lives. `registered`: the key is ours. `cut-off`: it was, and the store has not answered for a ttl.
 */
export type PresenceState = 'starting' | 'claiming' | 'taken' | 'registered' | 'cut-off';

export interface PresenceDeps {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly identity: IdentityFile;
  /** What the machine says of itself now. */
  readonly facts: () => Omit<Machine, 'incarnation' | 'nonce' | 'leaving'>;
}

const BACKOFF_MIN_MS = 200;
const RETURNED_TTLS = 2; // and up to half as long again, by chance
const BACKOFF_MAX_MS = 2_000;

/** One machine's registration. `run` it for as long as fleetd runs. */
export class Presence {
  readonly #deps: PresenceDeps;
  readonly #key: string;
  readonly #keeper: LeaseKeeper;
  readonly #changed = new Wake();
  readonly #stateChanged = new Wake();
  #state: PresenceState = 'starting';
  #registrations = 0;
  /** Until then the key counts as claimed only: the one that had it before may be slow to answer. */
  #claimUntilMs = -Infinity;
  /** What the one renews whose key is claimed. */
  #othersLease: LeaseId | undefined;
  readonly #revisions = new SeenRevisions();
  /** By this process, or by one before it in this boot; not since it has left. */
  #wasRegistered: boolean;
  /** The key had ended before it was registered as it is now, just now. */
  #returned = false;
  /** The key is ours, under the lease that the keeper renews. */
  #holdsKey = false;
  readonly #renewed = new Wake();
  #isLeaving = false;
  #hasLeft = false;
  /** What the key holds, as far as we know: what is the same is not written again. */
  #written = '';

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    const { kv, clock, random, facts, keys } = deps;
    const { id, ttlSec } = facts();
    this.#key = keys.machine(id);
    const log = (event: LeaseEvent): void => this.#leaseEvent(event);
    const confirmed = ({ revision }: Renewal): void => {
      this.#noteRevision(revision);
      this.#renewed.set();
    };
    this.#wasRegistered = deps.identity.identity.registered === true;
    this.#keeper = new LeaseKeeper({ kv, clock, ttlSec, random, log, confirmed });
  }

  get state(): PresenceState {
    return this.#state;
  }

  /** How often the key was registered; grows when the lease was lost meanwhile, or the key was another's or gone. */
  get registrations(): number {
    return this.#registrations;
  }

  /** Clock time in ms since when the lease's renewals were answered without a gap: the engine's evidence. */
  answeredSince(): number {
    return this.#keeper.answeredSince();
  }

  /** Clock time in ms by which the store had reached it (SeenRevisions): the engine's evidence, too. */
  reachedAt(revision: Revision): number {
    return this.#revisions.reachedAt(revision);
  }

  #noteRevision(revision: Revision): void {
    const { kv, clock } = this.#deps;
    this.#revisions.note(clock.now(), revision, kv.reversions);
  }

  /** What that is answered from. */
  get seenRevisions(): readonly SeenRevision[] {
    return this.#revisions.notes;
  }

  /** `Clock.bootMs()` until which the others certainly find this machine's key; -Infinity while it is not there. */
  deadlineMs(): number {
    return this.#holdsKey ? this.#keeper.deadline() : -Infinity;
  }

  /** Ends when that has moved on. One waiter. */
  renewed(signal: AbortSignal): Promise<void> {
    return this.#renewed.changed(signal);
  }

  /** Why this machine cannot serve requests now: its id is another's, or that is not known yet. */
  unavailable(): string | undefined {
    if (this.#state === 'taken') return 'another machine with this machine-id is in the cluster';
    if (this.#state === 'claiming') return 'another machine with this machine-id may be there';
    if (this.#state === 'starting') return 'this machine is not registered yet';
    return undefined;
  }

  /** Ends when `state` has changed, or the machine was registered anew. One waiter. */
  stateChanged(signal: AbortSignal): Promise<void> {
    return this.#stateChanged.changed(signal);
  }

  /** The facts have changed: the key is written anew. */
  update(): void {
    this.#changed.set();
  }

  /** Says in the key that this machine goes; answers what it holds then, if it is ours. Throws where the store is away. */
  async announceLeave(signal: AbortSignal): Promise<string | undefined> {
    this.#isLeaving = true;
    const lease = this.#keeper.id;
    if (lease === undefined || this.#state !== 'registered') return undefined;
    if (this.#value() !== this.#written) await this.#put(lease, signal);
    return this.#written;
  }

  /**
   * Gives the key back, a claimed one only when it is known to be ours; `run` does nothing else any more. Throws where the store is away: the
   * lease ends by itself then.
   */
  async leave(signal: AbortSignal): Promise<void> {
    this.#hasLeft = true;
    const lease = this.#keeper.id;
    if (lease !== undefined && this.#state !== 'claiming')
      await this.#deps.kv.revokeLease(lease, signal);
    await this.#keepLease(undefined);
  }

  /** Registers, and again whenever it is lost, until aborted. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log, random } = this.#deps;
    let delayMs = BACKOFF_MIN_MS;
    for (;;) {
      if (this.#hasLeft) await aborted(signal);
      signal.throwIfAborted();
      try {
        await this.#runOnce(signal);
        delayMs = BACKOFF_MIN_MS;
      } catch (error) {
        signal.throwIfAborted();
        if (!isFleetError(error)) throw error;
        const fields = { code: error.code, err: error.message };
        if (isFleetError(error, 'CLUSTER_FORMAT_UNKNOWN'))
          log.error(fields, 'this cluster cannot be joined, trying again');
        else if (isFleetError(error, 'MACHINE_ID_TAKEN'))
          log.error(fields, 'this machine cannot be registered, waiting');
        else log.debug(fields, 'not registered, trying again');
        await clock.sleep(delayMs * (0.5 + random()), signal);
        delayMs = Math.min(delayMs * 2, BACKOFF_MAX_MS);
      }
    }
  }

  async #runOnce(signal: AbortSignal): Promise<void> {
    const { identity, kv } = this.#deps;
    const lease = await this.#keeper.acquire(signal, identity.identity.lease);
    await this.#keepLease(lease);
    if (!(await this.#register(lease, signal))) {
      this.#become('taken');
      await this.#keepLease(undefined);
      await kv.revokeLease(lease, signal);
      await this.#untilFree(signal);
      return;
    }
    this.#registrations += 1;
    this.#wasRegistered = true;
    await this.#keepLease(lease);
    this.#deps.log.info({ machine: this.#deps.facts().id, lease }, 'machine registered');
    this.#become('registered');
    this.#stateChanged.set();
    this.#holdsKey = true;
    this.#renewed.set();
    try {
      await runTogether(signal, [
        (child) => this.#keeper.run(child),
        (child) => this.#guard(lease, child),
        (child) => this.#updates(lease, child),
        (child) => this.#settle(child),
      ]);
    } finally {
      this.#holdsKey = false;
    }
  }

  /** Makes the key ours. Answers false where another holds it. */
  async #register(lease: LeaseId, signal: AbortSignal): Promise<boolean> {
    const { found, revision } = await this.#look(signal);
    this.#noteRevision(revision);
    // What the key says goes on with it.
    this.#returned = found === undefined ? this.#wasRegistered : !!this.#read(found)?.returned;
    this.#claimUntilMs = -Infinity;
    let over: Revision | undefined = found?.modRevision ?? 0n;
    const other = found === undefined ? undefined : this.#read(found);
    if (found !== undefined && other !== undefined && !this.#isThisBoot(other)) {
      over = await this.#claim(found, other, signal);
      if (over === undefined || this.#hasLeft) return false;
    }
    // As a fleetd before this one has left it, under the lease that goes on: nothing is written.
    if (this.#isOurs(found, lease)) this.#written = this.#value();
    // Of two machines that find it free, or silent, at the same time, one is the first: the other looks again, and finds that.
    else if (!(await this.#put(lease, signal, over))) return await this.#register(lease, signal);
    return true;
  }

  /** It says what we say, and hangs on the lease that we renew: the same words under another lease go with that one. */
  #isOurs(found: KeyValue | undefined, lease: LeaseId): boolean {
    return found?.value === this.#value() && found.lease === lease;
  }

  /** For the next run of fleetd, which finds another one where this cannot be written. */
  async #keepLease(lease: LeaseId | undefined): Promise<void> {
    try {
      await this.#deps.identity.keepLease(lease, lease !== undefined && this.#wasRegistered);
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the lease cannot be kept on the disk, going on');
    }
  }

  #look(signal: AbortSignal): Promise<Look> {
    return lookAtKey(this.#deps, this.#key, signal);
  }

  #oneChange(from: Revision, signal: AbortSignal): Promise<void> {
    return oneChange(this.#deps, { key: this.#key, from }, signal);
  }

  /** The record of another registration, if the key holds one. What cannot be read is overwritten: the id is ours. */
  #foreign(found: KeyValue | undefined): Machine | undefined {
    const machine = found === undefined ? undefined : this.#read(found);
    return machine?.nonce === this.#deps.identity.identity.nonce ? undefined : machine;
  }

  #read(found: KeyValue): Machine | undefined {
    try {
      return decode('machine', found.key, found.value);
    } catch (error) {
      if (isFleetError(error, 'REGISTRY_RECORD_INVALID')) return undefined;
      throw error;
    }
  }

  /** A claim that was not brought to its end has our nonce, and else is the other's. */
  #isThisBoot({ nonce, incarnation }: Machine): boolean {
    const { identity } = this.#deps.identity;
    return nonce === identity.nonce && incarnation === identity.incarnation;
  }

  /** Another's record stands there. Answers the revision over which the key is ours; undefined where the other lives. */
  async #claim(
    found: KeyValue,
    machine: Machine,
    signal: AbortSignal,
  ): Promise<Revision | undefined> {
    const { kv, clock, identity } = this.#deps;
    const { nonce } = identity.identity;
    this.#become('claiming');
    if (machine.nonce !== nonce) this.#othersLease = found.lease;
    const deps = { kv, clock, keeper: this.#keeper, nonce };
    const over = await claimKey(deps, { found, machine, lease: this.#othersLease }, signal);
    this.#claimUntilMs = clock.now() + machine.ttlSec * 1000;
    return over;
  }

  /** Ends when nobody holds the key any more. */
  async #untilFree(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { found, revision } = await this.#look(signal);
      if (found === undefined) return;
      await this.#oneChange(revision + 1n, signal);
    }
  }

  /** Takes the key back from whoever writes it or deletes it; gives way where the other was there first. */
  async #guard(lease: LeaseId, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { found, revision } = await this.#look(signal);
      const other = this.#foreign(found);
      if (other !== undefined) this.#defend(other);
      // Also what we have written ourselves may come late: of a fleetd before us, which was to leave.
      if (other !== undefined || (!this.#isOurs(found, lease) && !this.#hasLeft)) {
        await this.#put(lease, signal);
        this.#registrations += 1; // what others have made of it meanwhile is not known
        this.#stateChanged.set();
      }
      await this.#oneChange(revision + 1n, signal);
    }
  }

  /** Throws where the id is the other's. */
  #defend(other: Machine): void {
    const { clock, log } = this.#deps;
    if (clock.now() < this.#claimUntilMs) {
      this.#become('taken');
      throw new FleetError(
        'MACHINE_ID_TAKEN',
        `another machine in the cluster has this machine-id: '${other.hostname}', ${other.primaryIp}`,
        { hint: 'Give one of them a new id: rm /etc/machine-id && systemd-machine-id-setup' },
      );
    }
    log.warn({ machine: other.id }, 'another machine claims our machine-id, taking the key back');
  }

  async #updates(lease: LeaseId, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#changed.changed(signal);
      if (this.#value() !== this.#written) await this.#put(lease, signal);
    }
  }

  /** That it has returned is said for as long as another may count as having vanished with it, and not at the same moment by all. */
  async #settle(signal: AbortSignal): Promise<void> {
    const { clock, random, facts } = this.#deps;
    if (this.#returned) {
      await clock.sleep(RETURNED_TTLS * facts().ttlSec * 1000 * (1 + random() / 2), signal);
      this.#returned = this.#isLeaving; // hand-overs are held against what it said as it left: that stays
      this.#changed.set();
    }
    await aborted(signal);
  }

  /** `over`: only where the key is still of this revision. Answers whether it was written. */
  async #put(lease: LeaseId, signal: AbortSignal, over?: Revision): Promise<boolean> {
    const [key, value] = [this.#key, this.#value()];
    const compares = over === undefined ? [] : [{ key, target: 'mod' as const, equals: over }];
    const txn = { compares, then: [{ kind: 'put' as const, key, value, lease }] };
    const { succeeded } = await this.#deps.kv.txn(txn, signal);
    if (succeeded) this.#written = value;
    return succeeded;
  }

  #value(): string {
    const { incarnation, nonce } = this.#deps.identity.identity;
    const { facts } = this.#deps;
    return encode('machine', {
      ...facts(),
      incarnation,
      nonce,
      leaving: this.#isLeaving,
      ...(this.#returned ? { returned: true } : {}),
    });
  }

  #leaseEvent(event: LeaseEvent): void {
    const { log } = this.#deps;
    switch (event.kind) {
      case 'overdue':
        // The original's words: people and tests look for them.
        log.error({}, 'Server monitor triggered: Monitor timed out before successful heartbeat');
        if (this.#state === 'registered') this.#become('cut-off');
        return;
      case 'answered again':
        log.info({}, 'the store answers again');
        if (this.#state === 'cut-off') this.#become('registered');
        return;
      case 'gone':
        return log.warn(
          { lease: event.lease },
          'the lease of this machine is lost, registering again',
        );
      case 'unanswered':
        return log.debug({ leftMs: event.leftMs }, 'a renewal was not answered, retrying');
    }
  }

  #become(state: PresenceState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#stateChanged.set();
  }
}

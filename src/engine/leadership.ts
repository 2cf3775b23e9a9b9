// Who decides: one engine at a time holds the `leader` key under its own lease, and its writes are fenced on that key's create revision.
// Invariant: a term's signal aborts before the store can have freed the key, on this process's own clock.
import { FleetError, isFleetError } from '../model/errors.ts';
import { LEADER_TTL_SEC } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import { TimeoutError, withTimeout } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { runTogether } from '../runtime/tasks.ts';
import { decode, encode, type Leader } from '../registry/codec.ts';
import type { Fence } from '../registry/commit.ts';
import type { Keys } from '../registry/keys.ts';
import type { KeyValue, Kv, LeaseId } from '../store/kv.ts';
import { LeaseKeeper } from '../store/lease-keeper.ts';

export interface LeadershipDeps {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly machine: MachineId;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs one term; ends when the signal aborts (leadership is over) or when it resigns by returning or throwing. */
export type Term = (fence: Fence, signal: AbortSignal) => Promise<void>;

/** ms; a term ends so long before its lease can end at the store. */
const MARGIN_MS = 500;
/** ms; campaigns start at random within this, so that a herd does not write at once. */
const JITTER_MS = 500;
const REVOKE_TIMEOUT_MS = 1_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5_000;

/** Campaigns whenever nobody leads and runs `term` whenever elected, until `signal` aborts. Rejects only then, or with a bug. */
export async function campaign(
  deps: LeadershipDeps,
  signal: AbortSignal,
  term: Term,
): Promise<never> {
  let backoffMs = BACKOFF_FIRST_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      await untilVacant(deps, signal);
      await deps.clock.sleep(deps.random() * JITTER_MS, signal);
      await runTermIfElected(deps, signal, term);
      backoffMs = BACKOFF_FIRST_MS;
    } catch (error) {
      signal.throwIfAborted();
      if (!isFleetError(error)) deps.log.warn({ err: error }, 'term ended by a fault, backing off');
      else if (!isFleetError(error, 'STORE_WATCH_LOST', 'LEADERSHIP_LOST'))
        deps.log.warn({ code: error.code, err: error.message }, 'campaign failed, retrying');
      await deps.clock.sleep(backoffMs * (0.5 + deps.random()), signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }
}

/** Ends when the leader key is not there: reads it, then watches it from that revision on. */
async function untilVacant({ kv, keys }: LeadershipDeps, signal: AbortSignal): Promise<void> {
  const seen = await kv.txn({ then: [{ kind: 'get', key: keys.leader }] }, signal);
  if (seen.gets[0] === undefined) return;
  for await (const batch of kv.watch(keys.leader, seen.revision + 1n, signal)) {
    const last = batch.events.findLast((event) => eventKey(event) === keys.leader);
    if (last?.kind === 'delete') return;
  }
  signal.throwIfAborted();
  throw new FleetError('STORE_WATCH_LOST', 'the watch on the leader key ended');
}

function eventKey(event: { kind: 'put'; kv: KeyValue } | { kind: 'delete'; key: string }): string {
  return event.kind === 'put' ? event.kv.key : event.key;
}

async function runTermIfElected(
  deps: LeadershipDeps,
  signal: AbortSignal,
  term: Term,
): Promise<void> {
  const { kv, clock, log, machine } = deps;
  const keeper = new LeaseKeeper({ kv, clock, ttlSec: LEADER_TTL_SEC, random: deps.random });
  const lease = await keeper.acquire(signal);
  try {
    const fence = await elect(deps, lease, signal);
    if (fence === undefined) return;
    log.info({ machine, leader: true, revision: String(fence.createRevision) }, 'leader elected');
    try {
      await runTerm(deps, { fence, keeper, term }, signal);
    } finally {
      log.info({ machine, leader: false }, 'leader term ended');
    }
  } finally {
    await revokeQuietly(deps, lease);
  }
}

/** Creates the leader key. Answers undefined when another was first. */
async function elect(
  { kv, keys, clock, machine, random }: LeadershipDeps,
  lease: LeaseId,
  signal: AbortSignal,
): Promise<Fence | undefined> {
  const nonce = `${lease}-${Math.floor(random() * 2 ** 32).toString(16)}`;
  const value = encode('leader', { machine, sinceMs: clock.wallNow(), nonce });
  const key = keys.leader;
  try {
    const result = await kv.txn(
      {
        compares: [{ key, target: 'create', equals: 0n }],
        then: [{ kind: 'put', key, value, lease }],
        else: [{ kind: 'get', key }],
      },
      signal,
    );
    if (result.succeeded) return { key, createRevision: result.revision };
    return ownFence(key, result.gets[0], nonce);
  } catch (error) {
    if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
    // The try may have been committed: the nonce in the value tells.
    const again = await kv.txn({ then: [{ kind: 'get', key }] }, signal);
    return ownFence(key, again.gets[0], nonce);
  }
}

function ownFence(key: string, found: KeyValue | undefined, nonce: string): Fence | undefined {
  if (found === undefined) return undefined;
  let leader: Leader;
  try {
    leader = decode('leader', key, found.value);
  } catch (error) {
    if (isFleetError(error, 'REGISTRY_RECORD_INVALID')) return undefined;
    throw error;
  }
  return leader.nonce === nonce ? { key, createRevision: found.createRevision } : undefined;
}

interface TermParts {
  readonly fence: Fence;
  readonly keeper: LeaseKeeper;
  readonly term: Term;
}

/** Runs the term beside the three things that end it: its lease, its own deadline, and the key itself. */
async function runTerm(
  deps: LeadershipDeps,
  { fence, keeper, term }: TermParts,
  signal: AbortSignal,
): Promise<void> {
  await runTogether(signal, [
    (child) => term(fence, child),
    (child) => keeper.run(child),
    (child) => untilDeadline(deps.clock, keeper, child),
    (child) => untilReplaced(deps, fence, child),
  ]);
}

/** Throws LEADERSHIP_LOST when the last confirmed renewal is so old that the store may free the key. */
async function untilDeadline(
  clock: Clock,
  keeper: LeaseKeeper,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    const leftMs = keeper.deadline() - MARGIN_MS - clock.bootMs();
    if (leftMs <= 0)
      throw new FleetError(
        'LEADERSHIP_LOST',
        'the lease of the leader key was not renewed in time',
      );
    await clock.sleep(leftMs, signal);
  }
}

/** Throws LEADERSHIP_LOST when the leader key is deleted or another's. A watch that ends is opened again after a look at the key. */
async function untilReplaced(
  { kv, keys, clock }: LeadershipDeps,
  fence: Fence,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const seen = await kv.txn({ then: [{ kind: 'get', key: keys.leader }] }, signal);
      if (seen.gets[0]?.createRevision !== fence.createRevision) throw replaced();
      for await (const batch of kv.watch(keys.leader, seen.revision + 1n, signal)) {
        for (const event of batch.events) {
          if (eventKey(event) !== keys.leader) continue;
          if (event.kind === 'delete' || event.kv.createRevision !== fence.createRevision)
            throw replaced();
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (
        !isFleetError(
          error,
          'STORE_UNAVAILABLE',
          'STORE_WATCH_LOST',
          'STORE_COMPACTED',
          'STORE_REVERTED',
        )
      )
        throw error;
    }
    await clock.sleep(BACKOFF_FIRST_MS, signal);
  }
}

function replaced(): FleetError {
  return new FleetError('LEADERSHIP_LOST', 'the leader key is gone or held by another');
}

/** Frees the key at once when the store is in reach; else the lease does it. */
async function revokeQuietly({ kv, clock }: LeadershipDeps, lease: LeaseId): Promise<void> {
  try {
    await withTimeout(clock, REVOKE_TIMEOUT_MS, (signal) => kv.revokeLease(lease, signal));
  } catch (error) {
    if (!isFleetError(error) && !(error instanceof TimeoutError)) throw error;
  }
}

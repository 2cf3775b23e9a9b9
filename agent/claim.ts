// Whether another registration of this machine-id lives: that of this machine before it booted does not, that of a second machine does.
// Invariant: until that is known nobody sees a difference, and the key does not end: it hangs on a lease that is renewed.
import type { Machine } from '../src/model/machine.ts';
import { isSilent, leaseLeft } from '../src/engine/lease-probe.ts';
import { encode } from '../src/registry/codec.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { KeyValue, Kv, LeaseId, Revision } from '../src/store/kv.ts';
import type { LeaseKeeper } from '../src/store/lease-keeper.ts';

/** ms; a machine that lives and hears the store takes its key back sooner. */
const CLAIM_MS = 1_000;

export interface ClaimDeps {
  readonly kv: Kv;
  readonly clock: Clock;
  /** Has acquired the lease that the claim hangs on. */
  readonly keeper: LeaseKeeper;
  /** Ours. */
  readonly nonce: string;
}

export interface OtherMachine {
  readonly found: KeyValue;
  readonly machine: Machine;
  /** What it renews if it lives; absent where that is not known: then it is given a ttl to hear of the claim. */
  readonly lease: LeaseId | undefined;
}

/**
 * Writes our nonce into the other's record, and nothing else. One that lives takes it back at once, or, where its own member of the store has
 * just gone, some seconds later: until then it goes on renewing its lease. Answers the claim's revision once the other is silent;
 * undefined where it lives, or our lease has ended meanwhile.
 */
export async function claimKey(
  { kv, clock, keeper, nonce }: ClaimDeps,
  { found, machine, lease }: OtherMachine,
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const own = keeper.id;
  if (own === undefined) throw new Error('claimKey() before acquire()');
  const { key } = found;
  const value = encode('machine', { ...machine, nonce });
  const claim = await kv.txn(
    {
      compares: [{ key, target: 'mod', equals: found.modRevision }],
      then: [{ kind: 'put', key, value, lease: own }],
    },
    signal,
  );
  if (!claim.succeeded) return undefined; // changed just now: it lives
  const heardMs = clock.now() + machine.ttlSec * 1000;
  const isSilentNow = async (child: AbortSignal): Promise<boolean> =>
    lease === undefined
      ? clock.now() >= heardMs
      : isSilent(await leaseLeft(kv, lease, child), machine.ttlSec);
  const untilKnown = async (child: AbortSignal): Promise<Revision | undefined> => {
    for (;;) {
      await clock.sleep(Math.min(CLAIM_MS, (machine.ttlSec * 1000) / 2), child);
      const { gets } = await kv.txn({ then: [{ kind: 'get', key }] }, child);
      if (gets[0]?.modRevision !== claim.revision) return undefined;
      if (await isSilentNow(child)) return claim.revision;
    }
  };
  return await withChildSignal(signal, async (child) => {
    const gone = keeper.run(child).then(() => undefined);
    gone.catch(() => undefined); // where the other's silence ends it
    return await Promise.race([untilKnown(child), gone]);
  });
}

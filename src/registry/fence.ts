// Fencing tokens: one number in the store that only grows, raised in the transaction that still finds the start to be asked for.
// Invariant: a token is greater than every one that was given out before it, as long as the store does not go back.
import { FleetError } from '../model/errors.ts';
import { CAS_TRIES_MAX, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Compare, KeyValue, Operation, TxnResult } from '../store/kv.ts';
import { decode, encode } from './codec.ts';
import type { Registry } from './registry.ts';

/** What asks for a start: the key of a placement's copy or of a global unit, as the host knows it. */
export interface AskedBy {
  readonly key: string;
  /** Its mod revision. */
  readonly revision: bigint;
  /** The key that says that the unit is placed here; absent for a global unit. Written anew as it is: who is about to place it elsewhere looks again. */
  readonly placed?: string;
}

export interface TakenToken {
  readonly token: number;
  /** Keys that have changed: what they asked for may not be asked for any more, and gets no token. */
  readonly changed: ReadonlySet<string>;
}

/** starts that one token serves: two keys of each are read and compared, beside the token's own. */
export const STARTS_A_TOKEN_MAX = Math.floor((TXN_OPERATIONS_MAX - 1) / 2);

/** Takes a token greater than the store's and than `least`, for starts of different units. Throws REGISTRY_BUSY, REGISTRY_RECORD_INVALID. */
export async function takeToken(
  { kv, keys }: Registry,
  { starts, least }: Readonly<{ starts: readonly AskedBy[]; least: number }>,
  signal: AbortSignal,
): Promise<TakenToken> {
  const changed = new Set<string>();
  const names = [keys.fence, ...starts.flatMap(({ key, placed = key }) => [key, placed])];
  const gets = names.map((key): Operation => ({ kind: 'get', key }));
  let found = (await kv.txn({ then: gets }, signal)).gets;
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const asks = starts.map((start, index) => ({ ...start, now: found[1 + 2 * index] }));
    for (const { key, revision, now } of asks) if (now?.modRevision !== revision) changed.add(key);
    const token = 1 + Math.max(least, tokenIn(found[0]));
    if (changed.size === starts.length) return { token, changed };
    const touched = starts.flatMap(({ key, placed }, index) => {
      if (placed === undefined || changed.has(key)) return [];
      return [{ key: placed, kv: found[2 + 2 * index] }];
    });
    const result: TxnResult = await kv.txn(
      {
        compares: [
          sameAs(keys.fence, found[0]),
          ...asks.filter(({ key }) => !changed.has(key)).map(({ key, now }) => sameAs(key, now)),
          ...touched.map(({ key, kv: placement }) => sameAs(key, placement)),
        ],
        then: [
          { kind: 'put', key: keys.fence, value: encode('fence', { token }) },
          ...touched.flatMap(({ key, kv: placement }): Operation[] =>
            placement === undefined ? [] : [{ kind: 'put', key, value: placement.value }],
          ),
        ],
        else: gets,
      },
      signal,
    );
    if (result.succeeded) return { token, changed };
    found = result.gets;
  }
  throw new FleetError('REGISTRY_BUSY', 'other hosts were faster to take a fencing token', {
    hint: 'It is tried again.',
  });
}

/** The highest token that the store has given out; 0 for none. */
export async function readToken({ kv, keys }: Registry, signal: AbortSignal): Promise<number> {
  const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.fence }] }, signal);
  return tokenIn(gets[0]);
}

/** Makes the store's number at least `least`: it may have come from a backup. */
export async function raiseToken(
  { kv, keys }: Registry,
  least: number,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.fence }] }, signal);
    const seen = gets[0];
    if (tokenIn(seen) >= least) return;
    const { succeeded } = await kv.txn(
      {
        compares: [sameAs(keys.fence, seen)],
        then: [{ kind: 'put', key: keys.fence, value: encode('fence', { token: least }) }],
      },
      signal,
    );
    if (succeeded) return;
  }
  throw new FleetError('REGISTRY_BUSY', 'other hosts were faster to raise the fencing token', {
    hint: 'It is tried again.',
  });
}

function tokenIn(kv: KeyValue | undefined): number {
  return kv === undefined ? 0 : decode('fence', kv.key, kv.value).token;
}

function sameAs(key: string, kv: KeyValue | undefined): Compare {
  return { key, target: 'mod', equals: kv?.modRevision ?? 0n };
}

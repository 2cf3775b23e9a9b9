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
}

export interface TakenToken {
  readonly token: number;
  /** Keys that have changed: what they asked for may not be asked for any more, and gets no token. */
  readonly changed: ReadonlySet<string>;
}

/** starts that one token serves: their keys are read by the txn that fails. */
export const STARTS_A_TOKEN_MAX = TXN_OPERATIONS_MAX - 1;

/** Takes a token greater than the store's and than `least`, for starts of different units. Throws REGISTRY_BUSY, REGISTRY_RECORD_INVALID. */
export async function takeToken(
  { kv, keys }: Registry,
  { starts, least }: Readonly<{ starts: readonly AskedBy[]; least: number }>,
  signal: AbortSignal,
): Promise<TakenToken> {
  const changed = new Set<string>();
  let seen = await read(kv, keys.fence, signal);
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const wanted = starts.filter(({ key }) => !changed.has(key));
    const token = 1 + Math.max(least, tokenIn(seen));
    if (wanted.length === 0) return { token, changed };
    const result: TxnResult = await kv.txn(
      {
        compares: [
          sameAs(keys.fence, seen),
          ...wanted.map(({ key, revision }): Compare => ({ key, target: 'mod', equals: revision })),
        ],
        then: [{ kind: 'put', key: keys.fence, value: encode('fence', { token }) }],
        else: [keys.fence, ...wanted.map(({ key }) => key)].map((key): Operation => ({
          kind: 'get',
          key,
        })),
      },
      signal,
    );
    if (result.succeeded) return { token, changed };
    seen = result.gets[0];
    for (const [index, { key, revision }] of wanted.entries())
      if (result.gets[index + 1]?.modRevision !== revision) changed.add(key);
  }
  throw new FleetError('REGISTRY_BUSY', 'other hosts were faster to take a fencing token', {
    hint: 'It is tried again.',
  });
}

/** Makes the store's number at least `least`: it may have come from a backup. */
export async function raiseToken(
  { kv, keys }: Registry,
  least: number,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const seen = await read(kv, keys.fence, signal);
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

async function read(
  kv: Registry['kv'],
  key: string,
  signal: AbortSignal,
): Promise<KeyValue | undefined> {
  return (await kv.txn({ then: [{ kind: 'get', key }] }, signal)).gets[0];
}

function tokenIn(kv: KeyValue | undefined): number {
  return kv === undefined ? 0 : decode('fence', kv.key, kv.value).token;
}

function sameAs(key: string, kv: KeyValue | undefined): Compare {
  return { key, target: 'mod', equals: kv?.modRevision ?? 0n };
}

// A machine's key as the store has it: read together with the store's format, and watched for its next change.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import { RECORD_VERSION } from '../src/registry/codec.ts';
import type { Keys } from '../src/registry/keys.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { KeyValue, Kv, Revision } from '../src/store/kv.ts';

export interface Look {
  readonly found: KeyValue | undefined;
  readonly revision: Revision;
}

/** ms before a watch that failed counts as a change: its caller looks again. */
const WATCH_AGAIN_MS = 2_000;

/** The key and the format, at one revision. Throws CLUSTER_FORMAT_UNKNOWN. */
export async function lookAtKey(
  { kv, keys }: { readonly kv: Kv; readonly keys: Keys },
  key: string,
  signal: AbortSignal,
): Promise<Look> {
  const format = JSON.stringify({ v: RECORD_VERSION });
  const result = await kv.txn(
    {
      compares: [{ key: keys.format, target: 'create', equals: 0n }],
      then: [
        { kind: 'get', key },
        { kind: 'put', key: keys.format, value: format },
      ],
      else: [
        { kind: 'get', key },
        { kind: 'get', key: keys.format },
      ],
    },
    signal,
  );
  const stands = result.succeeded ? format : result.gets[1]?.value;
  if (stands !== format)
    throw new FleetError('CLUSTER_FORMAT_UNKNOWN', `the store has the format '${stands ?? ''}'`, {
      hint: `This fleet reads '${format}': run the version that the other machines run.`,
    });
  return { found: result.gets[0], revision: result.revision };
}

/** Ends when the key changes from that revision on, or when the watch was lost: look again either way. */
export async function oneChange(
  { kv, clock }: { readonly kv: Kv; readonly clock: Clock },
  { key, from }: { readonly key: string; readonly from: Revision },
  signal: AbortSignal,
): Promise<void> {
  try {
    await withChildSignal(signal, async (child) => {
      for await (const batch of kv.watch(key, from, child)) {
        const keyOf = (event: (typeof batch.events)[number]): string =>
          event.kind === 'put' ? event.kv.key : event.key;
        if (batch.events.some((event) => keyOf(event) === key)) return;
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!isFleetError(error)) throw error;
    await clock.sleep(WATCH_AGAIN_MS, signal);
  }
  signal.throwIfAborted();
}

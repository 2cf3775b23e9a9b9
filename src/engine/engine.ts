// The engine: campaigns for the leader key and, while it has it, runs a term, here or in a thread of its own.
// Invariant: who leads is decided and guarded here, in the thread that renews the lease; a term only decides for the cluster.
import { isFleetError } from '../model/errors.ts';
import type { AbsenceMemory } from './absence-watch.ts';
import { campaign } from './leadership.ts';
import { runTerm, type TermDeps, type TermStart } from './term.ts';

/** A thread with a heap of its own: what a large cluster leaves to the garbage collector holds up no renewal and no request. */
export interface TermThread {
  /** Units from which on a term is run there. */
  readonly fromUnits: number;
  /** As `runTerm`. */
  run(start: TermStart, signal: AbortSignal): Promise<void>;
}

export interface EngineDeps extends Omit<TermDeps, 'unitsMax'> {
  /** Without it, all terms run in the thread of the caller. */
  readonly thread?: TermThread;
}

/** A term that began here goes on in a thread at twice the size from which on one begins there. */
const GROWN = 2;
/** ms between two tries of a question that the store did not answer. */
const AGAIN_MS = 250;

/** Campaigns and, while elected, decides for the cluster, until `signal` aborts. */
export async function runEngine(deps: EngineDeps, signal: AbortSignal): Promise<never> {
  const memory: AbsenceMemory = { discontinuityAtMs: undefined };
  const { thread, ...own } = deps;
  return await campaign(deps, signal, async (fence, child) => {
    const start: TermStart = { fence, memory };
    if (thread === undefined) return await runTerm(own, start, child);
    const { fromUnits } = thread;
    if (!(await hasUnits(deps, fromUnits, child)))
      await runTerm({ ...own, unitsMax: GROWN * fromUnits }, start, child);
    await thread.run(start, child);
  });
}

/** Whether there are so many unit records. */
async function hasUnits(
  { kv, keys, clock }: EngineDeps,
  many: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    try {
      const { count } = await kv.count(keys.units, signal);
      return count >= many;
    } catch (error) {
      // No reason to give the lead up: its own guards do that.
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}

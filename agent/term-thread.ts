// Terms in a thread of their own, seen from fleetd's main thread, which goes on to renew leases, to answer requests and to run units.
// Invariant: the thread ends with its term. Whatever becomes of it, its writes are fenced like those of any other.
import { getHeapStatistics } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import type { TermThread } from '../src/engine/engine.ts';
import type { Evidence } from '../src/engine/absence-watch.ts';
import type { TermStart } from '../src/engine/term.ts';
import type { MachineId } from '../src/model/machine.ts';
import { aborted, withChildSignal, withTimeout } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import { LineRing } from '../src/runtime/line-ring.ts';
import type { Log } from '../src/runtime/log.ts';
import type { SeenRevision } from '../src/store/seen-revisions.ts';
import { keepHeapSmall, leaveQuietHeapBe } from './heap.ts';
import {
  errorOf,
  type EvidenceNow,
  type StoreConfig,
  type TermEnded,
  type TermOrder,
  type ToTerm,
} from './term-messages.ts';

export interface ThreadOptions {
  readonly order: TermOrder;
  /** MiB; of the old generation of the thread's heap. */
  readonly heapMaxMiB: number;
}

export interface TermThreadDeps {
  /** Starts a thread that runs `runTermWorker` on the order. */
  readonly spawn: (options: ThreadOptions) => Worker;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: StoreConfig;
  readonly keyPrefix: string;
  readonly machine: MachineId;
  readonly intervalMs: number;
  readonly evidence: Evidence;
  readonly seenRevisions: () => readonly SeenRevision[];
  readonly isVerbose: () => boolean;
  readonly fromUnits: number;
}

/**
 * ms between two words of what is so now, and two looks at what it has logged: a term that does not hear for a second believes nobody absent, and lines
 * that are not taken for some seconds are lost.
 */
const NOW_MS = 200;
/** ms in which a thread that is told to end does so by itself. */
const END_MS = 1_000;
const MIB = 2 ** 20;

export function openTermThread(deps: TermThreadDeps): TermThread {
  return {
    fromUnits: deps.fromUnits,
    run: async (start, signal) => await new ThreadTerm(deps, start).run(signal),
  };
}

class ThreadTerm {
  readonly #deps: TermThreadDeps;
  readonly #start: TermStart;
  readonly #ring = new LineRing();

  constructor(deps: TermThreadDeps, start: TermStart) {
    this.#deps = deps;
    this.#start = start;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { spawn, clock, log, fromUnits } = this.#deps;
    log.info({ fromUnits }, 'the term runs in a thread of its own');
    // As much as the main thread may have: V8 would give it less.
    const heapMaxMiB = Math.floor(getHeapStatistics().heap_size_limit / MIB);
    leaveQuietHeapBe();
    const worker = spawn({ order: this.#order(), heapMaxMiB });
    const ended = this.#untilEnded(worker);
    ended.catch(() => undefined);
    try {
      await withChildSignal(signal, async (child) => {
        await Promise.race([ended, this.#exchange(worker, child)]);
      });
    } finally {
      post(worker, { kind: 'end' });
      await withTimeout(clock, END_MS, async (late) => {
        await Promise.race([Promise.allSettled([ended]), aborted(late)]);
      });
      await worker.terminate();
      this.#takeLines(); // whatever it has ended with
      keepHeapSmall();
    }
  }

  #order(): TermOrder {
    const { store, keyPrefix, machine, intervalMs, evidence, seenRevisions } = this.#deps;
    const { fence, memory } = this.#start;
    return {
      fence,
      store,
      keyPrefix,
      machine,
      intervalMs,
      ttlSec: evidence.ttlSec,
      discontinuityAtMs: memory.discontinuityAtMs,
      seenRevisions: seenRevisions(),
      evidence: this.#evidence(),
      isVerbose: this.#deps.isVerbose(),
      logMemory: this.#ring.memory,
    };
  }

  #evidence(): EvidenceNow {
    const { clock, evidence } = this.#deps;
    return {
      answeredSinceMs: evidence.answeredSince(),
      restoredAtMs: evidence.restoredAt(),
      atMs: clock.now(),
    };
  }

  async #exchange(worker: Worker, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#deps.clock.sleep(NOW_MS, signal);
      const isVerbose = this.#deps.isVerbose();
      post(worker, { kind: 'now', evidence: this.#evidence(), isVerbose });
      this.#takeLines();
    }
  }

  #takeLines(): void {
    const { log } = this.#deps;
    const lost = this.#ring.take((lines) => log.write(lines));
    if (lost > 0) log.warn({ lines: lost }, 'the log was not taken in time, lines are lost');
  }

  /** Rejects with what the term ended with, and where the thread ended without a word. */
  #untilEnded(worker: Worker): Promise<void> {
    const { log, clock } = this.#deps;
    const { memory } = this.#start;
    return new Promise((resolve, reject) => {
      let hasEnded = false;
      worker.on('message', (said: TermEnded) => {
        hasEnded = true;
        memory.discontinuityAtMs = said.discontinuityAtMs;
        if (said.fault === undefined) resolve();
        else reject(errorOf(said.fault));
      });
      // Its log has a way of its own: this is what Node itself has to say.
      worker.stderr.on('data', (text) =>
        log.warn({ text: String(text) }, 'the thread of the term says'),
      );
      worker.on('error', reject);
      worker.on('exit', (code) => {
        // What it has found out of the store is lost with it.
        if (!hasEnded) memory.discontinuityAtMs = clock.now();
        reject(new Error(`the thread of the term ended with code ${code}`));
      });
    });
  }
}

function post(worker: Worker, message: ToTerm): void {
  worker.postMessage(message, []);
}

// A term in a thread of its own: a store, a picture and a heap apart from fleetd's other parts. term-thread.ts is the other end.
// Invariant: what it knows of the own renewals is what the main thread said within the last second; else nobody is believed absent.
import type { MessagePort } from 'node:worker_threads';
import type { AbsenceMemory, Evidence } from '../src/engine/absence-watch.ts';
import { runTerm } from '../src/engine/term.ts';
import { keysUnder } from '../src/registry/keys.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { LineRing } from '../src/runtime/line-ring.ts';
import { openThreadLog } from '../src/runtime/log.ts';
import { openEtcdStore } from '../src/store/etcd/open.ts';
import type { Revision } from '../src/store/kv.ts';
import { SeenRevisions } from '../src/store/seen-revisions.ts';
import {
  faultOf,
  type EvidenceNow,
  type TermEnded,
  type TermOrder,
  type ToTerm,
} from './term-messages.ts';

/** ms. */
const STALE_MS = 1_000;

/** Runs the term until the main thread says that it is over; what it ends with is told there. */
export async function runTermWorker(port: MessagePort, order: TermOrder): Promise<void> {
  const random = Math.random; // oxlint-disable-line no-restricted-properties -- this thread's one source of chance
  const clock = systemClock;
  const end = new AbortController();
  const evidence = new ToldEvidence(order);
  const ring = new LineRing(order.logMemory);
  const log = openThreadLog(order.isVerbose, (line) => ring.write(line));
  port.on('message', (said: ToTerm) => {
    if (said.kind === 'end') return end.abort(new Error('the term is over'));
    evidence.heard(said.evidence);
    log.setVerbose(said.isVerbose);
  });
  const memory: AbsenceMemory = { discontinuityAtMs: order.discontinuityAtMs };
  const { fence, keyPrefix, machine, intervalMs } = order;
  const ended = (fault?: unknown): void => {
    const { discontinuityAtMs } = memory;
    const said: TermEnded = {
      discontinuityAtMs,
      ...(fault === undefined ? {} : { fault: faultOf(fault) }),
    };
    port.postMessage(said, []);
  };
  try {
    const kv = await openEtcdStore({ ...order.store, clock, random });
    try {
      const deps = { kv, keys: keysUnder(keyPrefix), clock, machine, random, intervalMs, evidence };
      const engineLog = log.child({ component: 'engine' });
      await runTerm({ ...deps, log: engineLog }, { fence, memory }, end.signal);
      ended();
    } finally {
      await kv.close();
    }
  } catch (error) {
    ended(end.signal.aborted ? undefined : error);
  } finally {
    port.close();
  }
}

class ToldEvidence implements Evidence {
  readonly ttlSec: number;
  readonly #revisions: SeenRevisions;
  #now: EvidenceNow;

  constructor({ ttlSec, seenRevisions, evidence }: TermOrder) {
    this.ttlSec = ttlSec;
    this.#revisions = new SeenRevisions(seenRevisions);
    this.#now = evidence;
  }

  heard(evidence: EvidenceNow): void {
    this.#now = evidence;
  }

  /** The main thread may be busy, and its renewals answered all the same: that is not known, and no gap. */
  answeredSince(): number | undefined {
    const { atMs, answeredSinceMs } = this.#now;
    const nowMs = systemClock.now();
    if (nowMs - atMs > STALE_MS) return undefined;
    return answeredSinceMs === undefined || atMs - answeredSinceMs < 1 ? nowMs : answeredSinceMs;
  }

  restoredAt(): number {
    return this.#now.restoredAtMs;
  }

  reachedAt(revision: Revision): number {
    return this.#revisions.reachedAt(revision);
  }
}

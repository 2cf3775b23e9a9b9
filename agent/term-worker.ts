// A term in a thread of its own: a store, a picture and a heap apart from fleetd's other parts. term-thread.ts is the other end.
// Invariant: what it knows of the own renewals is what the main thread said within the last second; else nobody is believed absent.
import { inspect } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import type { AbsenceMemory, Evidence } from '../src/engine/absence-watch.ts';
import { runTerm } from '../src/engine/term.ts';
import { keysUnder } from '../src/registry/keys.ts';
import { systemClock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { openEtcdStore } from '../src/store/etcd/open.ts';
import type { Revision } from '../src/store/kv.ts';
import { SeenRevisions } from '../src/store/seen-revisions.ts';
import {
  faultOf,
  type EvidenceNow,
  type FromTerm,
  type LogLevel,
  type TermOrder,
  type ToTerm,
  wordsOf,
} from './term-messages.ts';

/** ms. */
const STALE_MS = 1_000;

/** Runs the term until the main thread says that it is over; what it ends with is told there. */
export async function runTermWorker(port: MessagePort, order: TermOrder): Promise<void> {
  const random = Math.random; // oxlint-disable-line no-restricted-properties -- this thread's one source of chance
  const clock = systemClock;
  const end = new AbortController();
  const evidence = new ToldEvidence(order);
  port.on('message', (said: ToTerm) => {
    if (said.kind === 'end') end.abort(new Error('the term is over'));
    else evidence.heard(said.evidence);
  });
  const memory: AbsenceMemory = { discontinuityAtMs: order.discontinuityAtMs };
  const { fence, keyPrefix, machine, intervalMs } = order;
  const tell = (said: FromTerm): void => port.postMessage(said, []);
  const ended = (fault?: unknown): void => {
    const { discontinuityAtMs } = memory;
    tell({
      kind: 'ended',
      discontinuityAtMs,
      ...(fault === undefined ? {} : { fault: faultOf(fault) }),
    });
  };
  try {
    const kv = await openEtcdStore({ ...order.store, clock, random });
    try {
      const deps = { kv, keys: keysUnder(keyPrefix), clock, machine, random, intervalMs, evidence };
      await runTerm({ ...deps, log: logTo(tell) }, { fence, memory }, end.signal);
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

/** Told to the main thread, which writes it. What cannot be copied there is told as text. */
function logTo(tell: (said: FromTerm) => void): Log {
  const at =
    (level: LogLevel) =>
    (fields: object, message: string): void => {
      try {
        tell({ kind: 'log', level, fields: wordsOf(fields), message });
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
        tell({ kind: 'log', level, fields: { fields: inspect(fields) }, message });
      }
    };
  const log: Log = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => log,
    setVerbose: () => undefined,
  };
  return log;
}

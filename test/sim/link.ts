// A process's way to the store: Kv as the etcd adapter has it, over a network that loses, delays, cuts and doubles.
// Invariant: what it tells is what the store said; what it does not know it says as the port does: STORE_UNAVAILABLE, `ambiguous` after a write.
import type {
  CountResult,
  Kv,
  LeaseId,
  RangeOptions,
  RangeResult,
  Renewal,
  Revision,
  Txn,
  TxnResult,
  WatchBatch,
} from '../../src/store/kv.ts';
import { FleetError } from '../../src/model/errors.ts';
import { History } from '../../src/store/etcd/history.ts';
import type { SimClock } from '../support/sim-clock.ts';
import type { Network } from './network.ts';
import type { Process } from './process.ts';
import { never } from './process.ts';
import type { Random } from './random.ts';
import type { Actor, Role, SimStore } from './store.ts';

/** ms; the default of etcd_request_timeout, and how late InFlight looks. */
const REQUEST_TIMEOUT_MS = 1_025;
/** ms without a sign of life after which a watch is lost: PROGRESS_INTERVAL_MS and PROGRESS_TIMEOUT_MS of the adapter. */
const SILENCE_MS = 15_000;

/** What all links of one process share. */
export interface Wire {
  readonly process: Process;
  readonly clock: SimClock;
  readonly store: SimStore;
  readonly network: Network;
  readonly random: Random;
  readonly history: History;
}

export function newWire(parts: Omit<Wire, 'history'>): Wire {
  return { ...parts, history: new History() };
}

/** The port, for one part of a process. */
export class Link implements Kv {
  readonly #wire: Wire;
  readonly #actor: Actor;

  constructor(wire: Wire, role: Role, operation?: object) {
    this.#wire = wire;
    const { process } = wire;
    this.#actor = operation === undefined ? { role, process } : { role, process, operation };
  }

  get reversions(): number {
    return this.#wire.history.mark.epoch;
  }

  async range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    return await this.#checked(signal, false, (kv, own) => kv.range(prefix, options, own));
  }

  async count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    return await this.#checked(signal, false, (kv, own) => kv.count(prefix, own));
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    const writes = [...txn.then, ...(txn.else ?? [])].some(({ kind }) => kind !== 'get');
    return await this.#checked(signal, writes, (kv, own) => kv.txn(txn, own));
  }

  grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    return this.#exchange(signal, false, (kv, own) => kv.grantLease(ttlSec, own));
  }

  renewLease(id: LeaseId, signal: AbortSignal): Promise<Renewal> {
    return this.#exchange(signal, false, (kv, own) => kv.renewLease(id, own));
  }

  leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    return this.#exchange(signal, false, (kv, own) => kv.leaseRemaining(id, own));
  }

  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    return this.#exchange(signal, false, (kv, own) => kv.revokeLease(id, own));
  }

  compact(revision: Revision, signal: AbortSignal): Promise<void> {
    return this.#exchange(signal, false, (kv, own) => kv.compact(revision, own));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const { process, store, network, history, clock } = this.#wire;
    if (!process.enter()) await never();
    if (signal.aborted) return;
    if (network.isCut) {
      await this.#pause(REQUEST_TIMEOUT_MS, signal);
      if (network.isCut) throw lost(prefix, 'the member is not reached');
    }
    // The stream at the store's side: it ends with the process, with the connection, and when whoever reads it goes.
    const scope = new AbortController();
    let end: FleetError | undefined;
    const cut = (why: FleetError): void => {
      end ??= why;
      scope.abort();
    };
    const aborted = (): void => scope.abort();
    const broken = (): void => cut(lost(prefix, 'the stream broke'));
    signal.addEventListener('abort', aborted, { once: true });
    const forget = [
      network.onBreak(broken),
      history.onReverted(() =>
        cut(new FleetError('STORE_REVERTED', 'the store was restored from a backup')),
      ),
    ];
    process.onDeath(aborted);
    try {
      for await (const batch of store.kv.watch(prefix, from, scope.signal)) {
        await this.#underWay(scope.signal);
        if (network.isCut && !(await this.#untilHealed(clock.now() + SILENCE_MS, scope.signal)))
          cut(lost(prefix, 'etcd gave no sign of life'));
        if (!process.isAlive) await never();
        if (scope.signal.aborted) break;
        yield batch;
        if (network.duplicates) yield batch;
      }
      if (!process.isAlive) await never();
      if (!signal.aborted && end !== undefined) throw end;
    } finally {
      signal.removeEventListener('abort', aborted);
      for (const each of forget) each();
      scope.abort();
    }
  }

  /** A call whose answer tells which history the store is in. */
  async #checked<T extends RangeResult | CountResult | TxnResult>(
    signal: AbortSignal,
    writes: boolean,
    run: (kv: Kv, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { history, store } = this.#wire;
    const sent = history.mark;
    const { answer, header } = await this.#exchange(signal, writes, async (kv, own) => {
      const { header } = store;
      return { answer: await run(kv, own), header };
    });
    const revision = BigInt(header.revision) > answer.revision ? header.revision : answer.revision;
    history.check(sent, { ...header, revision: String(revision) });
    return answer;
  }

  /** One request and its answer. The store carries out what reaches it, whether anybody still waits or not. */
  #exchange<T>(
    signal: AbortSignal,
    writes: boolean,
    run: (kv: Kv, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { process, clock, store, network, random } = this.#wire;
    if (!process.enter()) return never();
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const { isRefused, isRequestLost, isAnswerLost, requestMs, answerMs } = network.fate(random);
    return new Promise((resolve, reject) => {
      const began = clock.now();
      let isOpen = true;
      const end = (act: () => void): void => {
        if (!isOpen) return;
        isOpen = false;
        signal.removeEventListener('abort', abort);
        process.deliver(act);
      };
      const abort = (): void => end(() => reject(signal.reason as Error));
      const timeOut = (): void => {
        const leftMs = Math.max(0, began + REQUEST_TIMEOUT_MS - clock.now());
        clock.schedule(leftMs, () => end(() => reject(unavailable(writes))));
      };
      const answer = (act: () => void): void => {
        if (!process.left() || isAnswerLost || network.losesAnswers) return timeOut();
        if (answerMs === 0) return end(act);
        if (clock.now() + answerMs - began > REQUEST_TIMEOUT_MS) timeOut();
        clock.schedule(answerMs, () => end(act));
      };
      const arrive = (): void => {
        if (network.losesRequests) return timeOut();
        const call = store.as(this.#actor, (kv) => run(kv, own));
        call.then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      };
      signal.addEventListener('abort', abort, { once: true });
      if (isRefused) return void clock.schedule(0.5, () => end(() => reject(unavailable(false))));
      if (isRequestLost) return timeOut();
      if (requestMs > REQUEST_TIMEOUT_MS) timeOut();
      clock.schedule(requestMs, arrive);
    });
  }

  /** A batch is on its way. */
  async #underWay(signal: AbortSignal): Promise<void> {
    const { network, random, process } = this.#wire;
    const lagMs = network.watchLagMs;
    if (lagMs > 0) await this.#pause(random.between(0, lagMs), signal);
    else await this.#pause(random.between(0.2, 3), signal);
    if (process.machine.isFrozen || process.isStopped)
      await new Promise<void>((resolve) => process.whenAwake(resolve));
  }

  async #untilHealed(untilMs: number, signal: AbortSignal): Promise<boolean> {
    const { network, clock } = this.#wire;
    while (network.isCut && clock.now() < untilMs && !signal.aborted)
      await this.#pause(500, signal);
    return !network.isCut;
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#wire.clock.sleep(ms, signal).catch(() => undefined);
  }
}

/** The store's own end of a call never aborts: what was sent is carried out. */
const own = new AbortController().signal;

function unavailable(ambiguous: boolean): FleetError {
  return new FleetError('STORE_UNAVAILABLE', 'etcd did not answer in time', {
    details: ambiguous ? { ambiguous } : {},
  });
}

function lost(prefix: string, why: string): FleetError {
  return new FleetError('STORE_WATCH_LOST', `the watch on '${prefix}' ended: ${why}`);
}

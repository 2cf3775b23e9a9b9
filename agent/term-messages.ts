// What fleetd's main thread and that of a term say to each other. All of it is plain data, copied on its way, but for the memory
// of the log, which is one for both.
import type { Fence } from '../src/registry/commit.ts';
import { FleetError, isFleetError, type ErrorCode } from '../src/model/errors.ts';
import type { MachineId } from '../src/model/machine.ts';
import type { EtcdStoreOptions } from '../src/store/etcd/open.ts';
import type { SeenRevision } from '../src/store/seen-revisions.ts';

export type StoreConfig = Omit<EtcdStoreOptions, 'clock' | 'random'>;

/** What a term is to be. Clock times are those of `systemClock`, which is one for all threads. */
export interface TermOrder {
  readonly fence: Fence;
  readonly store: StoreConfig;
  /** As `keysUnder` takes it. */
  readonly keyPrefix: string;
  readonly machine: MachineId;
  readonly intervalMs: number;
  readonly ttlSec: number;
  readonly discontinuityAtMs: number | undefined;
  readonly seenRevisions: readonly SeenRevision[];
  readonly evidence: EvidenceNow;
  /** Whether its log has `debug` lines. */
  readonly isVerbose: boolean;
  /** Of the `LineRing` that its log goes to. */
  readonly logMemory: SharedArrayBuffer;
}

/** The evidence of the main thread, at one moment. */
export interface EvidenceNow {
  readonly atMs: number;
  readonly answeredSinceMs: number | undefined;
  readonly restoredAtMs: number;
}

export type ToTerm =
  | Readonly<{ kind: 'now'; evidence: EvidenceNow; isVerbose: boolean }>
  /** It is over. */
  | Readonly<{ kind: 'end' }>;

/** Its last word, and its only one: what it logs stands in memory. Without `fault` it was told to end. */
export interface TermEnded {
  readonly discontinuityAtMs: number | undefined;
  readonly fault?: Fault;
}

/** An error without its class, which does not survive the way. */
export interface Fault {
  /** Absent for a bug. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly stack?: string;
}

export function faultOf(error: unknown): Fault {
  if (isFleetError(error)) return { code: error.code, message: error.message };
  if (!(error instanceof Error)) return { message: String(error) };
  return { message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

export function errorOf({ code, message, stack }: Fault): Error {
  if (code !== undefined) return new FleetError(code, message);
  return Object.assign(new Error(message), stack === undefined ? {} : { stack });
}

// Records of the store: JSON with a version, checked on the way in. A record that does not decode is the caller's to skip, name and count.
// Invariant: decode(encode(x)) equals x; an unknown version or shape is REGISTRY_RECORD_INVALID, never a guess.
import { z } from 'zod';
import { FleetError } from '../model/errors.ts';
import type { Host, Machine, MachineId, MetadataOverride } from '../model/machine.ts';
import type { Pending } from '../model/refusal.ts';
import type { Orphan, UnitState } from '../model/unit-state.ts';
import type { Assignment, GlobalUnit, Placement, Unit, UnitName } from '../model/unit.ts';

/** The version that this code writes, `v` in each value. */
export const RECORD_VERSION = 1;

/** A name in a record: it was checked on its way in. */
export const unitName = z
  .string()
  .min(1)
  .transform((text) => text as UnitName);
const machineId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .transform((text) => text as MachineId);
const hash = z.string().regex(/^[0-9a-f]{40}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();
const options = z.array(z.object({ section: z.string(), name: z.string(), value: z.string() }));
const target = {
  name: unitName,
  hash,
  sha256,
  desiredState: z.enum(['inactive', 'loaded', 'launched']),
  generation: count,
  options,
};
const systemdState = { loadState: z.string(), activeState: z.string(), subState: z.string() };

/** How a job ended, as records hold it. */
export const jobResult = z.enum([
  'running',
  'done',
  'canceled',
  'timeout',
  'failed',
  'dependency',
  'skipped',
  'invalid',
  'assert',
  'unsupported',
  'collected',
  'once',
]);

/** `leader`: who decides, since when. */
export interface Leader {
  readonly machine: MachineId;
  readonly sinceMs: number;
  readonly nonce: string;
}

/** `fence`: the highest token that any start was given. */
export interface FenceToken {
  readonly token: number;
}

/** `brake`: machines of which too many vanished at once. Times are wall-clock ms: it outlives the leader that pulled it. */
export interface BrakeRecord {
  readonly sinceMs: number;
  /** Their units stay where they are until then. */
  readonly untilMs: number;
  readonly machines: readonly MachineId[];
}

/** One look of a leader at the store: its revision then. */
export interface HistoryMark {
  /** wall-clock ms */
  readonly atMs: number;
  readonly revision: string;
}
/** `history`: when leaders looked last, in order of time. */
export interface HistoryRecord {
  readonly marks: readonly HistoryMark[];
}

const refusal = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('machine-id'), required: z.string(), actual: machineId }),
  z.object({
    kind: z.literal('metadata'),
    key: z.string(),
    required: z.array(z.string()),
    actual: z.string().optional(),
  }),
  z.object({ kind: z.literal('machine-of'), peer: unitName, peerOn: machineId.optional() }),
  z.object({
    kind: z.literal('conflict'),
    with: unitName,
    pattern: z.string(),
    declaredBy: unitName,
  }),
  z.object({
    kind: z.literal('replaces'),
    with: unitName,
    circle: z.array(unitName).optional(),
  }),
  z.object({ kind: z.literal('host-name'), value: z.string(), hostname: z.string() }),
  z.object({ kind: z.literal('leaving') }),
  z.object({ kind: z.literal('capability'), required: z.enum(['fence', 'cut-off']) }),
  z.object({ kind: z.literal('runtime'), required: z.string() }),
]);

const schemas = {
  unit: z.object({ ...target, description: z.string(), requestId: z.string() }),
  placement: z.object({
    name: unitName,
    machine: machineId,
    generation: count,
    hash,
    release: z.boolean(),
  }),
  assignment: z.object({ ...target, machine: machineId, release: z.boolean() }),
  global: z.object({ ...target, release: z.boolean() }),
  machine: z.object({
    id: machineId,
    primaryIp: z.string(),
    hostname: z.string(),
    metadata: z.record(z.string(), z.string()),
    version: z.string(),
    capacity: z.object({ cpus: z.number(), memoryBytes: z.number() }),
    capabilities: z.record(z.string(), z.string()),
    ttlSec: z.number().positive(),
    incarnation: z.string(),
    nonce: z.string(),
    leaving: z.boolean(),
    returned: z.boolean().optional(),
  }),
  host: z.object({
    id: machineId,
    lastSeenMs: z.number().optional(),
    absentSinceMs: z.number().optional(),
    evict: z.boolean().optional(),
  }),
  metadata: z.object({ machine: machineId, key: z.string(), value: z.string().optional() }),
  state: z.object({
    ...systemdState,
    name: unitName,
    machine: machineId,
    hash: z.string(),
    generation: count,
    started: count.optional(),
    job: jobResult.optional(),
    result: z.string().optional(),
    refusal: z.string().optional(),
    incarnation: z.string(),
  }),
  pending: z.object({
    name: unitName,
    generation: count,
    counts: z.record(z.string(), count),
    machines: z.array(z.object({ machine: machineId, refusal })),
    reason: z
      .enum(['no-machines', 'internal', 'releasing', 'unreadable', 'circle', 'orphan'])
      .optional(),
    circle: z.array(unitName).optional(),
    orphans: z.array(machineId).optional(),
  }),
  orphan: z.object({
    ...systemdState,
    name: unitName,
    machine: machineId,
    hash: z.string(),
    generation: count,
    desiredState: z.enum(['loaded', 'launched']).optional(),
    text: z.string(),
  }),
  leader: z.object({ machine: machineId, sinceMs: z.number(), nonce: z.string() }),
  fence: z.object({ token: count }),
  history: z.object({
    marks: z.array(z.object({ atMs: z.number(), revision: z.string().regex(/^[0-9]{1,18}$/) })),
  }),
  brake: z.object({ sinceMs: z.number(), untilMs: z.number(), machines: z.array(machineId) }),
} as const;

/** Record kinds and their types; the schemas above check each. */
export interface Records {
  unit: Unit;
  placement: Placement;
  assignment: Assignment;
  global: GlobalUnit;
  machine: Machine;
  host: Host;
  metadata: MetadataOverride;
  state: UnitState;
  pending: Pending;
  orphan: Orphan;
  leader: Leader;
  fence: FenceToken;
  brake: BrakeRecord;
  history: HistoryRecord;
}
export type RecordKind = keyof Records;

/** The value to store for a record. Same record, same text: keys are written in the record's own order. */
export function encode<K extends RecordKind>(_kind: K, record: Records[K]): string {
  return JSON.stringify({ v: RECORD_VERSION, ...record });
}

/** Made once: a schema costs more than the record that it checks. */
const versioned = z.object({ v: z.number() });

/** How the key of a record ends: one that stands under another's key would be taken for that. */
const keyEnds: { readonly [K in RecordKind]: (record: Records[K]) => string } = {
  unit: ({ name }) => `/${name}`,
  placement: ({ name }) => `/${name}`,
  assignment: ({ machine, name }) => `/${machine}/${name}`,
  global: ({ name }) => `/${name}`,
  machine: ({ id }) => `/${id}`,
  host: ({ id }) => `/${id}`,
  metadata: ({ machine, key }) => `/${machine}/${encodeURIComponent(key)}`,
  state: ({ name, machine }) => `/${name}/${machine}`,
  pending: ({ name }) => `/${name}`,
  orphan: ({ machine, name }) => `/${machine}/${name}`,
  leader: () => '',
  fence: () => '',
  brake: () => '',
  history: () => '',
};

/** The record in a stored value; throws REGISTRY_RECORD_INVALID with the key, also for a record that is of another key. */
export function decode<K extends RecordKind>(kind: K, key: string, value: string): Records[K] {
  const record = decodeValue(kind, key, value);
  const end = keyEnds[kind](record);
  if (!key.endsWith(end))
    throw invalid(kind, key, new Error(`it is of another key, that ends with '${end}'`));
  return record;
}

/** The record in a value that stands `at` a place of several, such as a file; throws REGISTRY_RECORD_INVALID with that. */
export function decodeValue<K extends RecordKind>(kind: K, at: string, value: string): Records[K] {
  try {
    const json: unknown = JSON.parse(value);
    const { v } = versioned.parse(json);
    if (v !== RECORD_VERSION) throw new Error(`version ${v} is not known`);
    return schemas[kind].parse(json) as Records[K]; // the schema is the type's own, checked by codec.test.ts
  } catch (cause) {
    throw invalid(kind, at, cause);
  }
}

function invalid(kind: RecordKind, key: string, cause: unknown): FleetError {
  return new FleetError('REGISTRY_RECORD_INVALID', `the record at '${key}' is no ${kind} record`, {
    cause,
    hint: `Inspect it with: etcdctl get '${key}'`,
    details: { key, kind },
  });
}

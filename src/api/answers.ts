// The bodies of answers as schemas: what the OpenAPI document says, and what tests hold real answers to. types.ts has them as TypeScript.
// Invariant: strict, so that a field that is not written here is found by a test.
import { z } from 'zod';

const text = z.string();
const desiredState = z.enum(['inactive', 'loaded', 'launched']);
const count = z.number().int().nonnegative();
const nextPageToken = text.optional();
const texts = z.record(text, text);

const v1Unit = z.strictObject({
  name: text,
  options: z.array(z.strictObject({ section: text, name: text, value: text })),
  desiredState,
  currentState: desiredState.optional(),
  machineID: text.optional(),
});
const stateFields = {
  name: text,
  hash: text,
  machineID: text,
  systemdLoadState: text,
  systemdActiveState: text,
  systemdSubState: text,
};
const v1UnitState = z.strictObject(stateFields);
const v1Machine = z.strictObject({ id: text, primaryIP: text, metadata: texts.optional() });

const v2UnitState = z.strictObject({
  ...stateFields,
  generation: count,
  orphan: z.boolean().optional(),
  started: count.optional(),
  job: text.optional(),
  result: text.optional(),
  refusal: text.optional(),
});
const currentState = z.enum(['inactive', 'loaded', 'launched', 'lost']);
const v2Unit = z.strictObject({
  name: text,
  hash: text,
  sha256: text,
  desiredState,
  generation: count,
  global: z.boolean(),
  description: text,
  currentState: currentState.optional(),
  machineID: text.optional(),
  revision: text.optional(),
  text: text.optional(),
  states: z.array(v2UnitState).optional(),
});
const failure = z.strictObject({
  code: z.number().int(),
  message: text,
  status: text.optional(),
  hint: text.optional(),
});
const v2UnitAnswer = z.strictObject({
  status: z.number().int(),
  unit: v2Unit.optional(),
  error: failure.optional(),
});
const v2Machine = z.strictObject({
  id: text,
  status: z.enum(['ready', 'leaving', 'absent']),
  primaryIP: text.optional(),
  hostname: text.optional(),
  metadata: texts.optional(),
  version: text.optional(),
  capacity: z.strictObject({ cpus: z.number(), memoryBytes: z.number() }).optional(),
  capabilities: texts.optional(),
  lastSeenMs: z.number().optional(),
  absentSinceMs: z.number().optional(),
  brakeUntilMs: z.number().optional(),
  evict: z.boolean().optional(),
});
/** What stands in the way is told in words too, in `lines`: its shape is open. */
const pending = z.looseObject({ name: text, generation: count });
const v2Explanation = z.strictObject({
  name: text,
  desiredState,
  currentState: currentState.optional(),
  machineID: text.optional(),
  pending: pending.optional(),
  left: z.array(v2UnitState).optional(),
  lines: z.array(text),
});
const v2Daemon = z.strictObject({
  version: text,
  machineID: text,
  systemd: z.enum(['system', 'user']),
  runtimeDirectory: text.optional(),
  journalDirectory: text.optional(),
});
const v2Event = z.union([
  z.strictObject({ kind: z.literal('unit'), name: text, unit: v2Unit.optional() }),
  z.strictObject({
    kind: z.literal('placed'),
    name: text,
    machineID: text.optional(),
    releasing: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal('state'),
    name: text,
    machineID: text,
    orphan: z.literal(true).optional(),
    state: v2UnitState.optional(),
  }),
  z.strictObject({
    kind: z.literal('pending'),
    name: text,
    pending: pending.optional(),
    lines: z.array(text).optional(),
  }),
  z.strictObject({ kind: z.literal('reset') }),
]);
const error = z.strictObject({ error: failure });

const page = { revision: text, nextPageToken };

/** Every answer, by the name that the document gives it. */
export const answers = {
  V1Unit: v1Unit,
  V1UnitPage: z.strictObject({ units: z.array(v1Unit).optional(), nextPageToken }),
  V1UnitState: v1UnitState,
  V1StatePage: z.strictObject({ states: z.array(v1UnitState).optional(), nextPageToken }),
  V1MachinePage: z.strictObject({ machines: z.array(v1Machine).optional(), nextPageToken }),
  V1Discovery: z.looseObject({ kind: z.literal('discovery#restDescription') }),
  V2Unit: v2Unit,
  V2UnitPage: z.strictObject({ units: z.array(v2Unit), ...page }),
  V2UnitAnswers: z.strictObject({ answers: z.array(v2UnitAnswer) }),
  V2UnitState: v2UnitState,
  V2StatePage: z.strictObject({ states: z.array(v2UnitState), ...page }),
  V2Machine: v2Machine,
  V2MachinePage: z.strictObject({ machines: z.array(v2Machine), ...page }),
  V2Explanation: v2Explanation,
  V2Event: v2Event,
  V2Version: z.strictObject({ version: text }),
  V2Daemon: v2Daemon,
  OpenAPI: z.looseObject({ openapi: text }),
  Error: error,
} as const;
export type AnswerName = keyof typeof answers;

// What clients send, checked: the edge behind which types are trusted. Every refusal names the field.
import { z } from 'zod';
import { FleetError } from '../model/errors.ts';
import {
  METADATA_MAX_BYTES,
  PAGE_ENTRIES_MAX,
  TXN_OPERATIONS_MAX,
  UNIT_REQUESTS_MAX,
} from '../model/limits.ts';
import type { MetadataOverride } from '../model/machine.ts';
import { parseMachineId } from '../model/machine.ts';
import type { V2PutUnit } from './types.ts';

const desiredState = z.enum(['inactive', 'loaded', 'launched']);

/** Clients written in Go leave empty strings out. */
export const v1PutUnit = z.object({
  name: z.string().optional(),
  options: z
    .array(
      z.object({
        section: z.string().min(1),
        name: z.string().min(1),
        value: z.string().default(''),
      }),
    )
    .nullish(),
  desiredState: z.union([desiredState, z.literal('').transform(() => undefined)]).optional(),
});
/** The body of `PUT /fleet/v1/units/NAME`. */
export type V1PutUnit = z.output<typeof v1PutUnit>;

/** The body of `PUT /fleet/v2/units/NAME`. */
export const v2PutUnit = z.strictObject({
  text: z.string().optional(),
  desiredState: desiredState.optional(),
  ifHash: z.string().max(40).optional(),
});

/** One of several requests for units: a PUT of that one, or `destroy`. */
const v2UnitRequest = v2PutUnit.extend({
  name: z.string(),
  destroy: z.literal(true).optional(),
});
/** The body of `POST /fleet/v2/units`. */
export const v2UnitRequests = z.strictObject({
  requests: z.array(v2UnitRequest).max(UNIT_REQUESTS_MAX),
});
/** The same before any of them is looked at: one that is wrong is refused alone. */
const anyRequests = z.strictObject({ requests: z.array(z.unknown()).max(UNIT_REQUESTS_MAX) });

/** `put` absent: it is to be destroyed. */
export interface UnitRequest {
  readonly name: string;
  readonly put: V2PutUnit | undefined;
}

/** Old clients write `Value`, and the value as an object. */
const patchValue = z.union([
  z.string(),
  z.object({ value: z.string() }).transform(({ value }) => value),
]);
/** The body of `PATCH /fleet/v1/machines`. */
export const machinesPatch = z
  .array(
    z.object({
      op: z.string(),
      path: z.string(),
      value: patchValue.optional(),
      Value: patchValue.optional(),
    }),
  )
  .max(TXN_OPERATIONS_MAX);

const PATCH_PATH = /^\/([^/]+)\/metadata\/([A-Za-z0-9_.-]+)$/;

/** Reads the body of a v1 PUT. */
export function parseV1Unit(body: Uint8Array | undefined): V1PutUnit {
  return checked(v1PutUnit, parseJson(body));
}

/** Reads the body of a v2 PUT. */
export function parseV2Unit(body: Uint8Array | undefined): V2PutUnit {
  return putFrom(checked(v2PutUnit, parseJson(body)));
}

/** Reads the body of `POST /fleet/v2/units`, but not what is in each request. */
export function parseUnitRequests(body: Uint8Array | undefined): readonly unknown[] {
  return checked(anyRequests, parseJson(body)).requests;
}

/** Reads one of them. */
export function parseUnitRequest(request: unknown): UnitRequest {
  const { name, destroy, ...put } = checked(v2UnitRequest, request);
  if (destroy === undefined) return { name, put: putFrom(put) };
  const [field] = Object.keys(put);
  if (field !== undefined) throw invalid(field, "it cannot be beside 'destroy'");
  return { name, put: undefined };
}

function putFrom({ text, desiredState, ifHash }: z.output<typeof v2PutUnit>): V2PutUnit {
  if (text === undefined && desiredState === undefined)
    throw invalid('text', "one of 'text' and 'desiredState' must be given");
  return {
    ...(text === undefined ? {} : { text }),
    ...(desiredState === undefined ? {} : { desiredState }),
    ...(ifHash === undefined ? {} : { ifHash }),
  };
}

/** Reads the body of `PATCH /machines`: JSON Patch over `/ID/metadata/KEY`. */
export function parsePatch(body: Uint8Array | undefined): readonly MetadataOverride[] {
  return checked(machinesPatch, parseJson(body)).map((operation, index) => {
    const { op, path } = operation;
    if (op !== 'add' && op !== 'replace' && op !== 'remove')
      throw invalid(`[${index}].op`, `'${op}' is not one of add, replace, remove`);
    const [, id = '', key = ''] = PATCH_PATH.exec(path) ?? [];
    const machine = parseMachineId(id);
    if (machine === undefined || key.length > METADATA_MAX_BYTES)
      throw invalid(`[${index}].path`, `'${path}' is not /ID/metadata/KEY with a full machine id`);
    if (op === 'remove') return { machine, key };
    const value = operation.value ?? operation.Value ?? '';
    if (value === '' || Buffer.byteLength(value) > METADATA_MAX_BYTES)
      throw invalid(`[${index}].value`, `it must have 1 to ${METADATA_MAX_BYTES} bytes`);
    return { machine, key, value };
  });
}

/** Reads `limit` of a v2 listing. */
export function parseLimit(text: string | null): number {
  if (text === null) return PAGE_ENTRIES_MAX;
  const limit = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > PAGE_ENTRIES_MAX)
    throw invalid('limit', `'${text}' is not a number from 1 to ${PAGE_ENTRIES_MAX}`);
  return limit;
}

/** Reads a revision of the store, as in `after`. */
export function parseRevision(field: string, text: string): bigint {
  if (!/^[0-9]{1,18}$/.test(text)) throw invalid(field, `'${text}' is not a revision of the store`);
  return BigInt(text);
}

/** The refusal of one field. */
export function invalid(field: string, why: string): FleetError {
  return new FleetError('REQUEST_INVALID', `field '${field}' is invalid: ${why}`, {
    details: { field },
  });
}

function parseJson(body: Uint8Array | undefined): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body ?? new Uint8Array());
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replaceAll('\n', ' ') : '';
    throw new FleetError('BODY_INVALID', `the body is not JSON in UTF-8: ${why}`, { cause });
  }
}

function checked<T>(schema: z.ZodType<T>, json: unknown): T {
  const { success, data, error } = schema.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  const field = (issue?.path ?? [])
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  throw invalid(
    field === '' ? 'body' : field,
    issue?.message.toLowerCase() ?? 'it is not as documented',
  );
}

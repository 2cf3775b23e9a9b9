// Brings a unit's text and desired state into the cluster: in one request, and never over another version unasked.
import type { V2PutUnit, V2Unit } from '../src/api/types.ts';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { DesiredState } from '../src/model/unit.ts';
import { optionsOf } from '../src/unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../src/unitfile/hash.ts';
import { parseNamedFile } from '../src/unitfile/quadlet-name.ts';
import type { Context } from './context.ts';
import { localText, nameOfArgument, type UnitArgument } from './unit-argument.ts';

export interface SubmitRequest {
  readonly verb: 'submit' | 'load' | 'start';
  readonly desiredState: DesiredState;
  readonly replace: boolean;
}

/** A unit as it was found, and as the request left it. */
export interface Submitted {
  readonly before: V2Unit | undefined;
  /** Absent where nothing had to be asked. */
  readonly answer: V2Unit | undefined;
}

/** Submits, replaces (`--replace`) or only changes the desired state. A differing local file without `--replace` is a warning. */
export async function submitUnit(
  context: Context,
  { name, submitted: before, local }: UnitArgument,
  request: SubmitRequest,
): Promise<Submitted> {
  const put = putFor(context, { name, before, local }, request);
  if (put === undefined) return { before, answer: undefined };
  return { before, answer: await context.client.putUnit(name, put, context.signal) };
}

/**
 * Submits a local file as a new unit without asking first whether it is one: for many units this halves what the cluster is asked.
 * Undefined where there is no such file, or the cluster has the unit or another objection: then one has to look.
 */
export async function submitNew(
  context: Context,
  argument: string,
  desiredState: DesiredState,
): Promise<Submitted | undefined> {
  const name = nameOfArgument(argument);
  const text = await localText(context, argument, name);
  if (text === undefined) return undefined;
  try {
    const put = { text, desiredState, ifHash: '' };
    return { before: undefined, answer: await context.client.putUnit(name, put, context.signal) };
  } catch (error) {
    if (!isFleetError(error) || error.code === 'API_UNREACHABLE') throw error;
    return undefined;
  }
}

interface Found {
  readonly name: string;
  readonly before: V2Unit | undefined;
  readonly local: string | undefined;
}

function putFor(context: Context, found: Found, request: SubmitRequest): V2PutUnit | undefined {
  const { name, before, local } = found;
  const { desiredState } = request;
  // Only if nobody else submits it at the same moment.
  if (before === undefined) return { text: local ?? '', desiredState, ifHash: '' };
  if (local === undefined || isTextOf(before, local)) return desiredOnly(before, request);
  if (request.replace) return replacement(before, local, request);
  if (hashOfText(name, local) !== before.hash)
    context.stderr(
      `WARNING: Unit ${name} in registry differs from the local file. Add --replace to override.\n`,
    );
  return desiredOnly(before, request);
}

/** A listing has no texts. */
function isTextOf({ text, sha256 }: V2Unit, local: string): boolean {
  return text === undefined ? sha256Of(local) === sha256 : text === local;
}

/** Undefined for a text that is no unit file: the server says what is wrong with it when it is asked to take it. */
function hashOfText(name: string, text: string): string | undefined {
  const { ok: file } = parseNamedFile(name, text);
  return file === undefined ? undefined : hashOfOptions(optionsOf(file));
}

function replacement(unit: V2Unit, text: string, request: SubmitRequest): V2PutUnit {
  const { verb, desiredState } = request;
  if (!MAY_REPLACE[verb].includes(unit.desiredState))
    throw new FleetError(
      'UNIT_CONFLICT',
      `unit '${unit.name}' is ${unit.desiredState}: ${verb} --replace does not touch it`,
      { hint: `Use: fleetctl start --replace ${unit.name}` },
    );
  return { text, desiredState, ifHash: unit.hash };
}

/** Nothing to write when it is wanted so already. `load` lowers what is launched, `submit` lowers nothing. */
function desiredOnly(unit: V2Unit, { verb, desiredState }: SubmitRequest): V2PutUnit | undefined {
  if (verb === 'submit' || unit.desiredState === desiredState) return undefined;
  return { desiredState };
}

/** In which states each verb may replace a unit (fleet 1.0). */
const MAY_REPLACE: Readonly<Record<SubmitRequest['verb'], readonly DesiredState[]>> = {
  submit: ['inactive'],
  load: ['inactive', 'loaded'],
  start: ['inactive', 'loaded', 'launched'],
};

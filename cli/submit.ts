// Brings a unit's text and desired state into the cluster: in one request, and never over another version unasked.
import type { V2PutUnit, V2Unit } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { DesiredState } from '../src/model/unit.ts';
import { optionsOf } from '../src/unitfile/format.ts';
import { hashOfOptions } from '../src/unitfile/hash.ts';
import { parseUnitFile } from '../src/unitfile/parse.ts';
import type { Context } from './context.ts';
import type { UnitArgument } from './unit-argument.ts';

export interface SubmitRequest {
  readonly verb: 'submit' | 'load' | 'start';
  readonly desiredState: DesiredState;
  readonly replace: boolean;
}

/** Submits, replaces (`--replace`) or only changes the desired state. A differing local file without `--replace` is a warning. */
export async function submitUnit(
  context: Context,
  { name, submitted, local }: UnitArgument,
  request: SubmitRequest,
): Promise<V2Unit> {
  const { signal, client } = context;
  if (submitted === undefined) {
    const text = local ?? '';
    return await client.putUnit(
      name,
      { text, desiredState: request.desiredState, ifHash: '' },
      signal,
    );
  }
  const differs = local !== undefined && local !== submitted.text;
  const put: V2PutUnit | undefined =
    differs && request.replace
      ? replacement(submitted, local, request)
      : desiredOnly(submitted, request);
  if (differs && !request.replace && hashOfText(local) !== submitted.hash)
    context.stderr(
      `WARNING: Unit ${name} in registry differs from the local file. Add --replace to override.\n`,
    );
  return put === undefined ? submitted : await client.putUnit(name, put, signal);
}

/** Undefined for a text that is no unit file: the server says what is wrong with it when it is asked to take it. */
function hashOfText(text: string): string | undefined {
  const { ok: file } = parseUnitFile(text);
  return file === undefined ? undefined : hashOfOptions(optionsOf(file));
}

function replacement(unit: V2Unit, text: string, request: SubmitRequest): V2PutUnit {
  if (!mayReplace(request.verb, unit))
    throw new FleetError(
      'UNIT_CONFLICT',
      `unit '${unit.name}' is ${unit.currentState ?? unit.desiredState}: ${request.verb} --replace does not touch it`,
      {
        hint: `Use: fleetctl start --replace ${unit.name}`,
      },
    );
  return { text, desiredState: request.desiredState, ifHash: unit.hash };
}

/** Nothing to write when it is wanted so already. `submit` and `load` lower nothing. */
function desiredOnly(unit: V2Unit, request: SubmitRequest): V2PutUnit | undefined {
  const rank: Readonly<Record<DesiredState, number>> = { inactive: 0, loaded: 1, launched: 2 };
  if (request.verb === 'submit') return undefined;
  if (request.verb === 'start' && rank[unit.desiredState] >= rank[request.desiredState])
    return undefined;
  if (unit.desiredState === request.desiredState) return undefined;
  return { desiredState: request.desiredState };
}

/** Which verbs may replace a unit in which state (fleet-interface: submit while inactive, load while loaded too, start always). */
function mayReplace(verb: SubmitRequest['verb'], unit: V2Unit): boolean {
  if (verb === 'start') return true;
  const current = unit.currentState ?? unit.desiredState;
  return current === 'inactive' || (verb === 'load' && current === 'loaded');
}

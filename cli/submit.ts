// Brings a unit's text and desired state into the cluster: in one request, and never over another version unasked.
import type { V2PutUnit, V2Unit } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { DesiredState } from '../src/model/unit.ts';
import { isGlobal } from '../src/unitfile/fleet-options.ts';
import { hashOfText } from '../src/unitfile/hash.ts';
import type { Context } from './context.ts';
import type { UnitArgument } from './unit-argument.ts';

export interface SubmitRequest {
  readonly verb: 'submit' | 'load' | 'start';
  readonly desiredState: DesiredState;
  readonly replace: boolean;
}

/** What is known of a unit that was submitted. */
export interface Submitted {
  readonly name: string;
  readonly global: boolean;
}

/** Submits, replaces (`--replace`) or only changes the desired state. A differing local file without `--replace` is a warning. */
export async function submitUnit(
  context: Context,
  { name, submitted, local }: UnitArgument,
  request: SubmitRequest,
): Promise<Submitted> {
  const { signal, client } = context;
  if (submitted === undefined) {
    const text = local ?? '';
    await client.putUnit(name, { text, desiredState: request.desiredState, ifHash: '' }, signal);
    return { name, global: isGlobal(name, text) };
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
  if (put !== undefined) await client.putUnit(name, put, signal);
  const global = put?.text === undefined ? submitted.global : isGlobal(name, put.text);
  return { name, global };
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

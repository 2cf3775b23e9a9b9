// `POST /fleet/v2/units`: requests for several units in one. What a client asks of a hundred units costs it and fleetd much less so.
// Invariant: each is carried out, or refused, as if it had come alone; only the answer is of all of them.
import type { Answer, Call, RouteDeps } from '../call.ts';
import { failureOf } from '../failure.ts';
import { parseUnitRequest, parseUnitRequests, type UnitRequest } from '../schema.ts';
import { errorOf } from '../status.ts';
import type { V2UnitAnswer, V2UnitAnswers } from '../types.ts';
import { destroyOf, putOf } from './v2-units.ts';

/** ms that one waits for its turn: the others' answers wait with it. What is refused then can be asked alone. */
const WAIT_MAX_MS = 1_000;

/** Answers all of them, in their order. */
export async function carryOutEach(deps: RouteDeps, call: Call): Promise<Answer> {
  const requests = parseUnitRequests(call.body);
  const answers = await Promise.all(requests.map((one) => answerTo(deps, one, call.signal)));
  for (const { status } of answers) deps.countUnit(status);
  const json: V2UnitAnswers = { answers };
  return { status: 200, json: JSON.stringify(json) };
}

async function answerTo(
  deps: RouteDeps,
  asked: unknown,
  signal: AbortSignal,
): Promise<V2UnitAnswer> {
  let request: UnitRequest | undefined;
  try {
    request = parseUnitRequest(asked);
    const leave = await deps.admission.enter(signal, WAIT_MAX_MS);
    try {
      return await carryOut(deps, request, signal);
    } finally {
      leave();
    }
  } catch (error) {
    if (signal.aborted) throw error; // the client is gone
    const { status, error: shown } = failureOf(error, deps.log, { unit: request?.name });
    return { status, error: errorOf('v2', status, shown) };
  }
}

async function carryOut(
  deps: RouteDeps,
  { name, put }: UnitRequest,
  signal: AbortSignal,
): Promise<V2UnitAnswer> {
  if (put !== undefined) return await putOf(deps, { name, ...put }, signal);
  await destroyOf(deps, name, signal);
  return { status: 204 };
}

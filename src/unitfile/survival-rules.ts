// What a unit's [X-Fleet] section asks for when the store is away, and which of it cannot hold together.
import type { Requirements } from '../model/requirements.ts';
import type { UnitName } from '../model/unit.ts';
import { isTrue, lastOf, type Request } from './fleet-rules.ts';
import type { Problem } from './problem.ts';

/** That part of the requirements, of requests that `survivalProblems` found no fault with. */
export function survivalFrom(
  requests: readonly Request[],
): Pick<Requirements, 'bootWithoutStore' | 'fence'> {
  const boot = lastOf(requests, 'bootWithoutStore');
  return {
    ...(boot === undefined ? {} : { bootWithoutStore: isTrue(boot.text) }),
    ...(isAsked(requests, 'fence') ? { fence: true as const } : {}),
  };
}

/** Requests that cannot hold together, or not for a unit of this type. */
export function survivalProblems(name: UnitName, requests: readonly Request[]): readonly Problem[] {
  const problems: Problem[] = [];
  const fence = lastOf(requests, 'fence');
  if (fence === undefined || !isTrue(fence.text)) return problems;
  if (!name.endsWith('.service'))
    problems.push({
      ...fence.at,
      message: `'${fence.key}' is for services: the token is a variable of a process`,
      hint: 'Remove it here, and say it of the service.',
    });
  // Two hosts that both start it alone would give out the same token.
  const boot = lastOf(requests, 'bootWithoutStore');
  const isBound = isAsked(requests, 'global') || requests.some(({ kind }) => kind === 'machineId');
  if (boot !== undefined && isTrue(boot.text) && !isBound)
    problems.push({
      ...boot.at,
      message: `'${boot.key}' cannot be combined with '${fence.key}' on a unit that several machines may run`,
      hint: 'Without the store no token can be known to be the highest: remove one of the two.',
    });
  return problems;
}

function isAsked(requests: readonly Request[], wanted: Request['kind']): boolean {
  return isTrue(lastOf(requests, wanted)?.text ?? 'false');
}

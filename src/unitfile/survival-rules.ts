// What a unit's [X-Fleet] section asks for when the store is away, and which of it cannot hold together.
import type { Requirements } from '../model/requirements.ts';
import type { UnitName } from '../model/unit.ts';
import { isTrue, lastOf, type Request } from './fleet-rules.ts';
import type { Problem } from './problem.ts';
import { systemdNameOf } from './quadlet-name.ts';

/** That part of the requirements, of requests that `survivalProblems` found no fault with. */
export function survivalFrom(
  requests: readonly Request[],
): Pick<Requirements, 'bootWithoutStore' | 'fence' | 'onPartition'> {
  const boot = lastOf(requests, 'bootWithoutStore');
  const stops = stopsCutOff(requests) !== undefined;
  return {
    ...(boot === undefined ? {} : { bootWithoutStore: isTrue(boot.text) }),
    // A unit that stops in time is told apart from the one before it as well.
    ...(stops || asked(requests, 'fence') !== undefined ? { fence: true as const } : {}),
    ...(stops ? { onPartition: 'stop' as const } : {}),
  };
}

/** Requests that cannot hold together, or not for a unit of this type. */
export function survivalProblems(name: UnitName, requests: readonly Request[]): readonly Problem[] {
  const problems: Problem[] = [];
  const fence = asked(requests, 'fence');
  const stop = stopsCutOff(requests);
  const boot = asked(requests, 'bootWithoutStore');
  if (fence !== undefined && !systemdNameOf(name).endsWith('.service'))
    problems.push({
      ...fence.at,
      message: `'${fence.key}' is for services: the token is a variable of a process`,
      hint: 'Remove it here, and say it of the service.',
    });
  if (stop !== undefined) {
    const refused = lastOf(requests, 'fence');
    if (refused !== undefined && !isTrue(refused.text))
      problems.push(excludes(refused, stop, 'A unit that stops in time is fenced too.'));
    if (boot !== undefined)
      problems.push(
        excludes(boot, stop, 'Such a unit runs only while its host reaches the store.'),
      );
    return problems;
  }
  // Two hosts that both start it alone would give out the same token.
  const isBound =
    asked(requests, 'global') !== undefined || requests.some(({ kind }) => kind === 'machineId');
  if (fence !== undefined && boot !== undefined && !isBound)
    problems.push({
      ...boot.at,
      message: `'${boot.key}' cannot be combined with '${fence.key}' on a unit that several machines may run`,
      hint: 'Without the store no token can be known to be the highest: remove one of the two.',
    });
  return problems;
}

function stopsCutOff(requests: readonly Request[]): Request | undefined {
  const last = lastOf(requests, 'onPartition');
  return last?.text === 'stop' ? last : undefined;
}

function asked(requests: readonly Request[], wanted: Request['kind']): Request | undefined {
  const last = lastOf(requests, wanted);
  return last !== undefined && isTrue(last.text) ? last : undefined;
}

function excludes(one: Request, other: Request, why: string): Problem {
  return {
    ...one.at,
    message: `'${one.key}=${one.text}' cannot be combined with '${other.key}=${other.text}'`,
    hint: `${why} Remove one of the two.`,
  };
}

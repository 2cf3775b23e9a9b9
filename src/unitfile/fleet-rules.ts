// What the requests of one unit's [X-Fleet] section come to together: which exclude each other, and the Requirements they make.
import type { MetadataRequirement, PerMachineValues, Requirements } from '../model/requirements.ts';
import type { FleetKeyKind } from './fleet-keys.ts';
import { compileGlob } from './glob.ts';
import { parseUnitName } from './name.ts';
import type { Problem } from './problem.ts';

/** Where something stands; empty for stored options. */
export type Place = Readonly<{ line?: number; column?: number }>;

/**
 * One value of one option, checked. A deferred one needs an instance that a template lacks, and is as it was written; one of `machine`
 * still holds %H, %l or %m.
 */
export interface Request {
  readonly kind: FleetKeyKind;
  /** As the unit spells it. */
  readonly key: string;
  readonly text: string;
  readonly state: 'ok' | 'machine' | 'deferred';
  readonly at: Place;
}

/** Requests that cannot hold together, as the API has always refused them; one problem a pair of kinds. */
export function combinationProblems(requests: readonly Request[]): readonly Problem[] {
  const problems: Problem[] = [];
  const first = (kind: FleetKeyKind): Request | undefined =>
    requests.find((request) => request.kind === kind);
  const exclude = (one: Request | undefined, others: readonly (Request | undefined)[]): void => {
    for (const other of others) {
      if (one === undefined || other === undefined) continue;
      problems.push({
        ...other.at,
        message: `'${other.key}' cannot be combined with '${one.key}'`,
        hint: 'Remove one of the two.',
      });
    }
  };
  const [machineId, machineOf, replaces] = [
    first('machineId'),
    first('machineOf'),
    first('replaces'),
  ];
  const global = lastOf(requests, 'global');
  if (global !== undefined && isTrue(global.text))
    exclude(global, [machineId, machineOf, replaces]);
  exclude(replaces, [machineId, first('conflicts')]);
  return [...problems, ...differentMachines(requests), ...repelledPeers(requests)];
}

/** Requirements of requests that `combinationProblems` found no fault with. */
export function requirementsFrom(requests: readonly Request[]): Requirements {
  const perMachine = perMachineOf(requests);
  const texts = (kind: FleetKeyKind): readonly string[] =>
    textsOf(requests, kind, ['ok', 'deferred']);
  const peers = requests
    .filter(({ kind, state }) => kind === 'machineOf' && state === 'ok')
    .map(({ text }) => parseUnitName(text).ok)
    .filter((name) => name !== undefined);
  // Several that agree are a full id and its beginning.
  const machineId = texts('machineId').toSorted((a, b) => b.length - a.length)[0];
  return {
    ...(machineId === undefined ? {} : { machineId }),
    metadata: (perMachine?.metadata ?? []).length > 0 ? [] : metadataOf(texts('metadata')),
    machineOf: [...new Set(peers)].sort(),
    conflicts: texts('conflicts').toSorted(),
    replaces: texts('replaces').toSorted(),
    global: isTrue(lastOf(requests, 'global')?.text ?? 'false'),
    ...(perMachine === undefined ? {} : { perMachine }),
  };
}

/** Values of one key are alternatives: where one of them depends on the machine, all of them are looked at there. */
function perMachineOf(requests: readonly Request[]): PerMachineValues | undefined {
  if (requests.every(({ state }) => state !== 'machine')) return undefined;
  const texts = (kind: FleetKeyKind): readonly string[] =>
    textsOf(requests, kind, ['machine']).toSorted();
  const others = textsOf(requests, 'metadata', ['ok']).map((text) => text.replaceAll('%', '%%'));
  const metadata = texts('metadata');
  return {
    machineId: texts('machineId'),
    metadata: metadata.length === 0 ? [] : [...metadata, ...others].sort(),
    machineOf: texts('machineOf'),
    conflicts: texts('conflicts'),
    replaces: texts('replaces'),
  };
}

function textsOf(
  requests: readonly Request[],
  wanted: FleetKeyKind,
  states: readonly Request['state'][],
): readonly string[] {
  const found = requests.filter(({ kind, state }) => kind === wanted && states.includes(state));
  return [...new Set(found.map(({ text }) => text))];
}

/** Of options that take one value the last one holds, as systemd has it. */
export function lastOf(requests: readonly Request[], wanted: FleetKeyKind): Request | undefined {
  return requests.findLast(({ kind }) => kind === wanted);
}

/** As fleet 1.0. */
export function isTrue(text: string): boolean {
  return /^(?:true|yes|1|on|t)$/i.test(text);
}

/** `key=value` pairs by their keys. */
export function metadataOf(pairs: readonly string[]): readonly MetadataRequirement[] {
  const byKey = new Map<string, Set<string>>();
  for (const pair of pairs) {
    const [key = '', value] = pair.split('=');
    if (value === undefined) continue; // a template's, such as '%I'
    byKey.set(key, (byKey.get(key) ?? new Set()).add(value));
  }
  return [...byKey]
    .map(([key, values]) => ({ key, values: [...values].sort() }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function differentMachines(requests: readonly Request[]): readonly Problem[] {
  const ids = requests.filter(({ kind, state }) => kind === 'machineId' && state === 'ok');
  const [wanted] = ids;
  const other = ids.find(
    ({ text }) =>
      wanted !== undefined && !text.startsWith(wanted.text) && !wanted.text.startsWith(text),
  );
  if (wanted === undefined || other === undefined) return [];
  return [
    {
      ...other.at,
      message: `'${other.key}' asks for another machine than '${wanted.text}'`,
      hint: 'A unit can be on one machine only: remove one of the two.',
    },
  ];
}

/** Peers that the unit itself keeps away from its machine. */
function repelledPeers(requests: readonly Request[]): readonly Problem[] {
  const settled = requests.filter(({ state }) => state === 'ok');
  const repelling = settled
    .filter(({ kind }) => kind === 'conflicts' || kind === 'replaces')
    .map((request) => ({ request, matches: compileGlob(request.text) }));
  return settled
    .filter(({ kind }) => kind === 'machineOf')
    .flatMap((peer) => {
      const found = repelling.find(({ matches }) => matches(peer.text));
      if (found === undefined) return [];
      return [
        {
          ...peer.at,
          message: `'${peer.key}' asks for the machine of '${peer.text}', which '${found.request.key}' matches by '${found.request.text}'`,
          hint: 'Nothing can satisfy both: remove one of the two.',
        },
      ];
    });
}

/** What a specifier stands for matches itself in a pattern, also where it holds '\\' (escaped names do). */
export function quoteGlob(value: string): string {
  return value.replaceAll(/[*?[\]\\]/g, String.raw`\$&`);
}

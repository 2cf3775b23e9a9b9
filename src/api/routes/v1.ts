// v1 of the API, as fleet 1.0 had it, to the status and the field: its own clients work against it.
import { FleetError, isFleetError } from '../../model/errors.ts';
import { parseMachineId } from '../../model/machine.ts';
import { patchMetadata } from '../../registry/metadata.ts';
import { destroyAll } from '../../registry/orphans.ts';
import { listMachines } from '../../registry/read-machines.ts';
import { listStates } from '../../registry/read-states.ts';
import { readUnit } from '../../registry/read-unit.ts';
import { listUnits, type Cursor, type UnitRow } from '../../registry/read-units.ts';
import { notFound, putUnit } from '../../registry/units.ts';
import { checkUnitName, parseUnitName } from '../../unitfile/name.ts';
import type { Answer, Call, Route, RouteDeps } from '../call.ts';
import { optionsJson } from '../options-cache.ts';
import { pageToken, parsePageToken } from '../page-token.ts';
import { invalid, parsePatch, parseV1Unit } from '../schema.ts';
import { v1State } from '../render.ts';
import type { V1Machine } from '../types.ts';
import { fileOfOptions, refuseActiveTemplate } from '../unit-file.ts';
import { discoveryDocument } from './discovery.ts';

/** The routes of v1 below `base`. */
export function v1Routes(deps: RouteDeps, base: string): readonly Route[] {
  const discovery = JSON.stringify(discoveryDocument());
  return [
    { method: 'GET', path: `${base}/units`, handle: (call) => getUnits(deps, call) },
    { method: 'GET', path: `${base}/units/:name`, handle: (call) => getUnit(deps, call) },
    { method: 'PUT', path: `${base}/units/:name`, handle: (call) => put(deps, call) },
    { method: 'DELETE', path: `${base}/units/:name`, handle: (call) => destroy(deps, call) },
    { method: 'GET', path: `${base}/state`, handle: (call) => getStates(deps, call) },
    { method: 'GET', path: `${base}/state/:name`, handle: (call) => getState(deps, call) },
    { method: 'GET', path: `${base}/machines`, handle: (call) => getMachines(deps, call) },
    { method: 'PATCH', path: `${base}/machines`, handle: (call) => patchMachines(deps, call) },
    { method: 'GET', path: `${base}/discovery`, handle: () => ({ status: 200, json: discovery }) },
  ];
}

async function getUnits(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry, machines, tokenLimit } = deps;
  const cursor = cursorOf(deps, call, [registry.keys.units]);
  const page = await listUnits(registry, machines, { limit: tokenLimit, ...cursor }, call.signal);
  const options = await deps.options.read(
    registry,
    page.rows.map((row) => row.unit.sha256),
    call.signal,
  );
  const units = page.rows.map((row) => unitJson(row, options.get(row.unit.sha256)));
  const parts = [
    ...(page.next === undefined
      ? []
      : [`"nextPageToken":"${pageToken(registry.keys.prefix, page.next)}"`]),
    ...(units.length === 0 ? [] : [`"units":[${units.join(',')}]`]),
  ];
  return { status: 200, json: `{${parts.join(',')}}` };
}

async function getUnit(deps: RouteDeps, call: Call): Promise<Answer> {
  const { ok: name } = parseUnitName(call.params['name'] ?? '');
  const facts = name && (await readUnit(deps.registry, name, call.signal));
  if (facts === undefined) throw notFound(call.params['name'] ?? '');
  const { sha256 } = facts.row.unit;
  const options = await deps.options.read(deps.registry, [sha256], call.signal);
  return { status: 200, json: unitJson(facts.row, options.get(sha256)) };
}

/** By hand, because the options are JSON already. Without its file a unit shows the options that its record has. */
function unitJson(row: UnitRow, options: string | undefined): string {
  const { unit, placed, current } = row;
  const parts = [
    ...(current === undefined
      ? []
      : [`"currentState":"${current === 'lost' ? 'inactive' : current}"`]),
    `"desiredState":"${unit.desiredState}"`,
    ...(placed === undefined ? [] : [`"machineID":"${placed.machine}"`]),
    `"name":${JSON.stringify(unit.name)}`,
    `"options":${options ?? optionsJson(unit.options)}`,
  ];
  return `{${parts.join(',')}}`;
}

async function put(deps: RouteDeps, call: Call): Promise<Answer> {
  const body = parseV1Unit(call.body);
  const name = checkUnitName(call.params['name'] ?? '');
  if (body.name !== undefined && body.name !== '' && body.name !== name)
    throw invalid('name', `'${body.name}' is not the '${name}' of the path`);
  const { options, desiredState } = body;
  const file = options && options.length > 0 ? fileOfOptions(name, options) : undefined;
  refuseActiveTemplate(name, desiredState);
  try {
    const { outcome } = await putUnit(
      deps.registry,
      {
        name,
        requestId: deps.newRequestId(),
        replaces: 'other-hash',
        ...(file === undefined ? {} : { file }),
        ...(desiredState === undefined ? {} : { desiredState }),
      },
      call.signal,
    );
    if (outcome === 'created' || outcome === 'replaced') return { status: 201 };
    if (desiredState !== undefined) return { status: 204 };
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    throw new FleetError(
      'UNIT_CONFLICT',
      `unit '${name}' does not exist, and field 'options' is empty`,
      {
        cause: error,
        hint: 'Send the options of its unit file to create it.',
        details: { unit: name, field: 'options' },
      },
    );
  }
  throw new FleetError(
    'UNIT_CONFLICT',
    `unit '${name}' exists as it is given, and field 'desiredState' is empty`,
    {
      hint: 'Send a desiredState to change that, or other options to replace it.',
      details: { unit: name, field: 'desiredState' },
    },
  );
}

async function destroy(deps: RouteDeps, call: Call): Promise<Answer> {
  const { ok: name } = parseUnitName(call.params['name'] ?? '');
  if (name === undefined) throw notFound(call.params['name'] ?? '');
  await destroyAll(deps.registry, name, call.signal);
  return { status: 204 };
}

async function getStates(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry, machines, tokenLimit } = deps;
  const cursor = cursorOf(deps, call, [registry.keys.states, registry.keys.orphans]);
  const filter = stateFilter(call.query);
  if (filter === undefined) return { status: 200, json: '{}' };
  const page = await listStates(
    registry,
    machines,
    { limit: tokenLimit, ...cursor, ...filter },
    call.signal,
  );
  return pageAnswer(deps, 'states', page.rows.map(v1State), page.next);
}

/** Undefined where nothing can be under these names. */
export function stateFilter(query: URLSearchParams):
  | {
      unitName?: NonNullable<ReturnType<typeof parseUnitName>['ok']>;
      machineId?: NonNullable<ReturnType<typeof parseMachineId>>;
    }
  | undefined {
  const unit = query.get('unitName') ?? '';
  const machine = query.get('machineID') ?? '';
  const { ok: unitName } = parseUnitName(unit);
  const machineId = parseMachineId(machine);
  if (unit !== '' && unitName === undefined) return undefined;
  if (machine !== '' && machineId === undefined) return undefined;
  return {
    ...(unitName === undefined ? {} : { unitName }),
    ...(machineId === undefined ? {} : { machineId }),
  };
}

async function getState(deps: RouteDeps, call: Call): Promise<Answer> {
  const text = call.params['name'] ?? '';
  const { ok: unitName } = parseUnitName(text);
  if (unitName !== undefined) {
    const page = await listStates(
      deps.registry,
      deps.machines,
      { limit: 1, unitName },
      call.signal,
    );
    const [row] = page.rows;
    if (row !== undefined) return { status: 200, json: JSON.stringify(v1State(row)) };
  }
  throw new FleetError('UNIT_NOT_FOUND', `no machine reports a state of unit '${text}'`, {
    details: { unit: text },
  });
}

async function getMachines(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry, tokenLimit } = deps;
  const cursor = cursorOf(deps, call, [registry.keys.machines]);
  const page = await listMachines(registry, { limit: tokenLimit, ...cursor }, call.signal);
  const rows = page.rows.map(({ machine, metadata }): V1Machine => ({
    id: machine.id,
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    primaryIP: machine.primaryIp,
  }));
  return pageAnswer(deps, 'machines', rows, page.next);
}

async function patchMachines(deps: RouteDeps, call: Call): Promise<Answer> {
  await patchMetadata(deps.registry, parsePatch(call.body), call.signal);
  return { status: 204 };
}

function cursorOf(deps: RouteDeps, call: Call, prefixes: readonly string[]): { cursor?: Cursor } {
  const token = call.query.get('nextPageToken') ?? '';
  if (token === '') return {};
  return { cursor: parsePageToken(deps.registry.keys.prefix, token, prefixes) };
}

function pageAnswer(
  deps: RouteDeps,
  field: string,
  rows: readonly unknown[],
  next: Cursor | undefined,
): Answer {
  const token = next === undefined ? undefined : pageToken(deps.registry.keys.prefix, next);
  const body = {
    ...(rows.length === 0 ? {} : { [field]: rows }),
    ...(token === undefined ? {} : { nextPageToken: token }),
  };
  return { status: 200, json: JSON.stringify(body) };
}

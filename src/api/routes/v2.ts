// v2 of the API: whole texts, generations, reasons. What fleetctl speaks.
import { adoptUnit } from '../../registry/orphans.ts';
import { findOrphans } from '../../registry/read-orphans.ts';
import { listHosts, listMachines, type MachineRow } from '../../registry/read-machines.ts';
import { readBrake } from '../../registry/read-away.ts';
import type { BrakeRecord } from '../../registry/codec.ts';
import { listStates } from '../../registry/read-states.ts';
import { readLeft } from '../../registry/read-left.ts';
import { readUnit, type UnitFacts } from '../../registry/read-unit.ts';
import { listUnits, type Cursor, type UnitRow } from '../../registry/read-units.ts';
import { notFound } from '../../registry/units.ts';
import { evictMachine } from '../../registry/evict.ts';
import { FleetError } from '../../model/errors.ts';
import { parseMachineId, type Host } from '../../model/machine.ts';
import { checkUnitName, parseUnitName } from '../../unitfile/name.ts';
import type { Answer, Call, Route, RouteDeps } from '../call.ts';
import { openApiDocument } from '../openapi.ts';
import { explain, explainLeft } from '../explain.ts';
import { pageToken, parsePageToken } from '../page-token.ts';
import { invalid, parseLimit, parseV2Unit } from '../schema.ts';
import { v2State, v2Unit } from '../render.ts';
import type { V2Machine, V2Unit, V2Version } from '../types.ts';
import { fileOfText } from '../unit-file.ts';
import type { EventReaders } from './events.ts';
import { carryOutEach } from './unit-requests.ts';
import { stateFilter } from './v1.ts';
import { destroyOf, putOf } from './v2-units.ts';

/** The routes of v2. */
export function v2Routes(deps: RouteDeps, events: EventReaders): readonly Route[] {
  const base = '/fleet/v2';
  const version: V2Version = { version: deps.daemon.version };
  // Made when somebody asks for it first.
  const make = (): object => openApiDocument(version.version);
  let document: object | undefined;
  return [
    { method: 'GET', path: `${base}/units`, handle: (call) => getUnits(deps, call) },
    {
      method: 'POST',
      path: `${base}/units`,
      hasParts: true,
      handle: (call) => carryOutEach(deps, call),
    },
    { method: 'GET', path: `${base}/units/:name`, handle: (call) => getUnit(deps, call) },
    { method: 'PUT', path: `${base}/units/:name`, handle: (call) => put(deps, call) },
    { method: 'DELETE', path: `${base}/units/:name`, handle: (call) => destroy(deps, call) },
    { method: 'GET', path: `${base}/units/:name/explain`, handle: (call) => getWhy(deps, call) },
    { method: 'POST', path: `${base}/units/:name/adopt`, handle: (call) => adopt(deps, call) },
    { method: 'GET', path: `${base}/states`, handle: (call) => getStates(deps, call) },
    { method: 'GET', path: `${base}/machines`, handle: (call) => getMachines(deps, call) },
    { method: 'POST', path: `${base}/machines/:id/evict`, handle: (call) => evict(deps, call) },
    { method: 'GET', path: `${base}/events`, handle: (call) => events.open(call) },
    { method: 'GET', path: `${base}/version`, handle: () => ok(version) },
    { method: 'GET', path: `${base}/daemon`, handle: () => ok(deps.daemon) },
    { method: 'GET', path: `${base}/openapi.json`, handle: () => ok((document ??= make())) },
  ];
}

async function getUnits(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry, machines } = deps;
  const { limit, cursor } = pageOf(deps, call, [registry.keys.units]);
  const page = await listUnits(registry, machines, { limit, ...cursor }, call.signal);
  return pageAnswer(deps, 'units', { ...page, rows: page.rows.map(rowOf) });
}

function rowOf({ unit, placed, current }: UnitRow): V2Unit {
  return {
    ...v2Unit(unit),
    ...(current === undefined ? {} : { currentState: current }),
    ...(placed === undefined ? {} : { machineID: placed.machine }),
  };
}

async function getUnit(deps: RouteDeps, call: Call): Promise<Answer> {
  const facts = await factsOf(deps, call);
  const unit: V2Unit = {
    ...rowOf(facts.row),
    revision: facts.revision.toString(),
    ...(facts.text === undefined ? {} : { text: facts.text }),
    states: facts.states.map((state) => v2State({ kind: 'state', state })),
  };
  return ok(unit);
}

async function getWhy(deps: RouteDeps, call: Call): Promise<Answer> {
  const text = call.params['name'] ?? '';
  const { ok: name } = parseUnitName(text);
  if (name === undefined) throw notFound(text);
  const { registry, machines } = deps;
  const facts = await readUnit(registry, name, call.signal);
  if (facts !== undefined) {
    const orphans = await findOrphans(registry, name, call.signal);
    const nowMs = deps.clock.wallNow();
    return ok(explain(facts, { nowMs, orphans: orphans.map(({ orphan }) => orphan) }));
  }
  const left = await readLeft(registry, machines, name, call.signal);
  if (left === undefined) throw notFound(text);
  return ok(explainLeft(left));
}

async function factsOf(deps: RouteDeps, call: Call): Promise<UnitFacts> {
  const text = call.params['name'] ?? '';
  const { ok: name } = parseUnitName(text);
  const facts = name && (await readUnit(deps.registry, name, call.signal));
  if (facts === undefined) throw notFound(text);
  return facts;
}

async function put(deps: RouteDeps, call: Call): Promise<Answer> {
  const asked = { name: call.params['name'] ?? '', ...parseV2Unit(call.body) };
  const { status, unit } = await putOf(deps, asked, call.signal);
  return { status, json: JSON.stringify(unit) };
}

async function destroy(deps: RouteDeps, call: Call): Promise<Answer> {
  await destroyOf(deps, call.params['name'] ?? '', call.signal);
  return { status: 204 };
}

async function adopt(deps: RouteDeps, call: Call): Promise<Answer> {
  const name = checkUnitName(call.params['name'] ?? '');
  const text = call.query.get('machineID') ?? '';
  const machine = parseMachineId(text);
  if (text !== '' && machine === undefined)
    throw invalid('machineID', `'${text}' is not the full id of a machine`);
  const { unit, revision, ...adopted } = await adoptUnit(
    deps.registry,
    {
      name,
      requestId: deps.newRequestId(),
      fileOf: (file) => fileOfText(name, file),
      ...(machine === undefined ? {} : { machine }),
    },
    call.signal,
  );
  const answer: V2Unit = {
    ...v2Unit(unit),
    revision: revision.toString(),
    ...(adopted.machine === undefined ? {} : { machineID: adopted.machine }),
  };
  return { status: 201, json: JSON.stringify(answer) };
}

async function getStates(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry, machines } = deps;
  const { limit, cursor } = pageOf(deps, call, [registry.keys.states, registry.keys.orphans]);
  const filter = stateFilter(call.query);
  if (filter === undefined) return pageAnswer(deps, 'states', { rows: [], revision: 0n });
  const page = await listStates(registry, machines, { limit, ...cursor, ...filter }, call.signal);
  return pageAnswer(deps, 'states', { ...page, rows: page.rows.map(v2State) });
}

/** Machines that are there, a page at a time; with the last page also the absent ones that are remembered. */
async function getMachines(deps: RouteDeps, call: Call): Promise<Answer> {
  const { registry } = deps;
  const { limit, cursor } = pageOf(deps, call, [registry.keys.machines]);
  const page = await listMachines(registry, { limit, ...cursor }, call.signal);
  const hosts = await listHosts(registry, page.revision, call.signal);
  const byId = new Map(hosts.map((host) => [host.id, host]));
  const rows = page.rows.map((row) => machineOf(row, byId.get(row.machine.id)));
  if (page.next === undefined) {
    const present = await deps.machines.at(registry, page.revision, call.signal);
    const away = hosts.filter(({ id }) => !present.has(id));
    const brake = away.length === 0 ? undefined : await readBrake(registry, call.signal);
    for (const host of away) rows.push(awayMachine(host, brake, deps.clock.wallNow()));
  }
  return pageAnswer(deps, 'machines', { ...page, rows });
}

async function evict(deps: RouteDeps, call: Call): Promise<Answer> {
  const text = call.params['id'] ?? '';
  const id = parseMachineId(text);
  if (id === undefined)
    throw new FleetError('MACHINE_NOT_FOUND', `'${text}' is not the full id of a machine`, {
      hint: 'See: fleetctl list-machines --full --fields machine,status',
    });
  const host = await evictMachine(deps.registry, id, call.signal);
  return ok(awayMachine(host, undefined, deps.clock.wallNow()));
}

function machineOf({ machine, metadata }: MachineRow, host: Host | undefined): V2Machine {
  const { id, primaryIp, hostname, version, capacity, capabilities, leaving } = machine;
  return {
    id,
    status: leaving ? 'leaving' : 'ready',
    primaryIP: primaryIp,
    hostname,
    metadata,
    version,
    capacity,
    capabilities,
    ...(host === undefined ? {} : memoryOf(host)),
  };
}

/** The brake is on every machine that vanished and was not judged before. */
function awayMachine(host: Host, brake: BrakeRecord | undefined, nowMs: number): V2Machine {
  const isBraked =
    brake !== undefined &&
    nowMs < brake.untilMs &&
    host.absentSinceMs === undefined &&
    host.evict !== true;
  return {
    id: host.id,
    status: 'absent',
    ...memoryOf(host),
    ...(isBraked ? { brakeUntilMs: brake.untilMs } : {}),
  };
}

function memoryOf(host: Host): Pick<V2Machine, 'lastSeenMs' | 'absentSinceMs' | 'evict'> {
  const { lastSeenMs, absentSinceMs, evict } = host;
  return {
    ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    ...(absentSinceMs === undefined ? {} : { absentSinceMs }),
    ...(evict === undefined ? {} : { evict }),
  };
}

function pageOf(
  deps: RouteDeps,
  call: Call,
  prefixes: readonly string[],
): { limit: number; cursor: { cursor?: Cursor } } {
  const limit = parseLimit(call.query.get('limit'));
  const token = call.query.get('nextPageToken') ?? '';
  if (token === '') return { limit, cursor: {} };
  return {
    limit,
    cursor: { cursor: parsePageToken(deps.registry.keys.prefix, token, prefixes) },
  };
}

function pageAnswer(
  deps: RouteDeps,
  field: string,
  page: Readonly<{ rows: readonly unknown[]; revision: bigint; next?: Cursor }>,
): Answer {
  const { rows, revision, next } = page;
  return ok({
    [field]: rows,
    revision: revision.toString(),
    ...(next === undefined ? {} : { nextPageToken: pageToken(deps.registry.keys.prefix, next) }),
  });
}

function ok(body: unknown): Answer {
  return { status: 200, json: JSON.stringify(body) };
}

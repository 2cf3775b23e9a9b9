// list-units, list-unit-files, list-machines: rows from the API, columns as the original names them.
import type { V2Machine, V2Unit, V2UnitState } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { placeName } from '../render/machine.ts';
import { paint } from '../render/paint.ts';
import { ellipsize, renderTable } from '../render/table.ts';

export interface ListOptions {
  readonly full: boolean;
  readonly noLegend: boolean;
  /** Comma-separated column names; undefined: the default ones. */
  readonly fields: string | undefined;
  readonly json: boolean;
}

type Column<Row> = (row: Row, full: boolean) => string | undefined;
type Columns<Row> = Readonly<Record<string, Column<Row>>>;

interface StateRow {
  readonly state: V2UnitState;
  readonly machine: V2Machine | undefined;
}

const stateColumns: Columns<StateRow> = {
  unit: ({ state }) => state.name,
  load: ({ state }) => state.systemdLoadState,
  active: ({ state }) => state.systemdActiveState,
  sub: ({ state }) => state.systemdSubState,
  machine: ({ state, machine }, full) => placeName(state.machineID, machine?.primaryIP, full),
  hash: ({ state }, full) => shortHash(state.hash, full),
};

interface FileRow {
  readonly unit: V2Unit;
  readonly machine: V2Machine | undefined;
}

const fileColumns: Columns<FileRow> = {
  unit: ({ unit }) => unit.name,
  hash: ({ unit }, full) => shortHash(unit.hash, full),
  dstate: ({ unit }) => unit.desiredState,
  state: ({ unit }) => (unit.global ? undefined : unit.currentState),
  target: ({ unit, machine }, full) => target(unit, machine, full),
  tmachine: ({ unit, machine }, full) => target(unit, machine, full),
  global: ({ unit }) => String(unit.global),
  desc: ({ unit }) => unit.description,
};

const machineColumns: Columns<V2Machine> = {
  machine: ({ id }, full) => ellipsize(id, full),
  ip: ({ primaryIP }) => primaryIP,
  metadata: ({ metadata = {} }) =>
    Object.entries(metadata)
      .toSorted(([a], [b]) => compare(a, b))
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  status: statusOf,
};

/** What the cluster does about an absent machine: nothing more, what a person said, or nothing yet. */
function statusOf({ status, evict, brakeUntilMs }: V2Machine): string {
  if (status !== 'absent') return status;
  if (evict === true) return 'evicted';
  return brakeUntilMs === undefined ? status : `${status} (brake)`;
}

/** The fields of each listing, for help and for whoever asks for another. */
export const listFields = {
  'list-units': Object.keys(stateColumns),
  'list-unit-files': Object.keys(fileColumns),
  'list-machines': Object.keys(machineColumns),
};

/** What runs where, as systemd reports it. */
export async function listUnits(context: Context, options: ListOptions): Promise<number> {
  const columns = pick('list-units', stateColumns, options.fields, 'unit,machine,active,sub');
  const [states, machines] = await Promise.all([
    context.client.states(context.signal),
    machinesById(context),
  ]);
  const rows = states
    .map((state) => ({ state, machine: machines.get(state.machineID) }))
    .toSorted(
      (a, b) =>
        compare(a.state.name, b.state.name) || compare(a.state.machineID, b.state.machineID),
    );
  print(context, { columns, rows, json: states, options });
  return 0;
}

/** What was submitted, wanted and placed. */
export async function listUnitFiles(context: Context, options: ListOptions): Promise<number> {
  const columns = pick(
    'list-unit-files',
    fileColumns,
    options.fields,
    'unit,hash,dstate,state,target',
  );
  const [units, machines] = await Promise.all([
    context.client.units(context.signal),
    machinesById(context),
  ]);
  const rows = units
    .map((unit) => ({ unit, machine: machines.get(unit.machineID ?? '') }))
    .toSorted((a, b) => compare(a.unit.name, b.unit.name));
  print(context, { columns, rows, json: units, options });
  return 0;
}

/** The machines that are present; where their status is asked for, also those that are not. */
export async function listMachines(context: Context, options: ListOptions): Promise<number> {
  const columns = pick('list-machines', machineColumns, options.fields, 'machine,ip,metadata');
  const machines = await context.client.machines(context.signal);
  const showsStatus = columns.some(([name]) => name === 'status');
  const rows = machines
    .filter(({ status }) => showsStatus || status !== 'absent')
    .toSorted((a, b) => compare(a.id, b.id));
  print(context, { columns, rows, json: machines, options });
  return 0;
}

interface Listing<Row> {
  readonly columns: readonly (readonly [name: string, column: Column<Row>])[];
  readonly rows: readonly Row[];
  /** The API's own shape, for --json. */
  readonly json: unknown;
  readonly options: ListOptions;
}

function print<Row>(context: Context, { columns, rows, json, options }: Listing<Row>): void {
  if (options.json) {
    context.stdout(`${JSON.stringify(json, null, 2)}\n`);
    return;
  }
  const cells = rows.map((row) => columns.map(([, column]) => column(row, options.full)));
  context.stdout(
    renderTable(
      columns.map(([name]) => name),
      cells,
      {
        noLegend: options.noLegend,
        paint: (text) => (text === 'failed' ? paint(text, 'red', context.colours.stdout) : text),
      },
    ),
  );
}

function pick<Row>(
  command: string,
  known: Columns<Row>,
  fields: string | undefined,
  usual: string,
): readonly (readonly [string, Column<Row>])[] {
  return (fields ?? usual).split(',').map((name) => {
    const column = Object.hasOwn(known, name) ? known[name] : undefined;
    if (column === undefined)
      throw new FleetError('USAGE', `${command} has no field '${name}'`, {
        hint: `The fields are: ${Object.keys(known).join(',')}`,
      });
    return [name, column];
  });
}

async function machinesById(context: Context): Promise<ReadonlyMap<string, V2Machine>> {
  const machines = await context.client.machines(context.signal);
  return new Map(machines.map((machine) => [machine.id, machine]));
}

function target(unit: V2Unit, machine: V2Machine | undefined, full: boolean): string | undefined {
  if (unit.global) return 'global';
  return unit.machineID === undefined
    ? undefined
    : placeName(unit.machineID, machine?.primaryIP, full);
}

/** The original shows 7 characters of a hash. */
function shortHash(hash: string, full: boolean): string {
  return full ? hash : hash.slice(0, 7);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

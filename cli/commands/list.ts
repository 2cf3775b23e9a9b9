// list-units, list-unit-files, list-machines: rows from the API, columns as the original names them.
import type { V1Machine, V1UnitState, V2Unit } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { placeName } from '../render/machine.ts';
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
  readonly state: V1UnitState;
  readonly machine: V1Machine | undefined;
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
  readonly machine: V1Machine | undefined;
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

const machineColumns: Columns<V1Machine> = {
  machine: ({ id }, full) => ellipsize(id, full),
  ip: ({ primaryIP }) => primaryIP,
  metadata: ({ metadata = {} }) =>
    Object.entries(metadata)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
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

/** The machines that are present. */
export async function listMachines(context: Context, options: ListOptions): Promise<number> {
  const columns = pick('list-machines', machineColumns, options.fields, 'machine,ip,metadata');
  const machines = await context.client.machines(context.signal);
  const rows = machines.toSorted((a, b) => compare(a.id, b.id));
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
      { noLegend: options.noLegend },
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
    const column = known[name];
    if (column === undefined)
      throw new FleetError('USAGE', `${command} has no field '${name}'`, {
        hint: `The fields are: ${Object.keys(known).join(',')}`,
      });
    return [name, column];
  });
}

async function machinesById(context: Context): Promise<ReadonlyMap<string, V1Machine>> {
  const machines = await context.client.machines(context.signal);
  return new Map(machines.map((machine) => [machine.id, machine]));
}

function target(unit: V2Unit, machine: V1Machine | undefined, full: boolean): string | undefined {
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

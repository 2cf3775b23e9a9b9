// The discovery document of v1, in the format that Google's API client generators read (Google API Discovery Service, v1 REST).

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const pageOf = (field: string, item: string): Schema => ({
  type: 'object',
  properties: {
    [field]: { type: 'array', items: { $ref: item } },
    nextPageToken: text,
  },
});
const objectOf = (id: string, properties: Schema): Schema => ({ id, type: 'object', properties });
const state: Schema = { type: 'string', enum: ['inactive', 'loaded', 'launched'] };

const schemas: Readonly<Record<string, Schema>> = {
  Machine: objectOf('Machine', {
    id: { ...text, required: true },
    metadata: { type: 'object', additionalProperties: text },
    primaryIP: text,
  }),
  MachinePage: { id: 'MachinePage', ...pageOf('machines', 'Machine') },
  Unit: objectOf('Unit', {
    currentState: state,
    desiredState: state,
    machineID: { ...text, required: true },
    name: text,
    options: { type: 'array', items: { $ref: 'UnitOption' } },
  }),
  UnitOption: objectOf('UnitOption', { name: text, section: text, value: text }),
  UnitPage: { id: 'UnitPage', ...pageOf('units', 'Unit') },
  UnitState: objectOf('UnitState', {
    hash: text,
    machineID: text,
    name: text,
    systemdActiveState: text,
    systemdLoadState: text,
    systemdSubState: text,
  }),
  UnitStatePage: { id: 'UnitStatePage', ...pageOf('states', 'UnitState') },
};

const unitName: Schema = { ...text, location: 'path', required: true };
const query: Schema = { ...text, location: 'query' };
const list = (id: string, path: string, answer: string, filters: Schema = {}): Schema => ({
  id,
  httpMethod: 'GET',
  path,
  parameters: { ...filters, nextPageToken: query },
  response: { $ref: answer },
});
const onUnit = (id: string, httpMethod: string, more: Schema = {}): Schema => ({
  id,
  httpMethod,
  path: 'units/{unitName}',
  parameters: { unitName },
  parameterOrder: ['unitName'],
  ...more,
});

/** The document. */
export function discoveryDocument(): Schema {
  return {
    discoveryVersion: 'v1',
    id: 'fleet:v1',
    title: 'fleet API',
    description: 'Units, their states and the machines of a fleet cluster',
    kind: 'discovery#restDescription',
    protocol: 'rest',
    name: 'fleet',
    version: 'v1',
    basePath: '/fleet/v1/',
    rootUrl: '',
    servicePath: 'fleet/v1/',
    batchPath: 'batch',
    icons: {},
    auth: {},
    schemas,
    resources: {
      Machines: {
        methods: { List: list('fleet.Machine.List', 'machines', 'MachinePage') },
      },
      Units: {
        methods: {
          List: list('fleet.Unit.List', 'units', 'UnitPage'),
          Get: onUnit('fleet.Unit.Get', 'GET', { response: { $ref: 'Unit' } }),
          Set: onUnit('fleet.Unit.Set', 'PUT', { request: { $ref: 'Unit' } }),
          Delete: onUnit('fleet.Unit.Delete', 'DELETE'),
        },
      },
      UnitState: {
        methods: {
          List: list('fleet.UnitState.List', 'state', 'UnitStatePage', {
            machineID: query,
            unitName: query,
          }),
          Get: {
            id: 'fleet.UnitState.Get',
            httpMethod: 'GET',
            path: 'state/{unitName}',
            parameters: { unitName },
            parameterOrder: ['unitName'],
            response: { $ref: 'UnitState' },
          },
        },
      },
    },
  };
}

// Where everything lies below the prefix. docs/registry.md has the table: key, value, who writes it.
import type { MachineId } from '../model/machine.ts';
import { parseMachineId } from '../model/machine.ts';
import type { UnitName } from '../model/unit.ts';

/** What the key of a record under `c/` says. */
export type ClusterKey =
  | Readonly<{ kind: 'unit' | 'placed' | 'global'; name: UnitName }>
  | Readonly<{ kind: 'schedule' | 'orphan'; machine: MachineId; name: UnitName }>
  | Readonly<{ kind: 'machine' | 'host'; machine: MachineId }>
  | Readonly<{ kind: 'metadata'; machine: MachineId; key: string }>;

export interface Keys {
  readonly prefix: string;
  /** Prefix of all that the leader mirrors. */
  readonly cluster: string;
  readonly units: string;
  readonly placements: string;
  readonly globals: string;
  readonly schedules: string;
  readonly machines: string;
  readonly hosts: string;
  readonly metadataAll: string;
  readonly files: string;
  readonly states: string;
  readonly pendings: string;
  readonly orphans: string;
  readonly leader: string;
  readonly brake: string;
  readonly history: string;
  readonly format: string;
  /** The highest fencing token that was given out. */
  readonly fence: string;
  unit(name: UnitName): string;
  placed(name: UnitName): string;
  scheduleOf(machine: MachineId): string;
  schedule(machine: MachineId, name: UnitName): string;
  global(name: UnitName): string;
  machine(id: MachineId): string;
  host(id: MachineId): string;
  metadataOf(id: MachineId): string;
  metadata(id: MachineId, key: string): string;
  file(sha256: string): string;
  statesOf(name: UnitName): string;
  state(name: UnitName, id: MachineId): string;
  pending(name: UnitName): string;
  orphansOf(id: MachineId): string;
  orphan(id: MachineId, name: UnitName): string;
}

/** The key functions for one prefix, which ends in '/'. Names and ids contain no '/', so no key is a prefix of another's. */
export function keysUnder(prefix: string): Keys {
  const root = prefix.endsWith('/') ? prefix : `${prefix}/`;
  const c = `${root}c/`;
  const encode = encodeURIComponent;
  return {
    prefix: root,
    cluster: c,
    units: `${c}unit/`,
    placements: `${c}placed/`,
    globals: `${c}global/`,
    schedules: `${c}schedule/`,
    machines: `${c}machine/`,
    hosts: `${c}host/`,
    metadataAll: `${c}metadata/`,
    files: `${root}file/`,
    states: `${root}state/`,
    pendings: `${root}pending/`,
    orphans: `${c}orphan/`,
    leader: `${root}leader`,
    brake: `${root}brake`,
    history: `${root}history`,
    format: `${root}format`,
    fence: `${root}fence`,
    unit: (name) => `${c}unit/${name}`,
    placed: (name) => `${c}placed/${name}`,
    scheduleOf: (machine) => `${c}schedule/${machine}/`,
    schedule: (machine, name) => `${c}schedule/${machine}/${name}`,
    global: (name) => `${c}global/${name}`,
    machine: (id) => `${c}machine/${id}`,
    host: (id) => `${c}host/${id}`,
    metadataOf: (id) => `${c}metadata/${id}/`,
    metadata: (id, key) => `${c}metadata/${id}/${encode(key)}`,
    file: (sha256) => `${root}file/${sha256}`,
    statesOf: (name) => `${root}state/${name}/`,
    state: (name, id) => `${root}state/${name}/${id}`,
    pending: (name) => `${root}pending/${name}`,
    orphansOf: (id) => `${c}orphan/${id}/`,
    orphan: (id, name) => `${c}orphan/${id}/${name}`,
  };
}

/** What a key under `c/` speaks of; undefined for one that this version does not know. */
export function parseClusterKey(keys: Keys, key: string): ClusterKey | undefined {
  if (!key.startsWith(keys.cluster)) return undefined;
  const [kind, first, second, ...more] = key.slice(keys.cluster.length).split('/');
  if (first === undefined || first === '' || more.length > 0) return undefined;
  if (second === undefined) {
    if (kind === 'unit' || kind === 'placed' || kind === 'global')
      return { kind, name: first as UnitName }; // names in the store were checked on their way in
    const machine = parseMachineId(first);
    if (machine !== undefined && (kind === 'machine' || kind === 'host')) return { kind, machine };
    return undefined;
  }
  const machine = parseMachineId(first);
  if (machine === undefined || second === '') return undefined;
  if (kind === 'schedule' || kind === 'orphan') return { kind, machine, name: second as UnitName };
  if (kind !== 'metadata') return undefined;
  const name = decoded(second);
  return name === undefined ? undefined : { kind, machine, key: name };
}

/** A part of a key as it was before `encodeURIComponent`; undefined for what that cannot have made. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}

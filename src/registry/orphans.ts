// Orphans: fleet units that run on a host and that no key speaks of. A person takes one back into the store as it runs, or ends it.
// Invariant: a name that the store knows is never taken over; what a person says of a machine is said of what was read there, and no more.
import { FleetError, isFleetError } from '../model/errors.ts';
import { CAS_TRIES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import { isRunning } from '../model/unit-state.ts';
import type { Assignment, Unit, UnitName, UnitTarget } from '../model/unit.ts';
import type { Compare, Operation, Revision } from '../store/kv.ts';
import { sha256Of } from '../unitfile/hash.ts';
import { encode } from './codec.ts';
import { findOrphans, type FoundOrphan } from './read-orphans.ts';
import { isGlobal, readRecord, type Registry } from './registry.ts';
import { destroyUnit, notFound, type UnitFile } from './units.ts';

export interface AdoptRequest {
  readonly name: UnitName;
  /** Needed where several machines run it. */
  readonly machine?: MachineId;
  /** New for each request of a user. */
  readonly requestId: string;
  /** Checks a unit file; throws UNIT_FILE_INVALID. */
  readonly fileOf: (text: string) => UnitFile;
}

export interface Adopted {
  readonly unit: Unit;
  /** Absent for a global unit. */
  readonly machine: MachineId | undefined;
  readonly revision: Revision;
}

/**
 * Takes an orphan into the store as it runs: its host finds nothing to do. Where others run it too, `machine` says which is to be the
 * unit, and the others are asked to stop. Throws UNIT_NOT_FOUND, UNIT_CONFLICT, UNIT_FILE_INVALID, REGISTRY_BUSY.
 */
export async function adoptUnit(
  registry: Registry,
  request: AdoptRequest,
  signal: AbortSignal,
): Promise<Adopted> {
  const { kv } = registry;
  const { name, requestId } = request;
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const ours = await refuseKnown(registry, name, requestId, signal);
    if (ours !== undefined) return ours;
    const found = await findOrphans(registry, name, signal);
    const chosen = choose(request, found);
    const { unit, file } = unitOf(request, chosen, found);
    const global = isGlobal(name, unit.options);
    const others = global ? [] : found.filter((other) => other !== chosen);
    const txn = {
      compares: [...unknown(registry, name), ...[chosen, ...others].flatMap(unchanged(registry))],
      then: [
        { kind: 'put', key: registry.keys.file(unit.sha256), value: file.text },
        ...takenUp(registry, unit, global ? undefined : chosen.orphan.machine),
        ...others.map((other) => asksToStop(registry, other)),
      ] as readonly Operation[],
    };
    try {
      const { succeeded, revision } = await kv.txn(txn, signal);
      if (succeeded) return { unit, machine: global ? undefined : chosen.orphan.machine, revision };
    } catch (error) {
      // What was committed without our knowing is recognised by its request.
      if (!isFleetError(error, 'STORE_UNAVAILABLE') || error.details['ambiguous'] !== true)
        throw error;
    }
  }
  throw tooBusy(name);
}

/**
 * Ends all that there is of a name: the unit, and what machines run unknown to the store. Throws UNIT_NOT_FOUND where there is neither,
 * REGISTRY_BUSY.
 */
export async function destroyAll(
  registry: Registry,
  name: UnitName,
  signal: AbortSignal,
): Promise<void> {
  let wasThere = false;
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const [isEnded, found] = await Promise.all([
      destroyStored(registry, name, signal),
      findOrphans(registry, name, signal),
    ]);
    wasThere ||= isEnded || found.length > 0;
    if (!wasThere) throw notFound(name);
    if (await endOrphans(registry, found, signal)) return;
  }
  throw tooBusy(name);
}

/** Says whether there was such a unit. */
async function destroyStored(
  registry: Registry,
  name: UnitName,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await destroyUnit(registry, name, signal);
    return true;
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    return false;
  }
}

/**
 * Asks every machine of these to stop what it runs unknown to the store. Answers `false` where one runs another thing by now, or the unit was
 * made anew: an engine that knows of that unit, and not of the mark yet, would place it beside what is being stopped.
 */
async function endOrphans(
  registry: Registry,
  found: readonly FoundOrphan[],
  signal: AbortSignal,
): Promise<boolean> {
  const { keys, kv } = registry;
  let isWhole = true;
  for (const one of found) {
    const mark = asksToStop(registry, one);
    const isGone: Compare = { key: keys.unit(one.orphan.name), target: 'mod', equals: 0n };
    const txn = {
      compares: [isGone, ...unchanged(registry)(one)],
      then: [mark],
      else: [{ kind: 'get', key: mark.key } as const],
    };
    const { succeeded, gets } = await kv.txn(txn, signal);
    // With a key of its own there it is asked already, or no orphan any more.
    if (!succeeded && gets[0] === undefined) isWhole = false;
  }
  return isWhole;
}

/** Answers what an earlier try of this request has written, if it has; refuses a name that the store knows. */
async function refuseKnown(
  registry: Registry,
  name: UnitName,
  requestId: string,
  signal: AbortSignal,
): Promise<Adopted | undefined> {
  const { keys, kv } = registry;
  const wanted = [keys.unit(name), keys.placed(name), keys.global(name)];
  const { gets } = await kv.txn(
    { then: wanted.map((key): Operation => ({ kind: 'get', key })) },
    signal,
  );
  const [stored, placed, global] = gets;
  const unit = stored === undefined ? undefined : readRecord(registry, 'unit', stored);
  if (unit?.requestId === requestId && stored !== undefined) {
    const placement = placed === undefined ? undefined : readRecord(registry, 'placement', placed);
    return { unit, machine: placement?.machine, revision: stored.modRevision };
  }
  if (stored !== undefined)
    throw new FleetError('UNIT_CONFLICT', `unit '${name}' is in the store already`, {
      hint: `Start it, and it is taken up where it runs: fleetctl start ${name}; or see: fleetctl explain ${name}`,
      details: { unit: name },
    });
  if (placed !== undefined || global !== undefined)
    throw new FleetError('UNIT_CONFLICT', `unit '${name}' was destroyed, and is being stopped`, {
      hint: `See: fleetctl explain ${name}`,
      details: { unit: name },
    });
  return undefined;
}

function tooBusy(name: UnitName): FleetError {
  return new FleetError(
    'REGISTRY_BUSY',
    `what runs of unit '${name}' changed ${CAS_TRIES_MAX} times while this request was tried`,
    { hint: 'Try again.', details: { unit: name } },
  );
}

function choose(request: AdoptRequest, found: readonly FoundOrphan[]): FoundOrphan {
  const { name, machine } = request;
  const some =
    machine === undefined ? found : found.filter(({ orphan }) => orphan.machine === machine);
  const [first] = some;
  if (first === undefined)
    throw new FleetError(
      'UNIT_NOT_FOUND',
      machine === undefined
        ? `no machine runs unit '${name}' unknown to the store`
        : `machine '${machine}' does not run unit '${name}' unknown to the store`,
      { hint: 'See: fleetctl list-units; fleetctl list-unit-files', details: { unit: name } },
    );
  if (some.length === 1 || isOneGlobal(request, some)) return first;
  const ids = some.map(({ orphan }) => orphan.machine.slice(0, 8)).join(', ');
  throw new FleetError('UNIT_CONFLICT', `unit '${name}' runs on ${some.length} machines: ${ids}`, {
    hint: 'Say which of them is to keep it, with --machine; the others are asked to stop it.',
    details: { unit: name, field: 'machineID' },
  });
}

/** A global unit runs everywhere: where all have the same, nothing is to be chosen. */
function isOneGlobal({ name, fileOf }: AdoptRequest, found: readonly FoundOrphan[]): boolean {
  const [{ orphan } = { orphan: undefined }] = found;
  if (orphan === undefined || orphan.text === '') return false;
  const isSame = found.every((other) => other.orphan.hash === orphan.hash);
  return isSame && isGlobal(name, fileOf(orphan.text).options);
}

/** The unit that the orphan is. Of a global one, all machines run the same: none of them must find an older generation. */
function unitOf(
  { name, requestId, fileOf }: AdoptRequest,
  { orphan }: FoundOrphan,
  found: readonly FoundOrphan[],
): { readonly unit: Unit; readonly file: UnitFile } {
  const where = `machine '${orphan.machine}'`;
  if (orphan.text === '')
    throw new FleetError('UNIT_CONFLICT', `the file of unit '${name}' is gone on ${where}`, {
      hint: 'Submit it and start it; or end what runs: fleetctl destroy.',
      details: { unit: name },
    });
  const file = fileOf(orphan.text);
  if (file.hash !== orphan.hash)
    throw new FleetError(
      'UNIT_CONFLICT',
      `the file of unit '${name}' on ${where} is not the one that it was started from`,
      {
        hint: 'It would be restarted. Submit it and start it, if that may be.',
        details: { unit: name },
      },
    );
  const { hash, sha256, options, description } = file;
  const generations = isGlobal(name, options)
    ? found.map((other) => other.orphan.generation)
    : [orphan.generation];
  const desiredState = orphan.desiredState ?? (isRunning(orphan) ? 'launched' : 'loaded');
  const generation = Math.max(...generations);
  const version = { hash, sha256, options, description, desiredState, generation };
  return { unit: { name, ...version, requestId }, file };
}

function unknown({ keys }: Registry, name: UnitName): readonly Compare[] {
  return [keys.unit(name), keys.placed(name), keys.global(name)].map((key) => ({
    key,
    target: 'mod',
    equals: 0n,
  }));
}

/** It is the orphan that was read, of a machine that is present, and nobody has asked anything of it since. */
function unchanged({ keys }: Registry): (found: FoundOrphan) => readonly Compare[] {
  return ({ orphan: { name, machine }, modRevision, machineCreated }) => [
    { key: keys.orphan(machine, name), target: 'mod', equals: modRevision },
    { key: keys.schedule(machine, name), target: 'mod', equals: 0n },
    { key: keys.machine(machine), target: 'create', equals: machineCreated },
  ];
}

function takenUp(
  { keys }: Registry,
  unit: Unit,
  machine: MachineId | undefined,
): readonly Operation[] {
  const { name, hash, sha256, desiredState, generation, options } = unit;
  const target: UnitTarget = { name, hash, sha256, desiredState, generation, options };
  const put = (key: string, value: string): Operation => ({ kind: 'put', key, value });
  const own = put(keys.unit(name), encode('unit', unit));
  if (machine === undefined)
    return [own, put(keys.global(name), encode('global', { ...target, release: false }))];
  const placed = { name, machine, generation, hash, release: false };
  const copy: Assignment = { ...target, machine, release: false };
  return [
    own,
    put(keys.placed(name), encode('placement', placed)),
    put(keys.schedule(machine, name), encode('assignment', copy)),
  ];
}

/** Of a version that its host does not know any more. */
const NO_HASH = '0'.repeat(40);

/** The mark that makes the host stop it, as for a unit that was placed there: its host deletes the key. */
function asksToStop({ keys }: Registry, { orphan }: FoundOrphan): Operation {
  const { name, machine, hash, generation, desiredState = 'launched', text } = orphan;
  const mark: Assignment = {
    name,
    hash: hash === '' ? NO_HASH : hash,
    sha256: sha256Of(text),
    desiredState,
    generation,
    options: [],
    machine,
    release: true,
  };
  return { kind: 'put', key: keys.schedule(machine, name), value: encode('assignment', mark) };
}

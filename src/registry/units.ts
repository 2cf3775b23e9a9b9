// What users ask of units: create, replace, want another state, destroy; each one transaction of DESIGN §2.
// Invariant: a generation only grows, also over a destroyed unit's name for as long as anything of it is left.
import { FleetError } from '../model/errors.ts';
import type { DesiredState, Unit, UnitName, UnitOption } from '../model/unit.ts';
import type { Operation, Revision } from '../store/kv.ts';
import { systemdNameOf } from '../unitfile/quadlet-name.ts';
import type { Changed, Decision } from './compare-and-set.ts';
import { changeUnit } from './compare-and-set.ts';
import type { Registry } from './registry.ts';
import type { UnitView } from './unit-change.ts';
import { changeOperations } from './unit-change.ts';

/** A checked unit file, and what the cluster keeps of it beside its text. */
export interface UnitFile {
  readonly text: string;
  readonly hash: string;
  readonly sha256: string;
  /** Its [X-Fleet] and [Install] options. */
  readonly options: readonly UnitOption[];
  readonly description: string;
}

export interface PutRequest {
  readonly name: UnitName;
  /** New for each request of a user; the same for its tries. */
  readonly requestId: string;
  readonly file?: UnitFile;
  /** What makes a given file another one: v1 of the API knows options only, so the stored bytes stay where those are the same. */
  readonly replaces?: 'other-hash' | 'other-bytes';
  /** Absent: as it is, 'inactive' for a new unit. */
  readonly desiredState?: DesiredState;
  /** Only if the stored unit has this hash; '' for: only if there is none. */
  readonly ifHash?: string;
}

export type PutOutcome = 'created' | 'replaced' | 'changed' | 'unchanged';

export interface PutAnswer {
  readonly outcome: PutOutcome;
  readonly unit: Unit;
  readonly revision: Revision;
}

/** Creates or replaces a unit (with a file), or changes its desired state, or both; idempotent when all is as asked. */
export async function putUnit(
  registry: Registry,
  request: PutRequest,
  signal: AbortSignal,
): Promise<PutAnswer> {
  const { answer, revision } = await changeUnit(
    registry,
    {
      name: request.name,
      isNew: request.file !== undefined && (request.ifHash ?? '') === '',
      decide: (view) => decidePut(registry, request, view),
      committed: (_tried, now) => now.unit?.record?.requestId === request.requestId,
    },
    signal,
  );
  return { ...answer, revision };
}

/** Deletes a unit and marks what is placed of it for release; throws UNIT_NOT_FOUND when there is none. */
export async function destroyUnit(
  registry: Registry,
  name: UnitName,
  signal: AbortSignal,
): Promise<Changed<undefined>> {
  return changeUnit(
    registry,
    {
      name,
      decide: (view) => {
        if (view.unit === undefined) throw notFound(name);
        return {
          operations: [
            { kind: 'delete', key: view.unit.key },
            { kind: 'delete', key: registry.keys.pending(name) },
            ...changeOperations(registry.keys, view, undefined),
          ],
          answer: undefined,
        };
      },
      // Gone, or gone and created anew by another: either way the one that was to be destroyed is.
      committed: (tried, now) => now.unit?.createRevision !== tried.unit?.createRevision,
    },
    signal,
  );
}

/** The failure of a request for a unit that is not there. */
export function notFound(name: string): FleetError {
  return new FleetError('UNIT_NOT_FOUND', `unit '${name}' does not exist`, {
    hint: 'Submit it first, or look for its name in list-unit-files.',
    details: { unit: name },
  });
}

type Answer = Readonly<{ outcome: PutOutcome; unit: Unit }>;

function decidePut(registry: Registry, request: PutRequest, view: UnitView): Decision<Answer> {
  refuseUnreadable(request.name, view);
  const stored = view.unit?.record;
  checkHash(request, stored);
  if (stored === undefined) return decideCreate(registry, request, view);
  const file = otherFile(request, stored);
  const desiredState = request.desiredState ?? stored.desiredState;
  const newVersion =
    desiredState !== stored.desiredState || (file !== undefined && file.hash !== stored.hash);
  if (file === undefined && !newVersion)
    return { operations: [], answer: { outcome: 'unchanged', unit: stored } };
  const unit: Unit = {
    ...stored,
    ...(file === undefined ? {} : fileFields(file)),
    desiredState,
    generation: newVersion ? stored.generation + 1 : stored.generation,
    requestId: request.requestId,
  };
  return {
    operations: [...filePut(registry, file), ...changeOperations(registry.keys, view, unit)],
    answer: { outcome: file === undefined ? 'changed' : 'replaced', unit },
  };
}

function decideCreate(registry: Registry, request: PutRequest, view: UnitView): Decision<Answer> {
  const { name, file } = request;
  if (file === undefined) throw notFound(name);
  refuseNamesake(name, view);
  // What is left of a destroyed unit of that name must see another generation, or its host would take the new one for the old.
  const left = Math.max(view.placed?.record?.generation ?? 0, view.global?.record?.generation ?? 0);
  const unit: Unit = {
    name,
    ...fileFields(file),
    desiredState: request.desiredState ?? 'inactive',
    generation: left + 1,
    requestId: request.requestId,
  };
  return {
    operations: [...filePut(registry, file), ...changeOperations(registry.keys, view, unit)],
    answer: { outcome: 'created', unit },
  };
}

/** On a host both would be the same service. */
function refuseNamesake(name: UnitName, { namesake }: UnitView): void {
  if (namesake === undefined) return;
  const service = systemdNameOf(name);
  const [ours, theirs] = [name, namesake].map((one) =>
    one === service ? `'${one}'` : `'${one}' (which runs as '${service}')`,
  );
  throw new FleetError('UNIT_CONFLICT', `unit ${ours} cannot be beside unit ${theirs}`, {
    hint: `Destroy '${namesake}' first, or choose another name.`,
    details: { unit: name, other: namesake },
  });
}

function otherFile(request: PutRequest, stored: Unit): UnitFile | undefined {
  const { file, replaces = 'other-bytes' } = request;
  if (file === undefined) return undefined;
  const same =
    replaces === 'other-hash' ? file.hash === stored.hash : file.sha256 === stored.sha256;
  return same ? undefined : file;
}

function fileFields(file: UnitFile): Omit<UnitFile, 'text'> {
  const { hash, sha256, options, description } = file;
  return { hash, sha256, options, description };
}

/** Also where the bytes are stored already: the new mod revision keeps collectFiles() from deleting them. */
function filePut(registry: Registry, file: UnitFile | undefined): readonly Operation[] {
  if (file === undefined) return [];
  const key = registry.keys.file(file.sha256);
  return [{ kind: 'put', key, value: file.text, shared: true }];
}

function checkHash(request: PutRequest, stored: Unit | undefined): void {
  const { ifHash, name } = request;
  if (ifHash === undefined || ifHash === (stored?.hash ?? '')) return;
  const message =
    stored === undefined
      ? `unit '${name}' does not exist, and hash '${ifHash}' was required`
      : ifHash === ''
        ? `unit '${name}' exists already`
        : `unit '${name}' has hash '${stored.hash}', and '${ifHash}' was required`;
  throw new FleetError('UNIT_CONFLICT', message, {
    hint: 'Read the unit again and decide anew.',
    details: { unit: name, field: 'ifHash' },
  });
}

/** A record of another version is somebody's: it is left alone, and so is what it concerns. */
function refuseUnreadable(name: UnitName, view: UnitView): void {
  for (const stored of [view.unit, view.placed, view.global, view.assignment]) {
    if (stored === undefined || stored.record !== undefined) continue;
    throw new FleetError(
      'REGISTRY_RECORD_INVALID',
      `unit '${name}' cannot be changed: the record at '${stored.key}' cannot be read`,
      {
        hint: `Inspect it with: etcdctl get '${stored.key}'; destroying the unit is possible.`,
        details: { unit: name, key: stored.key },
      },
    );
  }
}

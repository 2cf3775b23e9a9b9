// What users do: requests to the API of some machine, below HTTP, each tried again a few times where it is answered with 503.
// Invariant: an answer is held against what was committed: yes means it is in the store, a definite no means that it is not.
import { isFleetError, type FleetError } from '../../src/model/errors.ts';
import { patchMetadata } from '../../src/registry/metadata.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { evictMachine } from '../../src/registry/evict.ts';
import { adoptUnit, destroyAll } from '../../src/registry/orphans.ts';
import { putUnit } from '../../src/registry/units.ts';
import type { DesiredState } from '../../src/model/unit.ts';
import type { SimMachine } from './machine.ts';
import type { Asked } from './plan.ts';
import { fileOf, fileOfText, unitNamed } from './units.ts';

/** One try of a request. */
export interface Try {
  readonly asked: Asked;
  readonly number: number;
  readonly attempt: number;
  readonly beganAtMs: number;
  /** Which history of the store it began in: each restored backup begins another. */
  readonly history: number;
  /** Revisions at which transactions of it were committed. */
  readonly committed: number[];
}

export interface RequestsWorld {
  readonly machines: () => readonly SimMachine[];
  readonly history: () => number;
  readonly now: () => number;
  readonly after: (ms: number, act: () => void) => void;
  readonly say: (what: string) => void;
  readonly violated: (what: string) => void;
  /** Says whether the store was as asked at some time of the try. */
  readonly held: (one: Try) => boolean;
}

const TRIES = 4;
const AGAIN_MS = 2_000;
const never = new AbortController().signal;

const STATE: Readonly<Record<'start' | 'load' | 'submit' | 'stop' | 'unload', DesiredState>> = {
  start: 'launched',
  load: 'loaded',
  submit: 'inactive',
  stop: 'loaded',
  unload: 'inactive',
};

export class Requests {
  readonly #world: RequestsWorld;
  #count = 0;

  constructor(world: RequestsWorld) {
    this.#world = world;
  }

  /** Asks the machine of this number, or the next one that serves. */
  ask(asked: Asked, via: number): void {
    this.#count += 1;
    this.#try({ asked, number: this.#count, attempt: 1 }, via);
  }

  #try(request: Pick<Try, 'asked' | 'number' | 'attempt'>, via: number): void {
    const { machines, after, say, history, now, violated } = this.#world;
    const { asked, attempt } = request;
    const all = machines();
    const again = (): void => {
      if (attempt === TRIES) return;
      after(AGAIN_MS, () => this.#try({ ...request, attempt: attempt + 1 }, via + 1));
    };
    const one: Try = { ...request, beganAtMs: now(), history: history(), committed: [] };
    const what = `request ${request.number}: ${told(asked)}`;
    for (const i of all.keys()) {
      const machine = all[(via + i) % all.length];
      const registry = machine?.registryFor(one);
      if (machine === undefined || registry === undefined) continue;
      say(`${what} (at ${machine.name}, try ${attempt})`);
      this.#call(registry, one).then(
        (outcome) => {
          say(`${what}: ${outcome}`);
          this.#checkYes(one, outcome);
        },
        (error: unknown) => {
          if (!isFleetError(error)) return violated(`${what}: ${String(error)}`);
          say(`${what}: ${error.code}`);
          if (isDefinite(error)) this.#checkNo(one, error);
          else again();
        },
      );
      return;
    }
    again();
  }

  async #call(registry: Registry, { asked, number, attempt }: Try): Promise<string> {
    const requestId = `request-${number}-${attempt}`;
    switch (asked.op) {
      case 'start':
      case 'load':
      case 'submit': {
        const { unit, onlyNew, op } = asked;
        const put = {
          name: unitNamed(unit.name),
          requestId,
          file: fileOf(unit),
          desiredState: STATE[op],
          ...(onlyNew ? { ifHash: '' } : {}),
        };
        return (await putUnit(registry, put, never)).outcome;
      }
      case 'stop':
      case 'unload': {
        const put = { name: unitNamed(asked.name), requestId, desiredState: STATE[asked.op] };
        return (await putUnit(registry, put, never)).outcome;
      }
      case 'destroy':
        await destroyAll(registry, unitNamed(asked.name), never);
        return 'destroyed';
      case 'adopt': {
        const machine = this.#machine(asked.machine)?.id;
        const where = machine === undefined ? {} : { machine };
        const adopt = { name: unitNamed(asked.name), requestId, fileOf: fileOfText, ...where };
        await adoptUnit(registry, adopt, never);
        return 'adopted';
      }
      case 'evict': {
        const machine = this.#machine(asked.machine);
        if (machine === undefined) return 'unchanged';
        await evictMachine(registry, machine.id, never);
        return 'evicted';
      }
      case 'patch': {
        const machine = this.#machine(asked.machine);
        if (machine === undefined) return 'unchanged';
        const value = asked.value === undefined ? {} : { value: asked.value };
        await patchMetadata(registry, [{ machine: machine.id, key: asked.key, ...value }], never);
        return 'patched';
      }
    }
  }

  #machine(name: string | undefined): SimMachine | undefined {
    return this.#world.machines().find((each) => each.name === name);
  }

  #checkYes(one: Try, outcome: string): void {
    const { history, held, violated } = this.#world;
    if (one.history !== history()) return; // the store was restored meanwhile
    if (one.committed.length > 0) return;
    const what = `request ${one.number} (${told(one.asked)})`;
    if (outcome !== 'unchanged' && one.asked.op !== 'destroy')
      violated(`${what} was acknowledged, and nothing is committed`);
    else if (!held(one)) violated(`${what} was answered '${outcome}', and that was never so`);
  }

  #checkNo(one: Try, error: FleetError): void {
    if (one.history !== this.#world.history() || one.committed.length === 0) return;
    const what = `request ${one.number} (${told(one.asked)})`;
    this.#world.violated(`${what} was refused with ${error.code}, and it is committed`);
  }
}

/** An answer that says that it was not done; what is ambiguous or unavailable says nothing. */
function isDefinite(error: FleetError): boolean {
  return !isFleetError(error, 'STORE_UNAVAILABLE', 'STORE_REVERTED', 'REGISTRY_BUSY');
}

/** One line for a person. */
function told(asked: Asked): string {
  switch (asked.op) {
    case 'start':
    case 'load':
    case 'submit': {
      const { name, version, kind, of } = asked.unit;
      return `${asked.op} ${name} version ${version} (${kind}${of === '' ? '' : ` ${of}`})${asked.onlyNew ? ' if new' : ''}`;
    }
    case 'stop':
    case 'unload':
    case 'destroy':
      return `${asked.op} ${asked.name}`;
    case 'adopt':
      return `adopt ${asked.name}${asked.machine === undefined ? '' : ` from ${asked.machine}`}`;
    case 'evict':
      return `evict ${asked.machine}`;
    case 'patch':
      return `patch ${asked.machine} ${asked.key}=${asked.value ?? '(removed)'}`;
  }
}

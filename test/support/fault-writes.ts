// Writes to the cluster all through a fault, and remembers what was acknowledged: none of that may be lost.
// Invariant: after an answer that leaves it open whether a write was done, its unit is never written again.
import { FleetClient } from '../../src/api/client.ts';
import { isFleetError } from '../../src/model/errors.ts';
import type { V2Unit } from '../../src/api/types.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually.ts';
import { sleeper } from './fault-units.ts';

/** What a unit was last told to be. `open`: no answer came, or an error. */
interface Told {
  readonly is: 'inactive' | 'launched' | 'destroyed';
  readonly open?: Told['is'];
}

/** ms between two writes, and for one answer. */
const EVERY_MS = 150;
const ANSWER_MS = 3_000;

/** `run` it beside a fault. */
export class FaultWrites {
  readonly #clients: readonly FleetClient[];
  readonly #prefix: string;
  readonly #told = new Map<string, Told>();
  #count = 0;
  #acknowledged = 0;
  #refused = 0;

  /** `sockets`: of all hosts' APIs; they are written to in turn, and with none nothing is. `prefix` begins the names of its units. */
  constructor(sockets: readonly string[], prefix: string) {
    this.#prefix = prefix;
    this.#clients = sockets.map(
      (socket) => new FleetClient({ endpoints: [`unix://${socket}`], requestTimeoutMs: ANSWER_MS }),
    );
  }

  get names(): readonly string[] {
    return [...this.#told.keys()];
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Writes that had no answer or an error. */
  get refused(): number {
    return this.#refused;
  }

  /** Writes until aborted, and ends when the last is answered. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#clients.length > 0) {
      const client = this.#clients[this.#count % this.#clients.length]!;
      await this.#write(client, this.#count);
      this.#count += 1;
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** What was acknowledged and is not so. */
  lost(units: readonly V2Unit[]): readonly string[] {
    const found = new Map(units.map((unit) => [unit.name, unit.desiredState as Told['is']]));
    return [...this.#told].flatMap(([name, { is, open }]) => {
      const now = found.get(name) ?? 'destroyed';
      return now === is || now === open ? [] : [`${name} was told to be ${is}, and is ${now}`];
    });
  }

  /** Takes its units away and closes its connections. */
  async end(): Promise<void> {
    const [client] = this.#clients;
    for (const name of this.names)
      await eventually(() => gone(client!, name), { timeoutMs: 20_000, everyMs: 200 });
    for (const each of this.#clients) each.close();
  }

  /** Mostly new units; every third time one that is known is changed or destroyed. */
  async #write(client: FleetClient, count: number): Promise<void> {
    const known = [...this.#told].filter(([, told]) => told.open === undefined);
    const [name, before] = known[(count * 7) % Math.max(1, known.length)] ?? [];
    if (count % 3 === 2 && name !== undefined && before?.is !== 'destroyed')
      return await this.#tell(client, name, count % 2 === 0 ? 'destroyed' : other(before!.is));
    await this.#tell(
      client,
      `${this.#prefix}-${count}.service`,
      count % 6 === 0 ? 'launched' : 'inactive',
    );
  }

  async #tell(client: FleetClient, name: string, is: Told['is']): Promise<void> {
    const before = this.#told.get(name)?.is ?? 'destroyed';
    const signal = AbortSignal.timeout(ANSWER_MS);
    this.#told.set(name, { is: before, open: is });
    try {
      if (is === 'destroyed') await client.destroyUnit(name, signal);
      else if (before === 'destroyed')
        await client.putUnit(name, { text: sleeper(name), desiredState: is }, signal);
      else await client.putUnit(name, { desiredState: is }, signal);
      this.#told.set(name, { is });
      this.#acknowledged += 1;
    } catch {
      this.#refused += 1; // any error: whether it was done stays open
    }
  }
}

/** Destroys it; throws where no answer came in time. */
async function gone(client: FleetClient, name: string): Promise<boolean> {
  try {
    await client.destroyUnit(name, AbortSignal.timeout(ANSWER_MS));
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
  }
  return true;
}

function other(is: Told['is']): 'inactive' | 'launched' {
  return is === 'launched' ? 'inactive' : 'launched';
}

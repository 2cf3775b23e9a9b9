// What fleetctl speaks with: HTTP to one fleetd, over a unix socket or TCP. Loads nothing but Node, so that fleetctl starts fast.
// Invariant: an answer that is no success becomes a FleetError with the server's own words; nothing hangs past its timeout.
import type { IncomingMessage } from 'node:http';
import { FleetError, isFleetError } from '../model/errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { late, manyConnect, notFleet, retryMs, serverError, unreachable } from './client-errors.ts';
import {
  Connections,
  parseEndpoint,
  type ConnectionOptions,
  type Request,
  type Target,
} from './connections.ts';
import { UnitBatches } from './unit-batches.ts';
import type {
  V2Daemon,
  V2Event,
  V2Explanation,
  V2Machine,
  V2MachinePage,
  V2PutUnit,
  V2StatePage,
  V2Unit,
  V2UnitAnswer,
  V2UnitAnswers,
  V2UnitPage,
  V2UnitRequest,
  V2UnitState,
} from './types.ts';

export interface ClientOptions extends ConnectionOptions {
  /** `unix:///path`, `http://host:port` or `https://…`; several are tried in order until one can be connected to. */
  readonly endpoints: readonly string[];
  /** ms for one whole answer, 0: no bound; events have none. */
  readonly requestTimeoutMs: number;
}

/** An event and the store's revision that it happened at. */
export interface Happening {
  readonly revision: bigint;
  readonly event: V2Event;
}

/** ms; the server breaks the silence of an event stream every 15 s. */
const SILENCE_MAX_MS = 45_000;
/** times that a request is sent to a server that has too much to do. */
const BUSY_TRIES_MAX = 10;

const UNITS_PATH = '/fleet/v2/units';

/** A client of one fleet API. Connections are kept for its lifetime; `close` ends them. */
export class FleetClient {
  readonly #targets: readonly Target[];
  readonly #timeoutMs: number;
  readonly #connections: Connections;
  readonly #units: UnitBatches;
  /** They are not reached from this machine itself. */
  readonly #isAway: boolean;
  #answered: Target | undefined;

  constructor(options: ClientOptions) {
    const through = options.passage === undefined ? '' : ` through '${options.passage.name}'`;
    this.#targets = options.endpoints.map((endpoint) => {
      const target = parseEndpoint(endpoint);
      return { ...target, name: target.name + through };
    });
    this.#timeoutMs = options.requestTimeoutMs;
    this.#connections = new Connections(options);
    this.#units = new UnitBatches({
      alone: (request, signal) => this.#unitAlone(request, signal),
      together: async (requests, signal) => {
        const call = { method: 'POST', path: UNITS_PATH, body: { requests } } as const;
        const { answers } = await this.#json<Partial<V2UnitAnswers>>(call, signal);
        const isWhole = Array.isArray(answers) && answers.length === requests.length;
        if (isWhole && answers.every(isAnswer)) return answers;
        throw unreachable(this.#targets, new Error('what answers is of another shape'));
      },
    });
    this.#isAway = options.passage !== undefined;
  }

  /** Where the last answer came from is on this machine: it came through a socket in the file system. */
  get isLocal(): boolean {
    return !this.#isAway && this.#answered?.at.socketPath !== undefined;
  }

  /** Every unit, in order of name. */
  async units(signal: AbortSignal): Promise<readonly V2Unit[]> {
    return (await this.unitsAt(signal)).units;
  }

  /** The same, with the revision at which all of them were read. */
  async unitsAt(signal: AbortSignal): Promise<Pick<V2UnitPage, 'units' | 'revision'>> {
    const units: V2Unit[] = [];
    let revision = '0';
    for await (const page of this.#pages<V2UnitPage>(UNITS_PATH, signal)) {
      units.push(...page.units);
      revision = page.revision;
    }
    return { units, revision };
  }

  /** One unit with its text and states; UNIT_NOT_FOUND when there is none. */
  async unit(name: string, signal: AbortSignal): Promise<V2Unit> {
    return await this.#json({ method: 'GET', path: unitPath(name) }, signal);
  }

  /** Creates, replaces or changes; answers the unit as it now is, without text and states. */
  async putUnit(name: string, body: V2PutUnit, signal: AbortSignal): Promise<V2Unit> {
    return (await this.#units.ask({ name, ...body }, signal)) as V2Unit; // of a PUT
  }

  async destroyUnit(name: string, signal: AbortSignal): Promise<void> {
    await this.#units.ask({ name, destroy: true }, signal);
  }

  /** Takes what runs unknown to the store into it, as it runs; `machineID` is needed where several machines run it. */
  async adoptUnit(
    name: string,
    machineID: string | undefined,
    signal: AbortSignal,
  ): Promise<V2Unit> {
    const query = machineID === undefined ? '' : `?machineID=${encodeURIComponent(machineID)}`;
    return await this.#json({ method: 'POST', path: `${unitPath(name)}/adopt${query}` }, signal);
  }

  async explain(name: string, signal: AbortSignal): Promise<V2Explanation> {
    return await this.#json({ method: 'GET', path: `${unitPath(name)}/explain` }, signal);
  }

  /** What present machines report of units. */
  async states(signal: AbortSignal): Promise<readonly V2UnitState[]> {
    return (await this.statesAt(signal)).states;
  }

  /** The same, with a revision from which on events tell of all changes to them. */
  async statesAt(signal: AbortSignal): Promise<Pick<V2StatePage, 'states' | 'revision'>> {
    const states: V2UnitState[] = [];
    let revision: string | undefined;
    for await (const page of this.#pages<V2StatePage>('/fleet/v2/states', signal)) {
      states.push(...page.states);
      revision ??= page.revision;
    }
    return { states, revision: revision ?? '0' };
  }

  /** What present machines report of one unit, also of one that is gone; without more pages than one. */
  async statesOf(name: string, signal: AbortSignal): Promise<V2StatePage> {
    const path = `/fleet/v2/states?unitName=${encodeURIComponent(name)}`;
    return await this.#json({ method: 'GET', path }, signal);
  }

  /** Machines that are present, and absent ones that are remembered. */
  async machines(signal: AbortSignal): Promise<readonly V2Machine[]> {
    const all: V2Machine[] = [];
    for await (const page of this.#pages<V2MachinePage>('/fleet/v2/machines', signal))
      all.push(...page.machines);
    return all;
  }

  /** Says that an absent machine is gone for good; MACHINE_PRESENT for one that is there. */
  async evictMachine(id: string, signal: AbortSignal): Promise<V2Machine> {
    const path = `/fleet/v2/machines/${encodeURIComponent(id)}/evict`;
    return await this.#json({ method: 'POST', path }, signal);
  }

  /** The fleetd that answers. */
  async daemon(signal: AbortSignal): Promise<V2Daemon> {
    return await this.#json({ method: 'GET', path: '/fleet/v2/daemon' }, signal);
  }

  /** Events of units whose name begins with `prefix`, after `revision`; ends quietly on abort, throws API_UNREACHABLE when cut or silent. */
  async *events(prefix: string, revision: string, signal: AbortSignal): AsyncIterable<Happening> {
    const query = new URLSearchParams({ prefix, after: revision });
    const path = `/fleet/v2/events?${query.toString()}`;
    const response = await this.#open({ method: 'GET', path, silenceMs: SILENCE_MAX_MS }, signal);
    try {
      if (response.statusCode !== 200) throw serverError(response, await textOf(response));
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const happening = parseBlock(block);
          if (happening !== undefined) yield happening;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error instanceof FleetError ? error : unreachable(this.#targets, error);
    } finally {
      response.destroy();
    }
    if (!signal.aborted) throw unreachable(this.#targets, new Error('the event stream ended'));
  }

  close(): void {
    this.#connections.close();
  }

  async #unitAlone(
    { name, destroy, ...body }: V2UnitRequest,
    signal: AbortSignal,
  ): Promise<V2Unit | undefined> {
    const path = unitPath(name);
    if (destroy !== true) return await this.#json<V2Unit>({ method: 'PUT', path, body }, signal);
    await this.#call({ method: 'DELETE', path }, signal);
    return undefined;
  }

  async *#pages<Page extends { readonly nextPageToken?: string }>(
    path: string,
    signal: AbortSignal,
  ): AsyncIterable<Page> {
    for (let token: string | undefined = ''; token !== undefined;) {
      const query: string = token === '' ? '' : `?nextPageToken=${encodeURIComponent(token)}`;
      const page: Page = await this.#json<Page>({ method: 'GET', path: path + query }, signal);
      yield page;
      token = page.nextPageToken;
    }
  }

  async #json<T>(call: Request, signal: AbortSignal): Promise<T> {
    const { response, text } = await this.#call(call, signal);
    try {
      return JSON.parse(text) as T; // of our own server, which checks what it stores
    } catch {
      throw notFleet(response);
    }
  }

  /** Asks again, when the server says so, where it has too much to do: then nothing was done. */
  async #call(
    call: Request,
    signal: AbortSignal,
  ): Promise<{ response: IncomingMessage; text: string }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#callOnce(call, signal);
      } catch (error) {
        const waitMs = isFleetError(error, 'API_BUSY', 'REGISTRY_BUSY')
          ? retryMs(error)
          : undefined;
        if (waitMs === undefined || attempt === BUSY_TRIES_MAX) throw error;
        await systemClock.sleep(waitMs * attempt, signal);
      }
    }
  }

  async #callOnce(
    call: Request,
    signal: AbortSignal,
  ): Promise<{ response: IncomingMessage; text: string }> {
    const timeout = this.#timeoutMs === 0 ? undefined : AbortSignal.timeout(this.#timeoutMs);
    // Once a request, in a process that is short-lived.
    const either = timeout === undefined ? signal : AbortSignal.any([signal, timeout]);
    try {
      const response = await this.#open(call, either);
      const text = await textOf(response);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw serverError(response, text);
      return { response, text };
    } catch (error) {
      signal.throwIfAborted();
      if (timeout?.aborted === true) {
        throw late(this.#targets, this.#timeoutMs, error);
      }
      throw error instanceof FleetError ? error : unreachable(this.#targets, error);
    }
  }

  /** The first target that can be connected to answers; a request that was sent is sent to no other. */
  async #open(call: Request, signal: AbortSignal): Promise<IncomingMessage> {
    let last: unknown;
    for (const target of this.#targets) {
      try {
        const response = await this.#sendAgain(target, call, signal);
        this.#answered = target;
        return response;
      } catch (error) {
        if (error instanceof FleetError) throw error; // it says why the time was not enough
        signal.throwIfAborted();
        if (codeOf(error) === 'EAGAIN') throw manyConnect(target, error);
        last = error;
        if (!NOT_CONNECTED.has(codeOf(error)) && call.method !== 'GET') break;
      }
    }
    throw unreachable(this.#targets, last);
  }

  /** A kept connection may have been closed by the server just now: what only reads is sent once more. */
  async #sendAgain(target: Target, call: Request, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#connections.send(target, call, signal);
    } catch (error) {
      if (call.method !== 'GET' || codeOf(error) !== 'ECONNRESET' || signal.aborted) throw error;
      return await this.#connections.send(target, call, signal);
    }
  }
}

/** Failures to connect: nothing was sent. */
const NOT_CONNECTED: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPERM',
]);

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** One block of a server-sent event stream; undefined for a comment. */
function parseBlock(block: string): Happening | undefined {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const data = field('data');
  if (data === undefined) return undefined;
  return { revision: BigInt(field('id') ?? 0), event: JSON.parse(data) as V2Event };
}

function isAnswer({ status, error }: V2UnitAnswer): boolean {
  return typeof status === 'number' && (error === undefined || typeof error?.message === 'string');
}

function unitPath(name: string): string {
  return `${UNITS_PATH}/${encodeURIComponent(name)}`;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

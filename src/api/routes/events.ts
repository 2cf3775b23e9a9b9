// GET /fleet/v2/events: what happens to units, as server-sent events; the revision is each one's id.
// Invariant: a reader hears of every change in order, or gets `reset` and reads again; nothing is watched while nobody reads.
import type { ServerResponse } from 'node:http';
import { FleetError, isFleetError } from '../../model/errors.ts';
import {
  EVENTS_BUFFER_MAX_BYTES,
  EVENTS_HEARTBEAT_MS,
  EVENTS_READERS_MAX,
} from '../../model/limits.ts';
import { withChildSignal } from '../../runtime/abort.ts';
import type { Revision, WatchBatch } from '../../store/kv.ts';
import type { Answer, Call, RouteDeps } from '../call.ts';
import { eventOf } from '../event-of.ts';
import { parseRevision } from '../schema.ts';
import type { V2Event } from '../types.ts';

/** ms between two tries to watch while no store is in reach. */
const RETRY_MS = 1_000;

/** The readers of events at this fleetd. */
export class EventReaders {
  readonly #deps: RouteDeps;
  #count = 0;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
  }

  /** Answers with a stream that goes on until the client or the server ends it. */
  async open(call: Call): Promise<Answer> {
    if (this.#count >= EVENTS_READERS_MAX)
      throw new FleetError(
        'REGISTRY_BUSY',
        `${EVENTS_READERS_MAX} clients read events here already`,
        {
          hint: 'Ask another fleetd, or try again.',
        },
      );
    const { query, headers, signal } = call;
    const exact = query.get('name');
    const prefix = query.get('prefix') ?? '';
    const wants = (name: string): boolean =>
      exact === null ? name.startsWith(prefix) : name === exact;
    const lastId = headers['last-event-id'];
    const after = query.get('after') ?? (typeof lastId === 'string' ? lastId : undefined);
    // Also for a reader that knows where it was: without a store in reach the answer is 503, not an empty stream.
    const now = await currentRevision(this.#deps, signal);
    const from = after === undefined ? now : parseRevision('after', after);
    return { stream: (response) => this.#serve({ response, wants, from }, signal) };
  }

  async #serve(reader: Reader, signal: AbortSignal): Promise<void> {
    this.#count += 1;
    try {
      reader.response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
      });
      write(reader.response, `: from ${reader.from}\n\n`);
      await withChildSignal(signal, async (child) => {
        const both = [tell(this.#deps, reader, child), beat(this.#deps, reader.response, child)];
        try {
          await Promise.race(both);
        } finally {
          for (const one of both) one.catch(() => undefined);
        }
      });
    } finally {
      this.#count -= 1;
    }
  }
}

interface Reader {
  readonly response: ServerResponse;
  readonly wants: (name: string) => boolean;
  /** What happened up to here is known to it. */
  readonly from: Revision;
}

/** Tells the reader of changes until it goes; begins anew with `reset` when a watch is lost. */
async function tell(deps: RouteDeps, reader: Reader, signal: AbortSignal): Promise<never> {
  const { registry, clock, log } = deps;
  let from = reader.from;
  for (;;) {
    try {
      for await (const batch of registry.kv.watch(registry.keys.prefix, from + 1n, signal))
        tellBatch(deps, reader, batch);
      signal.throwIfAborted();
    } catch (error) {
      signal.throwIfAborted();
      if (!isFleetError(error)) throw error;
      log.warn(
        { err: error.message, code: error.code },
        'watch for events ended, telling the reader to read again',
      );
    }
    from = await revisionWhenInReach(deps, signal);
    send(reader.response, from, { kind: 'reset' });
    await clock.sleep(RETRY_MS, signal);
  }
}

function tellBatch(deps: RouteDeps, reader: Reader, batch: WatchBatch): void {
  for (const change of batch.events) {
    const event = eventOf(deps.registry, change, reader.wants);
    if (event !== undefined) send(reader.response, batch.revision, event);
  }
}

async function revisionWhenInReach(deps: RouteDeps, signal: AbortSignal): Promise<Revision> {
  for (;;) {
    try {
      return await currentRevision(deps, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
      await deps.clock.sleep(RETRY_MS, signal);
    }
  }
}

async function currentRevision({ registry }: RouteDeps, signal: AbortSignal): Promise<Revision> {
  const page = await registry.kv.range(registry.keys.format, { limit: 1, keysOnly: true }, signal);
  return page.revision;
}

/** Comments, so that neither side nor anything between takes silence for death. */
async function beat(
  { clock }: RouteDeps,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await clock.sleep(EVENTS_HEARTBEAT_MS, signal);
    write(response, ': still here\n\n');
  }
}

function send(response: ServerResponse, revision: Revision, event: V2Event): void {
  write(response, `id: ${revision}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** A reader too slow is cut off: it comes back with `after`, and memory stays bounded. */
function write(response: ServerResponse, text: string): void {
  response.write(text);
  if (response.writableLength > EVENTS_BUFFER_MAX_BYTES) response.destroy();
}

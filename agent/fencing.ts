// Gives each start of a fenced unit its token: taken from the store for all that wait, written where the unit reads it.
// Invariant: no start is let go whose token is not above every one that this cluster gave out, that nobody asks for any more, or whose machine
// others may have given up by now: its unit may run elsewhere, with a later token.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import {
  raiseToken,
  readToken,
  STARTS_A_TOKEN_MAX,
  takeToken,
  type AskedBy,
} from '../src/registry/fence.ts';
import type { Registry } from '../src/registry/registry.ts';
import { aborted, withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { Wake } from '../src/runtime/wake.ts';
import type { LeaseView } from './cut-off.ts';
import type { DropIns } from './drop-ins.ts';
import type { TokenFile } from './token-file.ts';

export interface FencingDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly tokens: TokenFile;
  readonly dropIns: DropIns;
  readonly lease: Pick<LeaseView, 'deadlineMs'>;
}

/** A start that is asked for: by a key of the store, or by what the disk says after a boot without it. */
export interface FencedStart {
  readonly name: UnitName;
  readonly generation: number;
  readonly askedBy: AskedBy | 'disk';
}

/** ms between two tries. */
const AGAIN_MS = 500;

interface Waiting extends FencedStart {
  readonly settle: (isLetGo: boolean) => void;
}

/** The queue of fenced starts. `run` it beside the host's loops. */
export class Fencing {
  readonly #deps: FencingDeps;
  readonly #queue = new Set<Waiting>();
  readonly #wake = new Wake();
  readonly #raiseWake = new Wake();

  constructor(deps: FencingDeps) {
    this.#deps = deps;
    this.#raiseWake.set(); // the store may have gone back while nobody looked
  }

  /** Ends when the unit's token is in its place: true; false where the store asks for something else by now. Waits for the store. */
  async prepare(start: FencedStart, signal: AbortSignal): Promise<boolean> {
    const settled = Promise.withResolvers<boolean>();
    const waiting: Waiting = { ...start, settle: settled.resolve };
    this.#queue.add(waiting);
    this.#wake.set();
    try {
      return await withChildSignal(signal, async (child) => {
        const isLetGo = await Promise.race([settled.promise, aborted(child)]);
        signal.throwIfAborted();
        return isLetGo === true;
      });
    } finally {
      this.#queue.delete(waiting);
    }
  }

  /** Throws STORE_UNAVAILABLE where the others may have given this machine up: it stood still, or the start waited for its turn. */
  throwIfLate(): void {
    const { clock, lease } = this.#deps;
    if (clock.bootMs() < lease.deadlineMs()) return;
    throw new FleetError('STORE_UNAVAILABLE', "this machine's lease has not been renewed in time");
  }

  /**
   * From now on this host also knows what the store has given out until now: to a unit that is this host's alone from here on, and that ran elsewhere before.
   * A start of it without the store has a later token. Answers false where the store does not say it.
   */
  async learn(signal: AbortSignal): Promise<boolean> {
    const { registry, tokens } = this.#deps;
    try {
      await tokens.raise(await readToken(registry, signal));
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!isFleetError(error)) throw error;
      return false;
    }
  }

  /** The store may have gone back: it is told of the highest token that this host knows. */
  raise(): void {
    this.#raiseWake.set();
  }

  /** Serves until aborted. */
  run(signal: AbortSignal): Promise<void> {
    return runTogether(signal, [
      (child) => this.#repeat(this.#wake, () => this.#serve(child), child),
      (child) => this.#repeat(this.#raiseWake, () => this.#raiseNow(child), child),
    ]);
  }

  async #repeat(wake: Wake, work: () => Promise<void>, signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#deps;
    for (;;) {
      await wake.changed(signal);
      try {
        await work();
      } catch (error) {
        signal.throwIfAborted();
        if (isFleetError(error, 'STORE_UNAVAILABLE'))
          log.debug({ code: error.code, err: error.message }, 'no fencing token yet');
        else if (isFleetError(error))
          log.warn({ code: error.code, err: error.message }, 'no fencing token yet, trying again');
        else log.error({ err: error }, 'a fencing token cannot be given, trying again');
        await clock.sleep(AGAIN_MS, signal);
        wake.set();
      }
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const local = [...this.#queue].filter(({ askedBy }) => askedBy === 'disk');
    if (local.length > 0) await this.#serveLocally(local);
    const starts = [...this.#queue].flatMap(({ askedBy, ...waiting }) =>
      askedBy === 'disk' ? [] : [{ ...waiting, askedBy }],
    );
    for (let at = 0; at < starts.length; at += STARTS_A_TOKEN_MAX)
      await this.#serveFromStore(starts.slice(at, at + STARTS_A_TOKEN_MAX), signal);
  }

  /** After a boot without the store: units that no other host may run, so no other host has given them a token meanwhile. */
  async #serveLocally(starts: readonly Waiting[]): Promise<void> {
    const { tokens } = this.#deps;
    const token = 1 + Math.max(tokens.token, ...generations(starts));
    await this.#setToken(starts, token);
    for (const { settle } of starts) settle(true);
    this.raise();
  }

  async #serveFromStore(
    starts: readonly (Waiting & { askedBy: AskedBy })[],
    signal: AbortSignal,
  ): Promise<void> {
    const { registry, tokens } = this.#deps;
    this.throwIfLate();
    const least = Math.max(tokens.token, ...generations(starts));
    const asked = starts.map(({ askedBy }) => askedBy);
    const { token, changed } = await takeToken(registry, { starts: asked, least }, signal);
    for (const { askedBy, settle } of starts) if (changed.has(askedBy.key)) settle(false);
    const granted = starts.filter(({ askedBy }) => !changed.has(askedBy.key));
    await this.#setToken(granted, token);
    this.throwIfLate();
    for (const { settle } of granted) settle(true);
  }

  async #setToken(starts: readonly Waiting[], token: number): Promise<void> {
    const { tokens, dropIns } = this.#deps;
    if (starts.length === 0) return;
    await tokens.raise(token);
    for (const { name } of starts) await dropIns.setToken(name, token);
  }

  async #raiseNow(signal: AbortSignal): Promise<void> {
    const { registry, tokens } = this.#deps;
    if (tokens.token > 0) await raiseToken(registry, tokens.token, signal);
  }
}

function generations(starts: readonly FencedStart[]): readonly number[] {
  return starts.map(({ generation }) => generation);
}

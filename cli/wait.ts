// Follows the event stream until every awaited unit is where it should be; says at once why one is not.
// Invariant: it never hangs in silence: what it waits for is printed, and --block-attempts or --timeout end it.
import type { Happening } from '../src/api/client.ts';
import type { V2Explanation } from '../src/api/types.ts';
import { isFleetError, type ErrorCode } from '../src/model/errors.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Context } from './context.ts';
import { applyEvent, judge, type UnitView, type Verdict } from './goal.ts';
import { lookAgain } from './look.ts';
import { inParallel } from './parallel.ts';
import { paint } from './render/paint.ts';
import { SAID_MAX, waitEnded, whatIsMissing } from './waiting-words.ts';

/** Called once a unit, when its verdict is known. */
export type OnVerdict = (
  view: UnitView,
  verdict: Exclude<Verdict, { kind: 'waiting' }>,
) => Promise<void> | void;

/** ms of silence after which it says that it waits. */
const SILENCE_MS = 2_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

/**
 * Waits for the goals of `views`, which are as the requests found and left their units. `timeoutMs` 0: for ever.
 * Rejects with WAIT_ENDED, naming what is missing and why, when the time is over.
 */
export async function waitForGoals(
  context: Context,
  views: readonly UnitView[],
  timeoutMs: number,
  onVerdict: OnVerdict,
): Promise<void> {
  const wait = new Wait(context, views, onVerdict);
  await withChildSignal(context.signal, async (child) => {
    const ends: Promise<void>[] = [wait.follow(child), wait.breakSilence(child)];
    if (timeoutMs > 0)
      ends.push(
        context.clock.sleep(timeoutMs, child).then(() => {
          throw waitEnded([...wait.open.values()], timeoutMs);
        }),
      );
    await Promise.race(ends); // the child signal ends the others
  });
}

/** What ends a stream without ending the wait. */
const LOST: readonly ErrorCode[] = [
  'API_UNREACHABLE',
  'REGISTRY_BUSY',
  'STORE_COMPACTED',
  'STORE_REVERTED',
  'STORE_UNAVAILABLE',
];

class Wait {
  /** By name: what has no verdict yet. */
  readonly open: Map<string, UnitView>;
  readonly #context: Context;
  readonly #onVerdict: OnVerdict;
  /** What was last said of each unit. */
  readonly #said = new Map<string, string>();
  #isLost = false;

  constructor(context: Context, views: readonly UnitView[], onVerdict: OnVerdict) {
    this.#context = context;
    this.#onVerdict = onVerdict;
    this.open = new Map(views.map((view) => [view.name, view]));
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#context;
    for (const view of this.open.values()) await this.#settle(view);
    // Why they wait was told before this began, and is told again only when it changes.
    const waiting = [...this.open.values()].filter(({ isAsked }) => !isAsked);
    await inParallel(waiting.slice(0, SAID_MAX), (view) => this.#sayWhy(view, signal));
    let backoffMs = BACKOFF_FIRST_MS;
    while (this.open.size > 0) {
      try {
        const names = [...this.open.keys()];
        const after = oldest(this.open.values());
        for await (const happening of client.events(prefixOf(names), after.toString(), signal)) {
          this.#found();
          if (happening.event.kind === 'reset') break;
          backoffMs = BACKOFF_FIRST_MS;
          await this.#take(happening);
          if (this.open.size === 0) return;
        }
      } catch (error) {
        this.#lost(error, signal);
      }
      await clock.sleep(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
      await this.#lookAgain(signal);
    }
  }

  /** After some silence, says once what is waited for, and what the server knows of the reasons. */
  async breakSilence(signal: AbortSignal): Promise<never> {
    await this.#context.clock.sleep(SILENCE_MS, signal);
    const views = [...this.open.values()];
    for (const view of views.slice(0, SAID_MAX)) await this.#sayWaiting(view, signal);
    if (views.length > SAID_MAX)
      this.#context.stderr(`Waiting for ${views.length - SAID_MAX} more units\n`);
    return await new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  async #take({ event, revision }: Happening): Promise<void> {
    if (event.kind === 'reset') return;
    const view = this.open.get(event.name);
    if (view === undefined) return;
    applyEvent(view, event, revision);
    if (event.kind === 'pending') this.#sayPending(view, view.pending);
    await this.#settle(view);
  }

  async #settle(view: UnitView): Promise<void> {
    const verdict = judge(view);
    if (verdict.kind === 'waiting') return;
    this.open.delete(view.name);
    await this.#onVerdict(view, verdict);
  }

  /** Events were missed: what is true now takes the place of each view. */
  async #lookAgain(signal: AbortSignal): Promise<void> {
    try {
      for (const view of await lookAgain(this.#context, [...this.open.values()], signal)) {
        this.open.set(view.name, view);
        await this.#settle(view);
      }
      this.#found();
    } catch (error) {
      this.#lost(error, signal);
    }
  }

  #lost(error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    if (!isFleetError(error, ...LOST)) throw error;
    if (!this.#isLost) this.#context.stderr(`Lost touch: ${error.message}; trying again\n`);
    this.#isLost = true;
  }

  #found(): void {
    if (this.#isLost) this.#context.stderr('In touch again\n');
    this.#isLost = false;
  }

  /** Why a unit waits that nothing was written for: nobody will tell it anew. */
  async #sayWhy(view: UnitView, signal: AbortSignal): Promise<void> {
    if (view.goal !== 'launched' && view.goal !== 'loaded') return;
    const answer = await this.#explain(view, signal);
    if (answer?.pending === undefined || !this.open.has(view.name)) return;
    view.pending = answer.lines;
    this.#sayPending(view, answer.lines);
  }

  async #sayWaiting(view: UnitView, signal: AbortSignal): Promise<void> {
    const lines = (await this.#explain(view, signal))?.lines ?? [];
    if (!this.open.has(view.name)) return;
    const text = lines.map((line) => `  ${line}\n`).join('');
    const isNew = text !== '' && this.#said.get(view.name) !== text;
    if (isNew) this.#said.set(view.name, text);
    const { stderr } = this.#context;
    stderr(`Waiting for ${view.name}:${isNew ? `\n${text}` : ` ${whatIsMissing(view)}\n`}`);
  }

  /** What the server knows of it; undefined where that is nothing, or it cannot be asked: the stream says what becomes of that. */
  async #explain(view: UnitView, signal: AbortSignal): Promise<V2Explanation | undefined> {
    try {
      return await this.#context.client.explain(view.name, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isFleetError(error)) throw error;
      return undefined;
    }
  }

  #sayPending(view: UnitView, lines: readonly string[]): void {
    const text = lines.map((line) => `  ${line}\n`).join('');
    if (lines.length === 0 || this.#said.get(view.name) === text) return;
    this.#said.set(view.name, text);
    const { stderr, colours } = this.#context;
    stderr(`Unit ${view.name} ${paint('waits for a machine', 'yellow', colours.stderr)}:\n${text}`);
  }
}

function oldest(views: Iterable<UnitView>): bigint {
  let revision: bigint | undefined;
  for (const view of views)
    if (revision === undefined || view.revision < revision) revision = view.revision;
  return revision ?? 0n;
}

/** What all names begin with: one stream serves them all. */
export function prefixOf(names: readonly string[]): string {
  const [first = '', ...rest] = names;
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}

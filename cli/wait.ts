// Follows the event stream until every awaited unit is where it should be; says at once why one is not.
// Invariant: it never hangs in silence: what it waits for is printed, and --block-attempts or --timeout end it.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { V2Explanation } from '../src/api/types.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Context } from './context.ts';
import { applyEvent, judge, viewOf, type Goal, type UnitView, type Verdict } from './goal.ts';

export interface WaitOptions {
  /** ms until it gives up; 0: never. */
  readonly timeoutMs: number;
  /** The store's revision before the requests were sent: nothing after it is missed. */
  readonly after: string;
}

/** Called once a unit, when its verdict is known. */
export type OnVerdict = (
  view: UnitView,
  verdict: Exclude<Verdict, { kind: 'waiting' }>,
) => Promise<void> | void;

/** How many units are looked at at once: each look is a request or two. */
const LOOKS_MAX = 16;
/** Units that are named when it says what it waits for. */
const NAMED_MAX = 10;
/** ms of silence after which it says that it waits. */
const SILENCE_MS = 2_000;

/** Waits for the goals by name. Rejects with WAIT_ENDED, naming what is missing and why, when the time is over. */
export async function waitForGoals(
  context: Context,
  goals: ReadonlyMap<string, Goal>,
  options: WaitOptions,
  onVerdict: OnVerdict,
): Promise<void> {
  const open = new Map<string, UnitView>();
  const { clock, signal } = context;
  await withChildSignal(signal, async (child) => {
    const work = follow(context, { goals, open, after: options.after, onVerdict }, child);
    const hints = sayWhatIsMissing(context, open, child);
    hints.catch(() => undefined);
    if (options.timeoutMs === 0) return await Promise.race([work, hints]);
    const expiry = clock.sleep(options.timeoutMs, child).then(() => {
      throw waitEnded(open, options.timeoutMs);
    });
    expiry.catch(() => undefined);
    return await Promise.race([work, hints, expiry]);
  });
}

interface Follow {
  readonly goals: ReadonlyMap<string, Goal>;
  readonly open: Map<string, UnitView>;
  readonly after: string;
  readonly onVerdict: OnVerdict;
}

async function follow(context: Context, wait: Follow, signal: AbortSignal): Promise<void> {
  const { goals, open, onVerdict } = wait;
  const settle = async (view: UnitView): Promise<void> => {
    const verdict = judge(view);
    if (verdict.kind === 'waiting') return;
    open.delete(view.name);
    await onVerdict(view, verdict);
  };
  let after = wait.after;
  const todo = new Set(goals.keys());
  for (;;) {
    // What is true now, then what changes: `after` is older than every look, so nothing is missed between.
    const looks = todo.values();
    const look = async (): Promise<void> => {
      for (const name of looks)
        open.set(name, await lookAt(context, name, goals.get(name) ?? 'launched', signal));
    };
    await Promise.all(Array.from({ length: LOOKS_MAX }, look));
    for (const view of open.values()) await settle(view);
    if (open.size === 0) return;
    for await (const { revision, event } of context.client.events(
      commonPrefix([...open.keys()]),
      after,
      signal,
    )) {
      if (event.kind === 'reset') break;
      const view = open.get(event.name);
      if (view === undefined || revision <= view.revision) continue;
      applyEvent(view, event);
      if (event.kind === 'pending') sayPending(context, view);
      await settle(view);
      if (open.size === 0) return;
    }
    signal.throwIfAborted();
    todo.clear();
    for (const name of open.keys()) todo.add(name);
    after = await context.client.revision(signal);
  }
}

async function lookAt(
  context: Context,
  name: string,
  goal: Goal,
  signal: AbortSignal,
): Promise<UnitView> {
  try {
    const view = viewOf(await context.client.unit(name, signal), goal);
    if (goal === 'launched' || goal === 'loaded') {
      const { lines, pending } = await context.client.explain(name, signal);
      if (pending !== undefined) view.pending = lines;
    }
    sayPending(context, view);
    return view;
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND') || goal !== 'destroyed') throw error;
    return await lookAtLeft(context, name, signal);
  }
}

/** A destroyed unit: where it is still to be stopped. An orphan is not: nobody has asked its host. */
async function lookAtLeft(context: Context, name: string, signal: AbortSignal): Promise<UnitView> {
  const left = await explanationOfLeft(context, name, signal);
  const rows = (left?.left ?? []).filter(({ orphan }) => orphan !== true);
  return {
    name,
    goal: 'destroyed',
    revision: 0n,
    generation: 0,
    global: false,
    machineID: left?.machineID,
    states: new Map(rows.map((row) => [row.machineID, row])),
    pending: [],
  };
}

async function explanationOfLeft(
  context: Context,
  name: string,
  signal: AbortSignal,
): Promise<V2Explanation | undefined> {
  try {
    return await context.client.explain(name, signal);
  } catch (error) {
    if (isFleetError(error, 'UNIT_NOT_FOUND')) return undefined;
    throw error;
  }
}

function sayPending(context: Context, view: UnitView): void {
  if (view.pending.length === 0) return;
  context.stderr(`Unit ${view.name} waits for a machine:\n`);
  for (const line of view.pending) context.stderr(`  ${line}\n`);
}

/** After some silence, names what is waited for, once. */
async function sayWhatIsMissing(
  context: Context,
  open: ReadonlyMap<string, UnitView>,
  signal: AbortSignal,
): Promise<never> {
  await context.clock.sleep(SILENCE_MS, signal);
  const views = [...open.values()];
  for (const view of views.slice(0, NAMED_MAX)) context.stderr(`${whatIsMissing(view)}\n`);
  if (views.length > NAMED_MAX)
    context.stderr(`Waiting for ${views.length - NAMED_MAX} more units\n`);
  return await new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function whatIsMissing(view: UnitView): string {
  const row = view.machineID === undefined ? undefined : view.states.get(view.machineID);
  if (view.goal === 'inactive' || view.goal === 'destroyed') {
    const on = [...view.states.keys()].map((id) => id.slice(0, 8)).join(', ');
    return `Waiting for ${view.name} to be stopped${on === '' ? '' : ` on ${on}`}`;
  }
  if (view.machineID === undefined)
    return view.pending.length > 0
      ? `Waiting for a machine that may run ${view.name}`
      : `Waiting for the engine to place ${view.name}`;
  const where = view.machineID.slice(0, 8);
  if (row === undefined || row.generation < view.generation)
    return `Waiting for ${where} to load ${view.name}`;
  return `Waiting for systemd's job of ${view.name} on ${where} (${row.systemdActiveState}/${row.systemdSubState})`;
}

function waitEnded(open: ReadonlyMap<string, UnitView>, timeoutMs: number): FleetError {
  const missing = [...open.values()].map((view) => whatIsMissing(view));
  const [first = 'nothing is known of the units', ...rest] = missing;
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  const [name = 'UNIT'] = open.keys();
  return new FleetError('WAIT_ENDED', `gave up after ${timeoutMs / 1000} s: ${first}${more}`, {
    hint: `It goes on by itself; see: fleetctl explain ${name}`,
  });
}

function commonPrefix(names: readonly string[]): string {
  const [first = '', ...rest] = names;
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}

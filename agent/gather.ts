// How long a host waits for more changes before it acts on those that have come: each pass that loads a unit costs a reload of systemd.
// Invariant: what is to be stopped is not put off for what is yet to come.
import type { Clock } from '../src/runtime/clock.ts';
import type { Reloads } from './reloads.ts';

export interface GatherDeps {
  readonly clock: Clock;
  /** What the store asks of this host. */
  readonly schedule: Readonly<{ revision: bigint; untaken: number }>;
  readonly reloads: Reloads;
  /** Takes in what has come, and asks what has to be known of it. Answers whether something is to be stopped, which costs no reload. */
  readonly look: () => boolean;
  /** What is asked, and whether all of it is answered. */
  readonly questions: Readonly<{ isAsking: boolean }>;
}

/** ms after which a change that came alone is acted on. Of a row the end is waited for, a time without a change: half a reload of systemd, */
const GATHER_MS = 5;
/** and at least and at most this, */
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 100;
/** up to this in all, or for as long as a reload takes. */
const GATHER_MAX_MS = 200;

/** A change that comes alone goes on at once; a row of them is waited for until it pauses. */
export async function gather(
  { clock, schedule, reloads, questions, look }: GatherDeps,
  signal: AbortSignal,
): Promise<void> {
  const { worthMs } = reloads;
  const end = clock.now() + Math.max(GATHER_MAX_MS, worthMs);
  const pauseMs = Math.max(PAUSE_MIN_MS, Math.min(worthMs / 2, PAUSE_MAX_MS));
  let seen = schedule.revision;
  let changedMs = clock.now();
  const isRow = schedule.untaken > 1;
  if (schedule.untaken > 0) look();
  await clock.sleep(GATHER_MS, signal);
  const isChanged = schedule.revision !== seen;
  if (!isRow && !isChanged) return;
  if (isChanged) changedMs = clock.now();
  const goesOn = (): boolean => clock.now() - changedMs < pauseMs || questions.isAsking;
  let isStopDue = look();
  while (!isStopDue && clock.now() < end && goesOn()) {
    seen = schedule.revision;
    await clock.sleep(GATHER_MS, signal);
    if (schedule.revision === seen) continue;
    changedMs = clock.now();
    isStopDue = look();
  }
}

// Cancellation: every long wait hangs on a signal, and a child signal never outlives its scope.
import type { Clock } from './clock.ts';

/** One for all: made thousands of times a second, its stack would cost more than the scope. */
const SCOPE_ENDED = new Error('scope ended');

/** Runs `scope` with a signal that aborts with `parent`, and always when the scope ends. */
export async function withChildSignal<T>(
  parent: AbortSignal,
  scope: (child: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const forward = (): void => controller.abort(parent.reason);
  if (parent.aborted) forward();
  else parent.addEventListener('abort', forward, { once: true });
  try {
    return await scope(controller.signal);
  } finally {
    parent.removeEventListener('abort', forward);
    if (!controller.signal.aborted) controller.abort(SCOPE_ENDED);
  }
}

/** The reason with which `withTimeout` aborts. */
export class TimeoutError extends Error {}

/** Runs `scope` with a signal of its own that aborts after `ms`; for what must be tried while all else is stopping. */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  scope: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return await withChildSignal(controller.signal, async (child) => {
    const expiry = clock.sleep(ms, child).then(
      () => controller.abort(new TimeoutError(`not done within ${ms} ms`)),
      () => undefined, // the scope ended first
    );
    void expiry;
    return await scope(child);
  });
}

/** Ends when `signal` aborts, and never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

// Cancellation: every long wait hangs on a signal, and a child signal never outlives its scope.

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
    if (!controller.signal.aborted) controller.abort(new Error('scope ended'));
  }
}

/** Ends when `signal` aborts, and never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

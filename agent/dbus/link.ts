// A connection that is made again whenever it is lost.
// Invariant: `prepare` has succeeded on every bus that `bus()` hands out.
import { FleetError } from '../../src/model/errors.ts';
import { DBUS_RECONNECT_WAIT_MS } from '../../src/model/limits.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { BusAddress } from './address.ts';
import { openBus } from './bus.ts';
import type { Bus } from './bus.ts';
import type { Message } from './wire.ts';

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 2000;

export interface LinkOptions {
  /** Tried in this order each time. */
  readonly addresses: readonly BusAddress[];
  readonly clock: Clock;
  /** ms until a call has failed. */
  readonly timeoutMs?: number;
  onSignal(message: Message): void;
  /** Subscribes, and looks up what was missed. */
  prepare(bus: Bus, signal: AbortSignal): Promise<void>;
  /** Told when a connection is lost or could not be made. */
  onDown(error: unknown, retryMs: number): void;
}

/** `run()` makes the connections. */
export class Link {
  readonly #options: LinkOptions;
  #bus: Bus | undefined;
  #failure: unknown;
  #waiters = new Set<() => void>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The bus that is up; waits for one for at most DBUS_RECONNECT_WAIT_MS, then DBUS_CLOSED. */
  async bus(signal: AbortSignal): Promise<Bus> {
    signal.throwIfAborted();
    if (this.#bus !== undefined) return this.#bus;
    const { clock } = this.#options;
    await withChildSignal(signal, (child) =>
      Promise.race([clock.sleep(DBUS_RECONNECT_WAIT_MS, child), this.#up(child)]),
    );
    if (this.#bus !== undefined) return this.#bus;
    throw new FleetError('DBUS_CLOSED', 'there is no connection to systemd', {
      cause: this.#failure,
      hint: 'Check that systemd and its bus run: systemctl status dbus.',
    });
  }

  /** Drops the bus that is up, so that another is made and prepared. */
  renew(): void {
    this.#bus?.close();
  }

  async run(signal: AbortSignal): Promise<never> {
    let backoffMs = BACKOFF_MIN_MS;
    for (;;) {
      try {
        const bus = await this.#open(signal);
        backoffMs = BACKOFF_MIN_MS;
        this.#failure = await closedOrAborted(bus, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FleetError)) throw error;
        this.#failure = error;
      } finally {
        this.#bus = undefined;
      }
      this.#options.onDown(this.#failure, backoffMs);
      await this.#options.clock.sleep(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }

  async #open(signal: AbortSignal): Promise<Bus> {
    const options = this.#options;
    const { clock, timeoutMs } = options;
    let failure: unknown = new FleetError('CONFIG_INVALID', 'there is no D-Bus address to try');
    for (const address of options.addresses) {
      let bus: Bus | undefined;
      try {
        const timeout = timeoutMs === undefined ? {} : { timeoutMs };
        const onSignal = (message: Message): void => options.onSignal(message);
        bus = await openBus({ address, clock, onSignal, ...timeout }, signal);
        await options.prepare(bus, signal);
        this.#bus = bus;
        for (const wake of this.#waiters) wake();
        return bus;
      } catch (error) {
        bus?.close();
        signal.throwIfAborted();
        if (!(error instanceof FleetError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #up(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

async function closedOrAborted(bus: Bus, signal: AbortSignal): Promise<FleetError> {
  const close = (): void => bus.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const why = await bus.closed;
    signal.throwIfAborted();
    return why;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

// Calls over one connection to a bus: each is matched with its reply, bounded in number and in time.
// Invariant: every call settles: reply, DBUS_CALL_FAILED, DBUS_TIMEOUT, DBUS_CLOSED or the caller's own abort.
import { FleetError } from '../../src/model/errors.ts';
import { DBUS_CALL_TIMEOUT_MS, DBUS_CALLS_MAX } from '../../src/model/limits.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { Wake } from '../../src/runtime/wake.ts';
import type { BusAddress } from './address.ts';
import { openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { Slots } from './slots.ts';
import { decodeMessage, encodeCall } from './wire.ts';
import type { Call, Message } from './wire.ts';

/** ms; how late a call that timed out may be told so. */
const SWEEP_MS = 500;
/** ms between two pings on a fresh private socket, and how many. */
const NUDGE_MS = 20;
const NUDGES_MAX = 50;

export interface BusOptions {
  readonly address: BusAddress;
  readonly clock: Clock;
  readonly timeoutMs?: number;
  /** Called for each signal in its order; must not throw. */
  onSignal(message: Message): void;
}

interface Pending {
  readonly call: Call;
  readonly dueMs: number;
  resolve(body: readonly unknown[]): void;
  reject(error: unknown): void;
}

/** Connects, and says Hello where there is a bus. */
export async function openBus(options: BusOptions, signal: AbortSignal): Promise<Bus> {
  const bus = new Bus(options);
  await bus.connect(signal);
  return bus;
}

/** An open connection. Once closed it stays closed. */
export class Bus {
  /** Ends when the connection is lost or closed, with the reason. */
  readonly closed: Promise<FleetError>;
  readonly #options: BusOptions;
  readonly #timeoutMs: number;
  readonly #slots = new Slots(DBUS_CALLS_MAX);
  readonly #pending = new Map<number, Pending>();
  readonly #called = new Wake();
  readonly #ended = new AbortController();
  #tellClosed: (error: FleetError) => void = () => undefined;
  #connection: Connection | undefined;
  #failure: FleetError | undefined;
  #serial = 0;

  constructor(options: BusOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? DBUS_CALL_TIMEOUT_MS;
    this.closed = new Promise((resolve) => (this.#tellClosed = resolve));
  }

  /** Whether systemd itself is at the other end, with no bus between. */
  get private(): boolean {
    return this.#options.address.private;
  }

  async connect(signal: AbortSignal): Promise<void> {
    const { address } = this.#options;
    this.#connection = await openConnection(
      address,
      {
        onFrame: (frame) => this.#onMessage(decodeMessage(frame)),
        onClosed: (error) => this.#end(error),
      },
      signal,
    );
    this.#sweep(this.#ended.signal).catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#end(closed('its clock failed', error));
    });
    if (address.private) await this.#nudge(signal);
    else await this.call(HELLO, signal);
  }

  /** Calls a method and answers the body of the reply. */
  async call(call: Call, signal: AbortSignal): Promise<readonly unknown[]> {
    await this.#slots.acquire(signal);
    try {
      return await this.#send(call, signal);
    } finally {
      this.#slots.release();
    }
  }

  close(): void {
    this.#connection?.close();
    this.#end(closed('it was closed here'));
  }

  /** Pings until the first answer: sd-bus lets bytes that came together with BEGIN lie until more bytes come. */
  async #nudge(signal: AbortSignal): Promise<void> {
    const first = this.call(PING, signal).then(() => true);
    for (let nudges = 0; ; nudges += 1) {
      const answered = await withChildSignal(signal, (child) =>
        Promise.race([first, this.#options.clock.sleep(NUDGE_MS, child).then(() => false)]),
      );
      if (answered) return;
      // Only the bytes of these matter; whether the connection works, the first one says.
      if (nudges < NUDGES_MAX) this.call(PING, signal).catch(() => undefined);
    }
  }

  #send(call: Call, signal: AbortSignal): Promise<readonly unknown[]> {
    signal.throwIfAborted();
    const connection = this.#connection;
    if (this.#failure !== undefined) throw this.#failure;
    if (connection === undefined) throw closed('it is not open yet');
    const serial = this.#nextSerial();
    const bytes = encodeCall(call, serial);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#pending.delete(serial);
        reject(signal.reason as Error);
      };
      const settle = (): void => {
        this.#pending.delete(serial);
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#pending.set(serial, {
        call,
        dueMs: this.#options.clock.now() + this.#timeoutMs,
        resolve: (body) => {
          settle();
          resolve(body);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#called.set();
      connection.send(bytes);
    });
  }

  #nextSerial(): number {
    // 32 bits, never 0; one that is still waiting after 4 billion calls is passed over.
    do this.#serial = (this.#serial % 0xffff_fffe) + 1;
    while (this.#pending.has(this.#serial));
    return this.#serial;
  }

  #onMessage(message: Message): void {
    if (message.kind === 'signal') {
      this.#options.onSignal(message);
      return;
    }
    if (message.replySerial === undefined) return; // a call to us: nothing is served here
    const pending = this.#pending.get(message.replySerial);
    if (pending === undefined) return; // given up: timed out or aborted
    if (message.kind === 'error') pending.reject(callFailed(pending.call, message));
    else if (message.unreadable !== undefined) pending.reject(unreadable(pending.call, message));
    else pending.resolve(message.body);
  }

  async #sweep(signal: AbortSignal): Promise<never> {
    for (;;) {
      if (this.#pending.size === 0) await this.#called.changed(signal);
      await this.#options.clock.sleep(Math.min(SWEEP_MS, this.#timeoutMs), signal);
      const now = this.#options.clock.now();
      // All have the same timeout, so the map is in the order of falling due.
      for (const pending of this.#pending.values()) {
        if (pending.dueMs > now) break;
        pending.reject(timedOut(pending.call, this.#timeoutMs));
      }
    }
  }

  #end(error: FleetError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#ended.abort(error);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#tellClosed(error);
  }
}

const HELLO: Call = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'Hello',
};

const PING: Call = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.DBus.Peer',
  member: 'Ping',
};

function closed(reason: string, cause?: unknown): FleetError {
  return new FleetError('DBUS_CLOSED', `no connection to D-Bus: ${reason}`, {
    cause,
    hint: 'Check that systemd and its bus run: systemctl status dbus.',
  });
}

function callFailed(call: Call, message: Message): FleetError {
  const [text] = message.body;
  const said = typeof text === 'string' ? text : 'no message';
  return new FleetError(
    'DBUS_CALL_FAILED',
    `systemd refused '${call.member}': ${said} (${message.errorName})`,
    {
      hint: 'Ask systemd the same by hand, with systemctl, and look at its journal.',
      details: { member: call.member, errorName: message.errorName, errorMessage: said },
    },
  );
}

function unreadable(call: Call, message: Message): FleetError {
  return new FleetError('DBUS_CALL_FAILED', `the reply to '${call.member}' could not be read`, {
    cause: message.unreadable,
    details: { member: call.member },
  });
}

function timedOut(call: Call, timeoutMs: number): FleetError {
  return new FleetError(
    'DBUS_TIMEOUT',
    `'${call.member}' had no answer over D-Bus within ${timeoutMs} ms`,
    {
      hint: 'Check that systemd answers: systemctl status.',
      details: { member: call.member, timeoutMs },
    },
  );
}

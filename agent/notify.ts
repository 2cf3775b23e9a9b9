// Tells systemd how fleetd is (sd_notify(3)), by systemd-notify(1): Node has no unix datagram sockets.
// Invariant: a failed notification is answered false and never stops fleetd; only the watchdog can be missed by it.
import { spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';

export interface Notifier {
  /** How often `watchdog()` must be called at least; undefined where systemd does not ask for it. */
  readonly watchdogMs: number | undefined;
  ready(status: string, signal: AbortSignal): Promise<boolean>;
  reloading(signal: AbortSignal): Promise<boolean>;
  stopping(signal: AbortSignal): Promise<boolean>;
  watchdog(signal: AbortSignal): Promise<boolean>;
  /** One line for `systemctl status`. */
  status(text: string, signal: AbortSignal): Promise<boolean>;
}

/** Opens it for the process `pid`, and takes the variables out of `env`, so that no child speaks for fleetd. */
export function openNotifier(env: Record<string, string | undefined>, pid: number): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
  delete env['NOTIFY_SOCKET'];
  delete env['WATCHDOG_USEC'];
  delete env['WATCHDOG_PID'];
  const watchdogMs = parseWatchdogMs(usec, watched, pid);
  if (socket === undefined || !(isAbsolute(socket) || socket.startsWith('@'))) {
    const nobody = (): Promise<boolean> => Promise.resolve(false);
    return {
      watchdogMs: undefined,
      ready: nobody,
      reloading: nobody,
      stopping: nobody,
      watchdog: nobody,
      status: nobody,
    };
  }
  const path = env['PATH'] ?? '/usr/bin:/bin';
  const send = (signal: AbortSignal, ...variables: readonly string[]): Promise<boolean> =>
    runNotify([`--pid=${pid}`, ...variables], { PATH: path, NOTIFY_SOCKET: socket }, signal);
  return {
    watchdogMs,
    ready: (status, signal) => send(signal, 'READY=1', `STATUS=${oneLine(status)}`),
    // MONOTONIC_USEC= is what Type=notify-reload wants with it.
    reloading: (signal) =>
      send(signal, 'RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: (signal) => send(signal, 'STOPPING=1'),
    watchdog: (signal) => send(signal, 'WATCHDOG=1'),
    status: (text, signal) => send(signal, `STATUS=${oneLine(text)}`),
  };
}

/** Half of the deadline, as sd_watchdog_enabled(3) advises. */
function parseWatchdogMs(
  usec: string | undefined,
  watched: string | undefined,
  pid: number,
): number | undefined {
  if (usec === undefined || !/^[1-9]\d{0,15}$/.test(usec)) return undefined;
  if (watched !== undefined && watched !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(usec) / 2000));
}

function runNotify(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('systemd-notify', args, { env, stdio: 'ignore', signal });
    child.once('error', () => resolve(false)); // not installed, or aborted
    child.once('close', (status) => resolve(status === 0));
  });
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

// The log: JSON lines on stdout, the journal does the rest. A message is a constant; facts are fields.
// Invariant: whoever logs waits for nobody. A journal that is slow, or hangs, holds up no renewal of a lease.
import { pino, type DestinationStream, type Logger } from 'pino';

/** What loops and handlers log with. Fields: component kind unit machine because revision durationMs attempt code err. */
export interface Log {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  child(fields: Readonly<Record<string, string>>): Log;
  /** From now on `debug` lines are written (true) or not. */
  setVerbose(verbose: boolean): void;
  /** Writes lines that the log of another thread has made, each with its end. */
  write(lines: string): void;
}

/** Bytes that wait for the reader of stdout; lines beyond them are lost, and their number is logged. */
const WAITING_MAX = 16 * 2 ** 20;

/** Opens the log on stdout. Lines are written behind the caller's back, and those that still wait as the process exits. */
export function openLog(verbose: boolean): Log {
  const out = pino.destination({ dest: 1, sync: false, maxLength: WAITING_MAX });
  const root = loggerTo(out, verbose);
  let lost = 0;
  const sayLost = (): void => {
    const lines = lost;
    lost = 0;
    if (lines > 0) root.warn({ lines }, 'the log was not read in time, lines are lost');
  };
  const flush = out.flushSync.bind(out);
  const flushAll = (): void => {
    flush();
    sayLost();
    flush();
  };
  // A full disk takes the log, not the host: what waits as the process exits would be tried for ever. Until it has room again.
  out.on('error', () => void (out.flushSync = ignore));
  out.on('write', () => void (out.flushSync = flushAll));
  out.on('drop', (lines: string) => void (lost += lines.split('\n').length - 1));
  out.on('drain', sayLost);
  out.flushSync = flushAll;
  return wrapped(root, (lines) => void out.write(lines));
}

/**
 * The log of a thread, for the one thread that writes: two that wrote would break each other's lines, and each would keep one of the four threads
 * that Node has for files and names while a journal hangs. `write` is given each line with its end, as it is to be written.
 */
export function openThreadLog(verbose: boolean, write: (line: string) => void): Log {
  return wrapped(loggerTo({ write }, verbose), write);
}

function loggerTo(out: DestinationStream, verbose: boolean): Logger {
  return pino(
    {
      base: null,
      level: levelOf(verbose),
      formatters: { level: (label) => ({ level: label }) },
    },
    out,
  );
}

function wrapped(root: Logger, write: (lines: string) => void): Log {
  const children: { level: string }[] = [root];
  const wrap = (logger: Logger): Log => ({
    error: (fields, message) => logger.error(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    info: (fields, message) => logger.info(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
    child: (fields) => {
      const child = logger.child(fields);
      children.push(child);
      return wrap(child);
    },
    setVerbose: (on) => {
      for (const each of children) each.level = levelOf(on);
    },
    write,
  });
  return wrap(root);
}

function levelOf(verbose: boolean): string {
  return verbose ? 'debug' : 'info';
}

const ignore = (): void => undefined;

/** Writes nothing. */
export const silentLog: Log = {
  error: ignore,
  warn: ignore,
  info: ignore,
  debug: ignore,
  child: () => silentLog,
  setVerbose: ignore,
  write: ignore,
};

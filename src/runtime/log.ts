// The log: JSON lines on stdout, the journal does the rest. A message is a constant; facts are fields.
// Invariant: whoever logs waits for nobody. A journal that is slow, or hangs, holds up no renewal of a lease.
// Threads that log write to the one stdout side by side, each whole lines.
import { once } from 'node:events';
import { pino } from 'pino';

/** What loops and handlers log with. Fields: component kind unit machine because revision durationMs attempt code err. */
export interface Log {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  child(fields: Readonly<Record<string, string>>): Log;
  /** From now on `debug` lines are written (true) or not. */
  setVerbose(verbose: boolean): void;
}

/** A log with a stdout of its own. */
export interface OpenLog extends Log {
  /** Ends when all that was logged is written; nothing may be logged from then on. */
  end(): Promise<void>;
}

const STDOUT = 1;
/** Bytes that wait for the reader of stdout; lines beyond them are lost, and their number is logged. */
const WAITING_MAX = 16 * 2 ** 20;
/** Bytes; what a pipe takes in one piece whoever else writes to it: `PIPE_BUF` of Linux. Only a longer line may be broken by another's. */
const WRITE_MAX = 4_096;

/** Opens the log on stdout, or behind what the file `path` has. Lines are written behind the caller's back, and those that still wait as the process exits. */
export function openLog(verbose: boolean, path?: string): OpenLog {
  const out = pino.destination({
    dest: path ?? STDOUT,
    sync: false,
    maxLength: WAITING_MAX,
    maxWrite: WRITE_MAX,
  });
  const root = pino(
    {
      base: null,
      level: levelOf(verbose),
      formatters: { level: (label) => ({ level: label }) },
    },
    out,
  );
  let lost = 0;
  // A full disk takes the log, not the host; and what waits as the process exits would be tried for ever.
  out.on('error', () => void (out.flushSync = ignore));
  out.on('drop', () => void (lost += 1));
  out.on('drain', () => {
    if (lost === 0) return;
    root.warn({ lines: lost }, 'the log was not read in time, lines are lost');
    lost = 0;
  });
  const children: { level: string }[] = [root];
  const wrap = (logger: typeof root): Log => ({
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
  });
  return {
    ...wrap(root),
    end: async () => {
      const written = once(out, 'close');
      out.end();
      await written;
    },
  };
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
};

// The log: JSON lines on stdout, the journal does the rest. A message is a constant; facts are fields.
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

/** Opens the log on stdout. Lines are written at once: what was logged before a crash is there. */
export function openLog(verbose: boolean): Log {
  const root = pino(
    {
      base: null,
      level: levelOf(verbose),
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 1, sync: true }),
  );
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
};

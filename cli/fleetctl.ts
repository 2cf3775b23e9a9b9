// One call of fleetctl, from its words to its exit status; main.ts hands it the process, tests hand it their own.
import { isFleetError, type FleetError } from '../src/model/errors.ts';
import type { Io } from './context.ts';
import { report } from './exit.ts';

/** Runs fleetctl with the words after its name; answers the exit status. */
export async function fleetctl(words: readonly string[], io: Io): Promise<number> {
  const [first, second] = words;
  if (second === undefined && first !== undefined && VERSION_WORDS.has(first)) {
    io.stdout(`fleetctl version ${io.version}\n`); // without loading the rest
    return 0;
  }
  if (first === 'fd-forward' && second !== undefined && words.length === 2) {
    return await forward(second, io);
  }
  let causes = false;
  try {
    const { readCommandLine } = await import('./program.ts');
    const asked = readCommandLine(words, io);
    if (asked.kind === 'printed') return 0;
    if (asked.kind === 'wrong') {
      io.stderr(`fleetctl: ${asked.problem}\n${asked.usage}\n`);
      return 2;
    }
    const { command, args, values } = asked;
    causes = values.flag('debug');
    const { run } = command;
    if (typeof run !== 'function') return await run.offline(io, args, values);
    const { withContext } = await import('./reach.ts');
    return await withContext(values, io, (context) => run({ context, args, values }));
  } catch (error) {
    if (io.signal.aborted) return INTERRUPTED;
    if (causes && isFleetError(error)) sayCauses(error, io);
    return report(error, io.stderr);
  }
}

const VERSION_WORDS: ReadonlySet<string> = new Set(['version', '--version', '-v']);
/** As a shell counts a process that SIGINT ended. */
const INTERRUPTED = 130;

/** Without loading the rest: --tunnel runs it once a connection. */
async function forward(socket: string, io: Io): Promise<number> {
  const { fdForward } = await import('./commands/fd-forward.ts');
  try {
    return await fdForward(io, socket);
  } catch (error) {
    return io.signal.aborted ? INTERRUPTED : report(error, io.stderr);
  }
}

function sayCauses(error: FleetError, io: Io): void {
  let cause: unknown = error;
  while (cause instanceof Error) {
    io.stderr(`${cause.stack ?? cause.message}\n`);
    cause = cause.cause;
  }
}

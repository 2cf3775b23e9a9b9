// fleetd's command line: options, configuration, signals, exit status. Everything else is in daemon.ts.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { openLog, type Log } from '../src/runtime/log.ts';
import { VERSION } from '../src/runtime/version.ts';
import { Wake } from '../src/runtime/wake.ts';
import type { DaemonOptions } from './daemon.ts';
import { parseConfig, type ConfigResult } from './config.ts';
import { keepHeapSmall } from './heap.ts';
import { clearWhenQuiet, ownHeap } from './quiet-heap.ts';

const USAGE =
  'usage: fleetd [--config FILE] [--standalone] [--version] [--help]\n       fleetd provision …';
const DEFAULT_FILE = '/etc/fleet/fleet.conf';

interface Arguments {
  readonly config: string | undefined;
  readonly standalone: boolean;
  readonly version: boolean;
  readonly help: boolean;
}

/** What only a test changes of a fleetd. */
export type ProgramOptions = Pick<DaemonOptions, 'filters'>;

/** Runs fleetd with these arguments until it is told to end. Answers the exit status. */
export async function fleetd(
  argv: readonly string[],
  options: ProgramOptions = {},
): Promise<number> {
  const log = openLog(false);
  try {
    if (argv[0] === 'provision') return await runProvision(argv.slice(1));
    const given = parseArguments(argv);
    if (given.help) {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    if (given.version) {
      process.stdout.write(`fleetd version ${VERSION}\n`);
      return 0;
    }
    await run(given, log, options);
    return 0;
  } catch (error) {
    if (!isFleetError(error)) {
      log.error({ err: error }, 'fleetd ends by a fault');
      return 70; // EX_SOFTWARE
    }
    process.stderr.write(`fleetd: ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`);
    return error.code === 'USAGE' ? 2 : 1;
  }
}

/** Options as the original took them: one dash or two. Throws USAGE, or CONFIG_INVALID for a word that is no option. */
function parseArguments(argv: readonly string[]): Arguments {
  const args = argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--'));
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        standalone: { type: 'boolean', default: false },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const isVersion = positionals.length === 1 && positionals[0] === 'version';
    if (positionals.length > 0 && !isVersion)
      throw new FleetError('CONFIG_INVALID', `'${positionals[0]}' is not an option`, {
        hint: USAGE,
      });
    const { config, standalone, version, help } = values;
    return { config, standalone, version: version || isVersion, help };
  } catch (error) {
    if (isFleetError(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FleetError('USAGE', message.toLowerCase().split(/\n|\. /, 1)[0] ?? '', {
      hint: USAGE,
    });
  }
}

/** Makes this host what a file says. Loaded here: the daemon needs nothing of it. */
async function runProvision(words: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort(new FleetError('PROVISION_FAILED', 'it was interrupted'));
  process.once('SIGINT', end).once('SIGTERM', end); // a second one ends it at once
  const { provision } = await import('./provision/command.ts');
  return await provision(words, {
    env: process.env,
    uid: process.getuid?.() ?? 0,
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    signal: stop.signal,
  });
}

async function run(given: Arguments, log: Log, options: ProgramOptions): Promise<void> {
  const read = async (): Promise<ConfigResult> => {
    const text = await configText(given.config);
    const { standalone } = given;
    return parseConfig({
      ...(text === undefined ? {} : { text }),
      env: process.env,
      uid: process.getuid?.() ?? 0,
      standalone,
    });
  };
  const { config, warnings } = await read();
  log.setVerbose(config.verbosity > 0);
  for (const warning of warnings) log.warn({ warning }, 'configuration');
  const stop = new AbortController();
  let stoppedAt = 0;
  const reload = new Wake();
  const dump = new Wake();
  const onStop = (signal: NodeJS.Signals): void => {
    // One wish may come twice: npm passes on what the terminal has sent here already, and a parent's end is told for each of its threads.
    if (stop.signal.aborted && systemClock.now() - stoppedAt > 1000) process.exit(1); // the second time: at once
    if (stop.signal.aborted) return;
    stoppedAt = systemClock.now();
    log.info({ signal }, 'ending');
    stop.abort(new Error(signal));
  };
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  process.on('SIGHUP', () => reload.set());
  process.on('SIGUSR1', () => dump.set());
  // Loaded here: its libraries cost more than all that --version and a usage error need.
  const { runDaemon } = await import('./daemon.ts');
  keepHeapSmall(); // not before that is loaded: V8 would refuse what is compiled of it already
  clearWhenQuiet(ownHeap(), systemClock, stop.signal).catch(() => undefined); // ends with fleetd
  await runDaemon({
    config,
    readConfig: async () => (await read()).config,
    log,
    env: process.env,
    pid: process.pid,
    random: Math.random, // oxlint-disable-line no-restricted-properties -- the one place where chance comes in
    stop: stop.signal,
    reload,
    dump,
    ...options,
  });
}

/** The configuration's text; undefined where none is given and the default is not there. Throws CONFIG_INVALID. */
async function configText(path: string | undefined): Promise<string | undefined> {
  try {
    return await readFile(path ?? DEFAULT_FILE, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (path === undefined && error.code === 'ENOENT') return undefined;
    throw new FleetError('CONFIG_INVALID', `cannot read '${path ?? DEFAULT_FILE}'`, {
      cause: error,
      hint: error.message,
    });
  }
}

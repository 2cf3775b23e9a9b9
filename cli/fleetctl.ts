// One call of fleetctl, from its words to its exit status; main.ts hands it the process, tests hand it their own.
import { isFleetError, type FleetError } from '../src/model/errors.ts';
import type { Io } from './context.ts';
import { report } from './exit.ts';
import { endpointsOf } from './endpoints.ts';
import type { Asked } from './program.ts';

/** Runs fleetctl with the words after its name; answers the exit status. */
export async function fleetctl(words: readonly string[], io: Io): Promise<number> {
  const [first, second] = words;
  if (second === undefined && first !== undefined && VERSION_WORDS.has(first)) {
    io.stdout(`fleetctl version ${io.version}\n`); // without loading the rest
    return 0;
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
    causes = asked.values.flag('debug');
    return await runCommand(asked, io);
  } catch (error) {
    if (io.signal.aborted) return INTERRUPTED;
    if (causes && isFleetError(error)) sayCauses(error, io);
    return report(error, io.stderr);
  }
}

const VERSION_WORDS: ReadonlySet<string> = new Set(['version', '--version', '-v']);
/** As a shell counts a process that SIGINT ended. */
const INTERRUPTED = 130;

async function runCommand(
  { command, args, values }: Extract<Asked, { kind: 'run' }>,
  io: Io,
): Promise<number> {
  const { FleetClient } = await import('../src/api/client.ts');
  const { Ssh } = await import('./ssh.ts');
  const { readSshHost } = await import('./remote.ts');
  const tunnel = values.text('tunnel') ?? '';
  const ssh = new Ssh(io, {
    username: values.text('ssh-username') ?? 'core',
    strictHostKeyChecking: values.flag('strict-host-key-checking'),
    knownHostsFile: values.text('known-hosts-file') ?? '',
    timeoutSec: values.number('ssh-timeout') ?? 0,
    tunnel: tunnel === '' || command.isOffline === true ? undefined : readSshHost(tunnel),
  });
  try {
    const endpoints = endpointsOf(values.text('endpoint') ?? '', io.env);
    const requestTimeoutMs = (values.number('request-timeout') ?? 0) * 1000;
    const socket = await ssh.listen(endpoints[0] ?? '');
    const client = new FleetClient(
      socket === undefined
        ? { endpoints, requestTimeoutMs }
        : { endpoints: endpoints.slice(0, 1), requestTimeoutMs, tunnel: { socket, name: tunnel } },
    );
    try {
      return await command.run({ context: { ...io, client, ssh }, args, values });
    } finally {
      client.close();
    }
  } finally {
    await ssh.close();
  }
}

function sayCauses(error: FleetError, io: Io): void {
  let cause: unknown = error;
  while (cause instanceof Error) {
    io.stderr(`${cause.stack ?? cause.message}\n`);
    cause = cause.cause;
  }
}

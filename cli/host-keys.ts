// How a person says yes to a host's key: the file of keys, and the answer from a standard input that is no terminal.
// Invariant: of standard input at most one line is read, and only when ssh asks whether a key is right.
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { FleetError } from '../src/model/errors.ts';
import type { Io } from './context.ts';
import type { PrivateDir } from './private-dir.ts';

/** The file that --known-hosts-file names; makes its directory. */
export async function knownHostsFile(option: string, env: Io['env']): Promise<string> {
  const path = resolve(option.replace(/^~(?=\/)/, env['HOME'] ?? homedir()));
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError('NOT_FOUND', `the directory of '${path}' cannot be made: ${why}`, {
      cause,
      hint: 'Name another file with --known-hosts-file.',
    });
  }
  return path;
}

/** What makes ssh ask by our helper: ssh by itself asks on a terminal only, never on its standard input (ssh(1), SSH_ASKPASS_REQUIRE; OpenSSH 8.4). */
export async function askingOnStdin(dir: PrivateDir, env: Io['env']): Promise<Io['env']> {
  const helper = join(await dir.path(), 'ask');
  await writeFile(helper, HELPER, { mode: 0o700 });
  const usual = env['SSH_ASKPASS'] ?? '';
  return {
    ...env,
    SSH_ASKPASS: helper,
    SSH_ASKPASS_REQUIRE: 'force',
    ...(usual !== '' && { FLEETCTL_USUAL_ASKPASS: usual }),
  };
}

/** ssh runs it with its own standard input; `read` takes no byte beyond the line. Passwords are asked for as ever. */
const HELPER = `#!/bin/sh
case $1 in
*'(yes/no'*)
  printf '%s' "$1" >&2
  IFS= read -r answer || [ -n "$answer" ] || { echo >&2; exit 1; }
  printf '%s\\n' "$answer"
  exit ;;
"Please type 'yes'"*)
  echo no
  exit ;;
esac
[ -z "$FLEETCTL_USUAL_ASKPASS" ] || exec "$FLEETCTL_USUAL_ASKPASS" "$1"
exec </dev/tty || exit 1
printf '%s' "$1" >/dev/tty
stty -echo
IFS= read -r answer
stty echo
echo >/dev/tty
printf '%s\\n' "$answer"
`;

// Which systemd `npm start` runs units in: the system's, the user's, or a private one where none runs; installs what that needs.
// Invariant: it never starts a systemd but the private one, which lives in namespaces and a cgroup of its own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { projectDir, run } from './script.ts';

/** A systemd to run units in, and how fleetd and people reach it. */
export interface Manager {
  readonly kind: 'system' | 'user' | 'private';
  /** What fleetd needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** fleetd's, of this run: not the one of an installed fleetd. */
  readonly runtimeDirectory: string;
  /** Where fleetctl looks by itself. */
  readonly socket: string;
  /** What follows a unit's output. */
  readonly journal: (unit: string) => string;
  readonly systemctl: string;
  /** A private one lives until the last process that holds this open: fleetd holds it too, to stop its units in order. */
  readonly lifeline: Writable | undefined;
  /** When it ends by itself; tells nothing of a systemd that was there. */
  readonly ended: Promise<void>;
  /** Ends what was started for this run; nothing for a systemd that was there. */
  readonly stop: () => Promise<void>;
}

export interface Surroundings {
  readonly uid: number;
  /** Something is booted with systemd: sd_booted(3). */
  readonly booted: boolean;
  /** XDG_RUNTIME_DIR, where the user's manager answers there. */
  readonly userRuntimeDir: string | undefined;
}

/** What this machine offers. */
export function surroundings(): Surroundings {
  const uid = process.getuid?.() ?? -1;
  const runtimeDir = process.env['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`;
  const hasManager = existsSync(path.join(runtimeDir, 'systemd/private'));
  return {
    uid,
    booted: existsSync('/run/systemd/system'),
    userRuntimeDir: hasManager ? runtimeDir : undefined,
  };
}

/** The kind of systemd to use there; or why there is none, and what to do, as one line. */
export function chooseManager(around: Surroundings): Manager['kind'] | { readonly none: string } {
  if (process.platform !== 'linux') return { none: 'fleet needs Linux with systemd' };
  if (around.uid === 0) return around.booted ? 'system' : 'private';
  if (around.userRuntimeDir !== undefined) return 'user';
  return {
    none: around.booted
      ? `the systemd of user ${around.uid} does not run: log in anew (su and sudo -u start none), or run this as root`
      : 'no systemd runs here, and only root can start a private one: run this as root',
  };
}

/** Installs the Debian packages that the private systemd lacks, saying which; answers why that failed. */
export async function installMissing(say: (line: string) => void): Promise<string | undefined> {
  const missing = [
    ...(existsSync('/lib/systemd/systemd') ? [] : ['systemd']),
    ...(existsSync('/usr/bin/dbus-daemon') ? [] : ['dbus']),
  ];
  if (missing.length > 0) {
    if (!existsSync('/usr/bin/apt-get'))
      return `needs ${missing.join(' and ')}, and there is no apt-get: install them by hand`;
    say(`Installing Debian packages: ${missing.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [
      ['update', '-q'],
      ['install', '-yq', '--no-install-recommends', ...missing],
    ]) {
      const ended = await run('apt-get', args, { env });
      if (ended.status !== 0)
        return `apt-get ${args[0]} failed: ${ended.stderr.trim().split('\n').at(-1)}`;
    }
  }
  if (!existsSync('/etc/machine-id')) {
    say('Giving this machine an id: /etc/machine-id');
    const ended = await run('systemd-machine-id-setup', []);
    if (ended.status !== 0) return `no /etc/machine-id: ${ended.stderr.trim()}`;
  }
  return undefined;
}

/** The manager of that kind, ready; a private one is started in `dir`. */
export async function openManager(
  kind: Manager['kind'],
  around: Surroundings,
  dir: string,
): Promise<Manager> {
  const outlivesUs = {
    lifeline: undefined,
    ended: new Promise<void>(() => undefined),
    stop: () => Promise.resolve(),
  };
  if (kind === 'private') return startPrivate(dir);
  if (kind === 'system') {
    const runtimeDirectory = '/run/fleet-standalone';
    return {
      kind,
      env: { FLEET_RUNTIME_DIRECTORY: runtimeDirectory, FLEET_SOCKET: '/run/fleet.sock' },
      runtimeDirectory,
      socket: '/run/fleet.sock',
      journal: (unit) => `journalctl -f -u ${unit}`,
      systemctl: 'systemctl',
      ...outlivesUs,
    };
  }
  const userDir = around.userRuntimeDir ?? '';
  const runtimeDirectory = path.join(userDir, 'fleet-standalone');
  const socket = path.join(userDir, 'fleet.sock');
  return {
    kind,
    env: {
      XDG_RUNTIME_DIR: userDir,
      FLEET_SYSTEMD_USER: 'true',
      FLEET_RUNTIME_DIRECTORY: runtimeDirectory,
      FLEET_SOCKET: socket,
    },
    runtimeDirectory,
    socket,
    journal: (unit) => `journalctl --user -f -u ${unit}`,
    systemctl: 'systemctl --user',
    ...outlivesUs,
  };
}

async function startPrivate(dir: string): Promise<Manager> {
  const privateSocket = '/run/fleet.sock';
  // Detached: Ctrl-C in a terminal must reach fleetd's units by way of fleetd, not this systemd first. It ends with its
  // standard input, so also when this process is killed.
  const child = spawn(path.join(projectDir, 'lab/private-systemd'), ['run', dir, '--until-eof'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const isUp = await new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('units=')) resolve(true);
    });
    child.once('close', () => resolve(false));
    child.once('error', () => resolve(false));
  });
  if (!isUp)
    throw new Error(
      `no systemd runs here, and a private one cannot be started: ${complaint.trim().replaceAll('\n', '; ')}; in a container, give it --privileged`,
    );
  const userDir = path.join(dir, 'run');
  const runtimeDirectory = path.join(userDir, 'fleet');
  return {
    kind: 'private',
    env: {
      XDG_RUNTIME_DIR: userDir,
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${dir}/bus`,
      FLEET_SYSTEMD_USER: 'true',
      FLEET_JOURNAL_DIRECTORY: path.join(dir, 'journal'),
      FLEET_RUNTIME_DIRECTORY: runtimeDirectory,
      FLEET_SOCKET: privateSocket,
    },
    runtimeDirectory,
    socket: privateSocket,
    journal: (unit) => `journalctl --directory=${dir}/journal -f --user-unit=${unit}`,
    systemctl: `XDG_RUNTIME_DIR=${userDir} systemctl --user`,
    lifeline: child.stdin,
    ended,
    stop: async () => {
      child.stdin.end();
      await closed;
      await rm(dir, { recursive: true, force: true });
      await rm(privateSocket, { force: true }); // a killed fleetd leaves it
    },
  };
}

// The Debian packages that the tests need: installed where root may, named where not.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const needed: readonly (readonly [file: string, debianPackage: string])[] = [
  ['/usr/bin/etcd', 'etcd-server'],
  ['/usr/bin/etcdctl', 'etcd-client'],
  ['/usr/bin/systemctl', 'systemd'],
  ['/usr/bin/dbus-daemon', 'dbus'],
  ['/usr/sbin/ip', 'iproute2'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/bin/mmdebstrap', 'mmdebstrap'],
  ['/usr/bin/unshare', 'util-linux'],
  ['/usr/sbin/sshd', 'openssh-server'],
  ['/usr/bin/ssh', 'openssh-client'],
];

/** Installs the missing ones with apt-get, saying which; without root it says what will be skipped. */
export function installTestTools(): void {
  const missing = needed.filter(([file]) => !existsSync(file)).map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    process.stdout.write(
      `npm test: not root, so these are not installed and the tests that need them are skipped: ${missing.join(' ')}\n`,
    );
    return;
  }
  process.stdout.write(`npm test: installs Debian packages: ${missing.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-q'],
    ['install', '-yq', '--no-install-recommends', ...missing],
  ]) {
    const { status } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env });
    if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed with status ${status}`);
  }
}

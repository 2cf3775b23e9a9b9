// Faults of the store's disk: a backup that is put back, and a disk that is full.
// Invariant: a member's data is changed only while that member is stopped, as a person would do it.
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labDir, labNamed } from '../../lab/script.ts';
import { eventually } from './eventually.ts';
import type { Fault, FaultLab } from './fault-lab.ts';
import { runsOn, type Runs } from './fault-sight.ts';
import { sleeper } from './fault-units.ts';

/**
 * etcd is put back to a snapshot that is so old. Meanwhile units were started (they are orphans then), destroyed (they come back), stopped
 * (they stay stopped, and it is said) and replaced (what runs is the new file). Then a person takes the orphans up again, by `adopt` and by
 * starting one anew.
 */
export function storeRestored(ageMs: number): Fault {
  const early = ['destroyed', 'stopped', 'replaced'].map((what) => `early-${what}.service`);
  const late = [1, 2, 3].map((n) => `late-${n}.service`);
  let own: Runs | undefined;
  return {
    name: `etcd restored from a snapshot ${ageMs / 1000} s old`,
    writes: false,
    async prepare(on) {
      for (const name of early) await launch(on, name, sleeper(name));
    },
    async strike(on) {
      const file = await saved(on);
      const began = performance.now();
      const [destroyed, stopped, replaced] = early;
      for (const name of late) await launch(on, name, sleeper(name));
      await on.client().destroyUnit(destroyed!, AbortSignal.timeout(5_000));
      await on.client().putUnit(stopped!, { desiredState: 'loaded' }, AbortSignal.timeout(5_000));
      const changed = `${sleeper(replaced!)}\n[Service]\nNice=5\n`;
      await on.client().putUnit(replaced!, { text: changed }, AbortSignal.timeout(5_000));
      await on.agreement(30_000);
      own = await runsOn(on.lab, on.hosts, [...early, ...late]);
      await delay(Math.max(0, began + ageMs - performance.now()));
      await restore(on, file);
      return { asked: new Set([...early, ...late]) };
    },
    async heal(on) {
      await on.shell(on.members, 'systemctl start etcd');
      if (own === undefined) return;
      await eventually(() => orphaned(on, late), { timeoutMs: 30_000, everyMs: 200 });
      await expectSame(on, own, [...late, early[2]!]);
      const said = await on.lab.out(on.hosts[0]!, 'fleetctl', 'explain', early[1]!);
      if (!said.includes('the store went back')) throw new Error(`explain says only: ${said}`);
      const [again, ...others] = late;
      await launch(on, again!, sleeper(again!));
      await on.lab.out(on.hosts[0]!, 'fleetctl', 'adopt', ...others);
      await eventually(() => placedAgain(on, late), { timeoutMs: 30_000, everyMs: 200 });
      await expectSame(on, own, late);
      for (const name of [...early, ...late])
        await on.client().destroyUnit(name, AbortSignal.timeout(5_000));
    },
  };
}

/** The file systems of all members fill up, and are given room again. */
export function storeDiskFull(forMs: number): Fault {
  return {
    name: `disk of all etcd members full for ${forMs / 1000} s`,
    async prepare(on) {
      // A file system of its own, a little larger than what is there.
      for (const host of on.members) {
        await on.shell([host], MOVE_TO_SMALL_DISK);
        await healthy(on);
      }
    },
    async strike(on) {
      await on.shell(
        on.members,
        'dd if=/dev/zero of=/var/lib/etcd/full bs=1M 2> /dev/null || true',
      );
      const until = performance.now() + forMs;
      // What else is written there, until nothing can be.
      const value = 'x'.repeat(100_000);
      for (let n = 0; performance.now() < until; n += 1)
        await on.etcdctl('put', `/full/${n}`, value).catch(() => delay(500));
      const refused = await on.etcdctl('put', '/full/last', value).then(
        () => false,
        () => true,
      );
      if (!refused) throw new Error('etcd takes writes on a full disk');
      return {};
    },
    async heal(on) {
      await on.shell(on.members, 'rm -f /var/lib/etcd/full; systemctl start etcd');
      await healthy(on);
      await on.etcdctl('del', '--prefix', '/full/');
      for (const host of on.members) {
        await on.shell([host], MOVE_BACK);
        await healthy(on);
      }
    },
  };
}

const MOVE_TO_SMALL_DISK = `
  systemctl stop etcd
  rm -rf /run/etcd-copy; cp -a /var/lib/etcd /run/etcd-copy
  used=$(du -sm --apparent-size /var/lib/etcd | cut -f1)
  mount -t tmpfs -o size=$((used + 6))m tmpfs /var/lib/etcd
  cp -a /run/etcd-copy/. /var/lib/etcd/
  rm -rf /run/etcd-copy
  systemctl start etcd`;

const MOVE_BACK = `
  mountpoint -q /var/lib/etcd || exit 0
  systemctl stop etcd
  cp -a /var/lib/etcd /run/etcd-copy
  umount /var/lib/etcd
  if mountpoint -q /var/lib/etcd; then rm -rf /var/lib/etcd/member; fi
  cp -a /run/etcd-copy/. /var/lib/etcd/
  rm -rf /run/etcd-copy
  systemctl start etcd`;

/** A snapshot of etcd, where the hosts find it. */
async function saved(on: FaultLab): Promise<string> {
  const name = 'etcd.snapshot';
  const [first, ...others] = on.members.map((host) =>
    path.join(labDir(labNamed(on.lab.name)), host, 'run', name),
  );
  await on.etcdctlAt(on.endpoints[0]!, 'snapshot', 'save', first!);
  await Promise.all(others.map((other) => copyFile(first!, other)));
  return `/run/lab/${name}`;
}

async function restore(on: FaultLab, file: string): Promise<void> {
  const peers = on.members.map((host, index) => `${host}=${peer(on.endpoints[index]!)}`).join(',');
  await on.shell(on.members, 'systemctl kill -s KILL etcd; systemctl stop etcd');
  await Promise.all(
    on.members.map((host, index) =>
      on.shell(
        [host],
        `rm -rf /var/lib/etcd/member /var/lib/etcd/new
         ETCDCTL_API=3 etcdctl snapshot restore ${file} --name ${host} --data-dir /var/lib/etcd/new \\
           --initial-cluster ${peers} --initial-cluster-token fleet-lab \\
           --initial-advertise-peer-urls ${peer(on.endpoints[index]!)} 2> /dev/null
         mv /var/lib/etcd/new/member /var/lib/etcd/; rm -rf /var/lib/etcd/new ${file}`,
      ),
    ),
  );
  await on.shell(on.members, 'systemctl start etcd');
  await healthy(on);
}

function peer(client: string): string {
  return client.replace(':2379', ':2380');
}

async function healthy(on: FaultLab): Promise<void> {
  await eventually(async () => await on.etcdctl('endpoint', 'health').then(() => true), {
    timeoutMs: 30_000,
    everyMs: 200,
  });
}

async function launch(on: FaultLab, name: string, text: string): Promise<void> {
  await on.client().putUnit(name, { text, desiredState: 'launched' }, AbortSignal.timeout(5_000));
}

/** Whether all of these are shown as orphans. */
async function orphaned(on: FaultLab, names: readonly string[]): Promise<boolean> {
  const states = await on.client().states(AbortSignal.timeout(5_000));
  return names.every((name) => states.some((row) => row.name === name && row.orphan === true));
}

/** Whether all of these are placed, launched, and orphans no more. */
async function placedAgain(on: FaultLab, names: readonly string[]): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000);
  const [units, states] = [await on.client().units(signal), await on.client().states(signal)];
  return names.every(
    (name) =>
      units.some((unit) => unit.name === name && unit.currentState === 'launched') &&
      states.every((row) => row.name !== name || row.orphan !== true),
  );
}

/** They run where they ran, and nowhere else, and are the same runs. */
async function expectSame(on: FaultLab, before: Runs, names: readonly string[]): Promise<void> {
  const of = (runs: Runs, name: string): string =>
    [...runs.values()]
      .filter(({ unit }) => unit === name)
      .map(({ host, active, invocation, pid }) => `${active} on ${host}: ${pid} ${invocation}`)
      .join(', ');
  const now = await runsOn(on.lab, on.hosts, names);
  for (const name of names) {
    const [was, is] = [of(before, name), of(now, name)];
    if (!was.startsWith('active') || was !== is) throw new Error(`${name} was ${was}, is ${is}`);
  }
}

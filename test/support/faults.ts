// The faults: what is broken, for how long, and what that may do to units by the rules.
// Invariant: whatever a fault breaks, its heal mends, so that the next one begins with a whole lab.
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, FaultLab } from './fault-lab.ts';

const NOTHING = {};
/** ms in which another host has taken the lead that one has given up. */
const LEAD_GIVEN_UP_MS = 3_000;

/** All members die, and stay away. */
export function etcdDown(forMs: number): Fault {
  return {
    name: `etcd killed, all members, away for ${seconds(forMs)}`,
    async strike(on) {
      await on.shell(on.members, 'systemctl kill -s KILL etcd; systemctl stop etcd');
      await delay(forMs);
      return NOTHING;
    },
    heal: (on) => on.shell(on.members, 'systemctl start etcd'),
  };
}

/** Members answer nothing, and their connections stay open. */
export function etcdFrozen(which: 'one' | 'all', forMs: number): Fault {
  let frozen: readonly string[] = [];
  return {
    name: `etcd frozen (SIGSTOP), ${which === 'one' ? 'its leader' : 'all members'}, for ${seconds(forMs)}`,
    async strike(on) {
      frozen = which === 'all' ? on.members : [await etcdLeader(on)];
      await on.shell(frozen, 'systemctl kill -s STOP etcd');
      await delay(forMs);
      return NOTHING;
    },
    heal: (on) => on.shell(frozen, 'systemctl kill -s CONT etcd'),
  };
}

/** Power cuts of whichever host leads, one after another; each host is booted again while the next one dies. */
export function leaderKilled(times: number, everyMs: number): Fault {
  return {
    name: `the leading fleetd's host loses power ${times} times, every ${seconds(everyMs)}`,
    async strike(on) {
      const dead = new Set<string>();
      for (let time = 0; time < times; time += 1) {
        const next = delay(everyMs);
        const leader = await leaderToKill(on, dead);
        dead.add(leader);
        await on.lab.kill(leader);
        await delay(everyMs / 2);
        await on.lab.boot(leader);
        await next;
      }
      return { dead: [...dead] };
    },
  };
}

/** One host keeps its power, for there must be something to compare: where that leads, its fleetd begins anew, which gives the lead up. */
async function leaderToKill(on: FaultLab, dead: ReadonlySet<string>): Promise<string> {
  for (;;) {
    const leader = await leaderNow(on);
    if (dead.has(leader) || dead.size < on.hosts.length - 1) return leader;
    await on.shell([leader], 'systemctl restart fleet');
    await delay(LEAD_GIVEN_UP_MS);
  }
}

export function fleetdKilled(): Fault {
  return {
    name: 'fleetd killed (SIGKILL) on all hosts at once',
    async strike(on) {
      await on.shell(on.hosts, 'systemctl kill -s KILL fleet');
      return NOTHING;
    },
  };
}

/** Each host gets a fleetd of another version, one host after another. */
export function fleetdUpgraded(version: string): Fault {
  return {
    name: 'fleetd upgraded to another version, host by host',
    async strike(on) {
      await on.shell(on.hosts, install(version));
      // On a machine so busy that a fleetd needs longer to begin than its lease lasts, its units are given away by the rules.
      const absent: string[] = [];
      for (const host of on.hosts) {
        const began = performance.now();
        await on.shell([host], 'systemctl restart fleet');
        await answers(on, host);
        const sinceRenewalMs = performance.now() - began + (on.options.ttlSec * 1000) / 3;
        if (sinceRenewalMs > on.options.ttlSec * 1000) absent.push(host);
      }
      const machines = await on.client().machines(AbortSignal.timeout(5_000));
      const old = machines.filter((machine) => machine.version !== version);
      if (old.length > 0) throw new Error(`${old.length} machines are not ${version}`);
      return { absent };
    },
  };
}

/** Hosts whose packets all vanish. */
export function cut(hosts: readonly string[], forMs: number): Fault {
  return cutting(`network of ${hosts.join(' and ')} cut`, hosts, undefined, forMs);
}

/** A host that hears nothing, or that nobody hears. */
export function cutOneWay(host: string, way: 'in' | 'out', forMs: number): Fault {
  const what = way === 'in' ? `${host} hears nothing` : `nobody hears ${host}`;
  return cutting(`network cut one way: ${what},`, [host], way, forMs);
}

function cutting(
  what: string,
  hosts: readonly string[],
  way: string | undefined,
  forMs: number,
): Fault {
  return {
    name: `${what} for ${seconds(forMs)}`,
    async strike(on) {
      for (const host of hosts) await on.lab.cut(host, way);
      await delay(forMs);
      return forMs < on.options.ttlSec * 1000 ? NOTHING : { absent: hosts };
    },
    async heal(on) {
      for (const host of hosts) await on.lab.heal(host, way);
    },
  };
}

/** The bus daemon dies, again and again. */
export function dbusKilled(times: number): Fault {
  return {
    name: `D-Bus daemon killed (SIGKILL) on all hosts, ${times} times`,
    async strike(on) {
      for (let time = 0; time < times; time += 1) {
        await on.shell(on.hosts, 'systemctl kill -s KILL dbus.service');
        await delay(1_000);
      }
      return NOTHING;
    },
  };
}

export function systemdReexec(times: number): Fault {
  return {
    name: `systemctl daemon-reexec on all hosts, ${times} times`,
    async strike(on) {
      for (let time = 0; time < times; time += 1) {
        await on.shell(on.hosts, 'systemctl daemon-reexec');
        await delay(1_000);
      }
      return NOTHING;
    },
  };
}

/** Every host's processors are wanted by others all the time. */
export function overload(forMs: number): Fault {
  const all = [1, 2].map((n) => `burn-${n}`);
  return {
    name: `all processors busy with other work for ${seconds(forMs)}`,
    async strike(on) {
      const burn = all.map((unit) => `systemd-run -q -u ${unit} sh -c 'while :; do :; done'`);
      await on.shell(on.hosts, burn.join('\n'));
      await delay(forMs);
      return NOTHING;
    },
    heal: (on) => on.shell(on.hosts, `systemctl stop ${all.join(' ')}`),
  };
}

function install(version: string): string {
  return `
    rm -rf /opt/next; mkdir -p /opt/next
    cp -r /opt/fleet/src /opt/fleet/agent /opt/fleet/package.json /opt/next/
    ln -s "$(readlink -f /opt/fleet/node_modules)" /opt/next/node_modules
    sed -i 's/"version": "[^"]*"/"version": "${version}"/' /opt/next/package.json
    sed 's,/opt/fleet/,/opt/next/,' /usr/bin/fleetd > /usr/bin/fleetd.new
    chmod 755 /usr/bin/fleetd.new; mv /usr/bin/fleetd.new /usr/bin/fleetd`;
}

async function answers(on: FaultLab, host: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      await on.client(host).machines(AbortSignal.timeout(5_000));
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(100);
    }
  }
}

async function leaderNow(on: FaultLab): Promise<string> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const leader = await on.leader().catch(() => undefined);
    if (leader !== undefined) return leader;
    if (performance.now() > deadline) throw new Error('nobody leads');
    await delay(100);
  }
}

/** The host of etcd's own leader. */
async function etcdLeader(on: FaultLab): Promise<string> {
  const rows = JSON.parse(await on.etcdctl('endpoint', 'status', '-w', 'json')) as {
    Endpoint: string;
    Status: { leader: number; header: { member_id: number } };
  }[];
  const row = rows.find(({ Status: { leader, header } }) => leader === header.member_id);
  return on.members[on.endpoints.indexOf(row?.Endpoint ?? '')]!;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

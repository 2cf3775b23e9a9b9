// Faults of hosts and of what people ask of them: one machine-id twice, a thousand units destroyed at once.
// Invariant: as in faults.ts: a heal mends all.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labDir, labNamed } from '../../lab/script.ts';
import { eventually } from './eventually.ts';
import type { Fault, FaultLab } from './fault-lab.ts';
import { happenedOn, runsOn, type Happened, type Runs } from './fault-sight.ts';
import { sleeper } from './fault-units.ts';

/** `copy` boots with the machine-id of `original`, as a cloned disk would. */
export function machineIdTwice(original: string, copy: string, forMs: number): Fault {
  return {
    name: `two hosts with one machine-id for ${forMs / 1000} s`,
    async strike(on) {
      const id = on.machineIds.get(original)!;
      await on.lab.kill(copy);
      await writeFile(machineIdFile(on, copy), `${id}\n`);
      await on.lab.boot(copy);
      await eventually(() => refuses(on, copy), { timeoutMs: 20_000, everyMs: 200 });
      await delay(forMs);
      if (!(await refuses(on, copy))) throw new Error(`${copy} takes part with another's id`);
      const machines = await on.client(original).machines(AbortSignal.timeout(5_000));
      const now = machines.find((machine) => machine.id === id);
      if (now?.hostname !== original) throw new Error(`${id} is ${now?.hostname}`);
      const begun = await runsOn(on.lab, [copy], []);
      if (begun.size > 0) throw new Error(`${copy} runs ${[...begun.keys()].join(', ')}`);
      return { dead: [copy] };
    },
    async heal(on) {
      await on.lab.kill(copy);
      await writeFile(machineIdFile(on, copy), `${on.machineIds.get(copy)}\n`);
      await on.lab.boot(copy);
    },
  };
}

/**
 * A host is cut off, and then reboots with no store in reach: global units and those that may run nowhere else begin without it, others do
 * not. Whether those were moved before that is not waited for.
 */
export function rebootedAlone(host: string, aloneMs: number): Fault {
  const pinned = 'pinned.service';
  return {
    name: 'a host reboots while it is cut off from etcd',
    async prepare(on) {
      const text = `${sleeper(pinned)}[X-Fleet]\nMachineID=${on.machineIds.get(host)}\n`;
      const unit = { text, desiredState: 'launched' } as const;
      await on.client().putUnit(pinned, unit, AbortSignal.timeout(5_000));
    },
    async strike(on) {
      await on.lab.cut(host);
      await delay(aloneMs);
      await on.lab.kill(host);
      await on.lab.boot(host);
      const wanted = ['each-1.service', pinned];
      await eventually(
        async () => {
          const runs = await runsOn(on.lab, [host], wanted);
          return wanted.every((name) => runs.get(`${name} ${host}`)?.active === 'active');
        },
        { timeoutMs: 30_000, everyMs: 200 },
      );
      await delay(aloneMs);
      const runs = await runsOn(on.lab, [host], []);
      const others = [...runs.values()].filter(
        ({ unit }) => !unit.startsWith('each-') && unit !== pinned,
      );
      if (others.length > 0)
        throw new Error(`began without the store: ${others.map(({ unit }) => unit).join(' ')}`);
      return { dead: [host], absent: [host], asked: new Set([pinned]) };
    },
    async heal(on) {
      await on.lab.heal(host);
      await on.client().destroyUnit(pinned, AbortSignal.timeout(5_000));
    },
  };
}

/** fleetd of a host is frozen while the host is cut off: systemd's timers stop what may not run twice, before another host starts it. */
export function frozenAndCut(): Fault {
  const alone = 'alone.service';
  let host = '';
  return {
    name: 'fleetd frozen (SIGSTOP) and its host cut off, with a unit that has OnPartition=stop',
    async prepare(on) {
      const text = `${sleeper(alone)}[X-Fleet]\nOnPartition=stop\n`;
      const unit = { text, desiredState: 'launched' } as const;
      await on.client().putUnit(alone, unit, AbortSignal.timeout(5_000));
    },
    async strike(on) {
      host = hostOf(await runsOn(on.lab, on.hosts, [alone]), alone)!;
      const sinceMs = Date.now();
      await on.shell([host], 'systemctl kill -s STOP fleet');
      await on.lab.cut(host);
      const others = on.hosts.filter((other) => other !== host);
      const next = await eventually(
        async () => hostOf(await runsOn(on.lab, others, [alone]), alone) ?? false,
        { timeoutMs: 30_000, everyMs: 200 },
      );
      const lines = await happenedOn(on.lab, [host, next], sinceMs);
      const at = (what: Happened['what'], where: string): number | undefined =>
        lines.find((line) => line.unit === alone && line.what === what && line.host === where)
          ?.atMs;
      const [stopped, started] = [at('stopping', host), at('started', next)];
      if (stopped === undefined || started === undefined || stopped > started)
        throw new Error(`stopped at ${stopped}, started elsewhere at ${started}`);
      return { absent: [host], asked: new Set([alone]) };
    },
    async heal(on) {
      await on.lab.heal(host);
      await on.shell([host], 'systemctl kill -s CONT fleet');
      await on
        .client(on.hosts.find((other) => other !== host))
        .destroyUnit(alone, AbortSignal.timeout(5_000));
    },
  };
}

function hostOf(runs: Runs, unit: string): string | undefined {
  return [...runs.values()].find((run) => run.unit === unit && run.active === 'active')?.host;
}

/** Units that are started for this, and then destroyed in one command. */
export function destroyedAtOnce(count: number): Fault {
  const names = Array.from({ length: count }, (_, n) => `many-${n + 1}.service`);
  return {
    name: `${count} units destroyed at once`,
    async prepare(on) {
      for (let at = 0; at < names.length; at += 50)
        await Promise.all(
          names.slice(at, at + 50).map((name) => {
            const unit = { text: sleeper(name), desiredState: 'launched' } as const;
            return on.client().putUnit(name, unit, AbortSignal.timeout(20_000));
          }),
        );
    },
    async strike(on) {
      await on.lab.out(on.hosts[0]!, 'fleetctl', 'destroy', '--no-block', ...names);
      return {};
    },
    agreeMs: 60_000,
  };
}

/** What the host says is that another machine has its id. */
async function refuses(on: FaultLab, host: string): Promise<boolean> {
  const ended = await on.lab.fleetctl(host, 'list-machines');
  return ended.status !== 0 && ended.stderr.includes('another machine with this machine-id');
}

/** The host's disk, seen from outside. */
function machineIdFile(on: FaultLab, host: string): string {
  return path.join(labDir(labNamed(on.lab.name)), host, 'upper/etc/machine-id');
}

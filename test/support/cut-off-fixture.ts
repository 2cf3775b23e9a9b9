// A host with a lease that a test renews by hand, over a store in memory and a systemd in memory: for what is to stop when it is cut off.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import { eventually } from './eventually.ts';
import { FakeSystemd } from './fake-systemd.ts';
import { FaultyKv } from './faulty-kv.ts';
import { HandLease } from './hand-lease.ts';
import { Cluster, startHost, type TestHost } from './test-host.ts';

export class CutOffFixture {
  readonly #store = openEmbeddedStore({ memory: true, clock: systemClock });
  readonly kv = new FaultyKv(this.#store, systemClock);
  /** Both may be replaced: by those of a boot, of another fleetd. */
  systemd = new FakeSystemd();
  readonly cluster = new Cluster(this.kv);
  lease: HandLease;
  readonly dir = mkdtempSync(join(tmpdir(), 'fleet-cut-'));
  readonly #running: TestHost[] = [];

  constructor(ttlMs: number) {
    this.lease = new HandLease(ttlMs);
  }

  async start(boot = 'boot-1', clock: Clock = systemClock): Promise<TestHost> {
    const { kv, systemd, dir, lease } = this;
    const host = await startHost({ kv, systemd, dir, boot, lease, clock });
    this.#running.push(host);
    return host;
  }

  /** Ends when the start of that unit is reported as done. */
  async steady(name: string): Promise<void> {
    await quickly(async () => (await this.cluster.row(name))?.job === 'done');
  }

  /** Alarms as 'stop a b 10 s before', sorted. */
  alarms(): string[] {
    return [...this.systemd.alarmsSet.values()]
      .map(({ atMs, commands }) => {
        const last = commands.at(-1) ?? [];
        const verb = last.find((word) => word === 'stop' || word === 'kill');
        const names = last.slice(last.indexOf('--') + 1).join(' ');
        const deadlineMs = this.lease.deadlineMs() - systemClock.bootMs();
        const leftMs = deadlineMs - (atMs - systemClock.now());
        return `${verb} ${names} ${(leftMs / 1000).toFixed(0)} s before`;
      })
      .toSorted();
  }

  async end(): Promise<void> {
    for (const host of this.#running) await host.kill();
    await this.#store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Ends when `check` is true; fails after 4 s. */
export async function quickly(check: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(check, { timeoutMs: 4000, everyMs: 5 });
}

// A whole fleetd that leads a large cluster: as it is started from the project, and as the packaged executable, which has no files.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildPackage } from '../../lab/package/build.ts';
import { TERM_THREAD_UNITS, TXN_OPERATIONS_MAX } from '../../src/model/limits.ts';
import { encode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { unitRecord } from '../support/cluster.ts';
import type { Kv } from '../../src/store/kv.ts';
import { etcdMissing, startEtcd } from '../support/etcd.ts';
import { never, openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { threadsBehind } from '../support/niceness.ts';
import { tempDir } from '../support/temp-dir.ts';

const keys = keysUnder('/_coreos.com/fleet/');
const UNITS = TERM_THREAD_UNITS + 500;
const IN_THREAD = 'the term runs in a thread of its own';

/** The next records of units; UNITS is a whole number of transactions. */
async function fill(kv: Kv, first: number): Promise<void> {
  const then = Array.from({ length: TXN_OPERATIONS_MAX }, (_, n) => {
    const record = unitRecord(`u${first + n}.service`);
    return { kind: 'put', key: keys.unit(record.name), value: encode('unit', record) } as const;
  });
  await kv.txn({ then }, never);
}

describe.skipIf(etcdMissing !== undefined)(`a large cluster ${etcdMissing ?? ''}`, () => {
  const dir = tempDir();
  const packaged = join(dir, 'package');

  beforeAll(async () => {
    await buildPackage({ version: '2.0.1', outDir: packaged, time: 1, say: () => undefined });
  }, 300_000);

  it.for([
    { what: 'from the project', program: process.execPath, args: ['agent/main.ts'] },
    { what: 'as it is packaged', program: join(packaged, 'fleetd'), args: [] },
  ])('is decided for in a thread: fleetd $what', async ({ what, program, args }) => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints);
    for (let first = 0; first < UNITS; first += TXN_OPERATIONS_MAX) await fill(kv, first);
    const own = join(dir, what.replaceAll(' ', '-'));
    mkdirSync(own);
    const conf = join(own, 'fleet.conf');
    const paths = ['state', 'runtime', 'units'].map((name) => `${name}_directory=${own}/${name}`);
    const servers = JSON.stringify(etcd.endpoints);
    writeFileSync(conf, [`etcd_servers=${servers}`, `socket=${own}/sock`, ...paths, ''].join('\n'));
    const child = spawn(program, [...args, '--config', conf], {
      argv0: 'fleetd',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text));
    try {
      const placed = (): number => log.split('"engine action"').length - 1;
      await eventually(() => placed() === UNITS, { timeoutMs: 90_000, everyMs: 500 });
      expect(log.split(IN_THREAD)).toHaveLength(2);
      expect(threadsBehind(child.pid ?? 0)).toBe(1);
      const { kvs } = await kv.range(keys.placements, { keysOnly: true }, never);
      expect(kvs).toHaveLength(UNITS);
    } finally {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
    }
    expect(child.exitCode).toBe(0);
  });
});

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProcess, type Outcome } from '../support/cli.ts';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { tempDir } from '../support/temp-dir.ts';

if (etcdMissing !== undefined) process.stdout.write(`skipped: --driver=etcd: ${etcdMissing}\n`);

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const PREFIX = '/elsewhere/';

describe.skipIf(etcdMissing !== undefined)('fleetctl --driver=etcd', () => {
  const dir = tempDir();
  const file = join(dir, 'a.service');
  let etcd: EtcdCluster;

  beforeAll(async () => {
    etcd = await startEtcd();
    writeFileSync(file, TEXT);
  });
  afterAll(() => etcd.stop());

  async function run(...words: string[]): Promise<Outcome> {
    const env = {
      FLEETCTL_DRIVER: 'etcd',
      FLEETCTL_ENDPOINT: etcd.endpoints.join(','),
      FLEETCTL_ETCD_KEY_PREFIX: PREFIX,
      TMPDIR: dir,
    };
    const outcome = await runProcess(words, env).ended;
    expect(readdirSync(dir), 'nothing is left behind').toEqual(['a.service']);
    return outcome;
  }

  it('does without a fleetd what others do with one', async () => {
    expect(await run('submit', file)).toEqual({
      status: 0,
      stdout: 'Unit a.service inactive\n',
      stderr: '',
    });
    expect(await run('cat', 'a')).toEqual({ status: 0, stdout: TEXT, stderr: '' });
    const { stdout } = await run('start', '--no-block', 'a');
    expect(stdout).toBe('Triggered unit a.service start\n');
    const files = await run('list-unit-files', '--no-legend', '--fields=unit,dstate,state');
    expect(files.stdout).toBe('a.service\tlaunched\tinactive\n');
    expect(await etcd.etcdctl(['get', '--prefix', '--keys-only', ''])).toContain(
      `${PREFIX}c/unit/a.service`,
    );
  });

  it('ends a wait for what the engine of others does', async () => {
    const { status, stderr } = await run('start', '--timeout=0.2', 'a');
    expect(status).toBe(1);
    expect(stderr).toContain('a.service waits for the engine to place it');
  });

  it('leaves a store of another format alone', async () => {
    await etcd.etcdctl(['put', '/other/format', '{"v":9}']);
    const { status, stderr } = await run('--etcd-key-prefix=/other/', 'submit', file);
    expect(status).toBe(1);
    expect(stderr).toContain(`the store has the format '{"v":9}'\n`);
  });

  it('says when etcd is out of reach, within the time asked for', async () => {
    const words = ['--endpoint=http://127.0.0.1:1', '--request-timeout=1', 'list-units'];
    const { status, stderr } = await run(...words);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^fleetctl: .*etcd/);
  });
});

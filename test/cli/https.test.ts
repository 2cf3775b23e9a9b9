import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProcess } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const OPENSSL = '/usr/bin/openssl';
const isMissing = !existsSync(OPENSSL);
if (isMissing) process.stdout.write(`skipped: https: ${OPENSSL} is not installed\n`);
const MACHINES = { machines: [{ id: 'a'.repeat(32), status: 'ready' }], revision: '1' };

describe.skipIf(isMissing)('fleetctl and an API by https', () => {
  const dir = tempDir();
  const file = (name: string) => join(dir, name);
  let server: Server;
  let endpoint: string;

  beforeAll(async () => {
    for (const name of ['server', 'client']) {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      const out = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
      const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync(OPENSSL, ['req', '-x509', ...key, ...out, ...subject], { stdio: 'ignore' });
    }
    const read = (name: string) => readFileSync(file(name));
    const files = { cert: read('server.pem'), key: read('server.key'), ca: read('client.pem') };
    server = createServer({ ...files, requestCert: true }, (_, response) =>
      response.end(JSON.stringify(MACHINES)),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  const run = async (...words: string[]) =>
    await runProcess(['--endpoint', endpoint, ...words, 'list-machines', '--no-legend']).ended;

  it('trusts --ca-file and shows --cert-file', async () => {
    const cert = [`--cert-file=${file('client.pem')}`, `--key-file=${file('client.key')}`];
    expect(await run(`--ca-file=${file('server.pem')}`, ...cert)).toEqual({
      status: 0,
      stdout: 'aaaaaaaa...\t-\t-\n',
      stderr: '',
    });
  });

  it('is refused when it shows no certificate, or the server none that is trusted', async () => {
    const unknown = await run(`--ca-file=${file('server.pem')}`);
    expect(unknown).toMatchObject({ status: 1, stdout: '' });
    const untrusted = await run();
    expect(untrusted.status).toBe(1);
    expect(untrusted.stderr).toContain(`no fleet API at ${endpoint}: self-signed certificate`);
  });
});

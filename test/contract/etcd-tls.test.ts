// TLS to etcd, with client certificates: a TLS end before a real etcd, certificates by openssl.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { etcdMissing, startEtcd } from '../support/etcd.ts';
import { failureOf, never, openStore, revisionOf } from '../support/etcd-store.ts';

const run = promisify(execFile);
const missing =
  etcdMissing ?? (existsSync('/usr/bin/openssl') ? undefined : 'openssl is not installed');

describe.skipIf(missing !== undefined)(`TLS to etcd ${missing ?? ''}`, () => {
  it('checks the server against caFile and shows the client certificate', async () => {
    await using etcd = await startEtcd();
    const files = await makeCertificates(etcd.dir);
    await using front = await startTlsFront(etcd.members[0]!.clientPort, files);
    const { caFile, certFile, keyFile } = files;
    await using kv = await openStore([front.endpoint], { caFile, certFile, keyFile });
    const put = { kind: 'put', key: '/t', value: 'x' } as const;
    expect((await kv.txn({ then: [put] }, never)).succeeded).toBe(true);

    await using stranger = await openStore([front.endpoint], { caFile, requestTimeoutMs: 300 });
    expect((await failureOf(revisionOf(stranger))).code).toBe('STORE_UNAVAILABLE');
    await using trusting = await openStore([front.endpoint], {
      caFile: files.otherCaFile,
      certFile,
      keyFile,
      requestTimeoutMs: 300,
    });
    expect((await failureOf(revisionOf(trusting))).code).toBe('STORE_UNAVAILABLE');
  });

  it.for([
    { name: 'no endpoint', endpoints: [], files: {} },
    { name: 'a name without a scheme', endpoints: ['localhost:2379'], files: {} },
    { name: 'http and https mixed', endpoints: ['http://a:1', 'https://b:1'], files: {} },
    { name: 'a CA file that is not there', endpoints: ['https://a:1'], files: { caFile: '/no' } },
    { name: 'a key without a certificate', endpoints: ['https://a:1'], files: { keyFile: '/k' } },
    { name: 'a CA file that is none', endpoints: ['https://a:1'], files: { caFile: '/etc/hosts' } },
  ])('openEtcdStore refuses $name with CONFIG_INVALID', async ({ endpoints, files }) => {
    expect((await failureOf(openStore(endpoints, files))).code).toBe('CONFIG_INVALID');
  });
});

interface Certificates {
  readonly caFile: string;
  readonly otherCaFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A CA, another CA, and one certificate for 127.0.0.1 that serves both ends. */
async function makeCertificates(dir: string): Promise<Certificates> {
  const path = (name: string): string => join(dir, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: string[]) => run('openssl', args);
  for (const ca of ['ca', 'other'])
    await openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      `/CN=${ca}`,
      '-days',
      '2',
      '-keyout',
      path(`${ca}.key`),
      '-out',
      path(`${ca}.crt`),
    );
  await openssl(
    'req',
    ...newKey,
    '-new',
    '-subj',
    '/CN=member',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    path('member.key'),
    '-out',
    path('member.csr'),
  );
  await openssl(
    'x509',
    '-req',
    '-in',
    path('member.csr'),
    '-CA',
    path('ca.crt'),
    '-CAkey',
    path('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-copy_extensions',
    'copy',
    '-out',
    path('member.crt'),
  );
  return {
    caFile: path('ca.crt'),
    otherCaFile: path('other.crt'),
    certFile: path('member.crt'),
    keyFile: path('member.key'),
  };
}

/** Takes TLS from clients whose certificate the CA has signed, and passes what is inside to `port`. */
async function startTlsFront(
  port: number,
  { caFile, certFile, keyFile }: Certificates,
): Promise<{ endpoint: string } & AsyncDisposable> {
  const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
  const server = createServer(
    { ca, cert, key, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] },
    (client) => {
      const target = createConnection(port, '127.0.0.1');
      client.on('error', () => target.destroy()).on('close', () => target.destroy());
      target.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.pipe(target).pipe(client);
    },
  );
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

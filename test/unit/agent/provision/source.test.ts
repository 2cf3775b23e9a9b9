import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provisionArguments } from '../../../../agent/provision/arguments.ts';
import {
  fromConfigDrive,
  fromFile,
  fromUrl,
  urlOfCommandLine,
} from '../../../../agent/provision/source.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const signal = new AbortController().signal;
const directory = tempDir();

describe('a source', () => {
  let server: Server;
  let base = '';
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url?.startsWith('/ok') === true) return response.end('#cloud-config\n');
      if (request.url === '/large') return response.end('x'.repeat(1024 * 1024 + 1));
      response.statusCode = 404;
      return response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  it('by URL is fetched, and named without its query', async () => {
    const found = await fromUrl(`${base}/ok?token=secret`, signal);
    expect(found).toEqual({ name: `${base}/ok`, text: '#cloud-config\n' });
  });

  it.for([
    ['/none', /status 404/],
    ['/large', /more than 1048576 bytes/],
  ] as const)('by URL: %s', async ([path, said]) => {
    await expect(fromUrl(base + path, signal)).rejects.toMatchObject({
      code: 'PROVISION_INVALID',
      message: expect.stringMatching(said),
    });
  });

  it('by URL is HTTP only', async () => {
    await expect(fromUrl('file:///etc/shadow', signal)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(fromUrl('http://127.0.0.1:1/', signal)).rejects.toMatchObject({
      code: 'PROVISION_FAILED',
    });
  });

  it('may be a config drive', async () => {
    mkdirSync(join(directory, 'openstack/latest'), { recursive: true });
    writeFileSync(join(directory, 'openstack/latest/user_data'), '{}');
    const found = await fromConfigDrive(directory, signal);
    expect(found.text).toBe('{}');
  });

  it('may be named on the kernel command line', () => {
    expect(urlOfCommandLine('quiet fleet.provision=http://a/b ro')).toBe('http://a/b');
    expect(urlOfCommandLine('cloud-config-url=https://c')).toBe('https://c');
    expect(urlOfCommandLine('x.cloud-config-url=https://c quiet')).toBeUndefined();
  });

  it.for([
    ['none', /ENOENT/],
    ['.', /regular file|EISDIR/],
    ['latin', /UTF-8/],
  ] as const)('that is no file of text is refused: %s', async ([name, said]) => {
    writeFileSync(join(directory, 'latin'), Buffer.from([0x23, 0xe9]));
    await expect(fromFile(join(directory, name))).rejects.toMatchObject({
      code: 'PROVISION_INVALID',
      message: expect.stringMatching(said),
    });
  });
});

describe('provisionArguments', () => {
  it.for([
    [['f'], { action: 'apply', source: { kind: 'file', place: 'f' } }],
    [
      ['--from-file', 'f', '--validate'],
      { action: 'validate', source: { kind: 'file', place: 'f' } },
    ],
    [
      ['--from-url=http://x', '-dry-run'],
      { action: 'dry-run', source: { kind: 'url', place: 'http://x' } },
    ],
    [['--config-drive'], { action: 'apply', source: { kind: 'drive', place: undefined } }],
    [['--boot'], { action: 'apply', source: { kind: 'boot' } }],
    [['--submit'], { action: 'submit' }],
    [['f', '--private-ipv4', '10.0.0.1'], { addresses: { private_ipv4: '10.0.0.1' } }],
  ] as const)('%j', ([words, then]) => {
    expect(provisionArguments(words)).toMatchObject(then);
  });

  it.for([
    [],
    ['a', 'b'],
    ['--boot', 'x'],
    ['--from-url'],
    ['--boot', '--from-file', 'x'],
    ['--validate', '--dry-run', 'f'],
    ['--submit', 'f'],
    ['--no'],
  ])('%j is wrong usage', (words) => {
    expect(() => provisionArguments(words)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

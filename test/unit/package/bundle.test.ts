import { describe, expect, it } from 'vitest';
import { debianVersion } from '../../../lab/package/deb.ts';
import { withProtos } from '../../../lab/package/bundle.ts';
import { billOfMaterials, copyright } from '../../../lab/package/contents.ts';
import { seaConfig } from '../../../lab/package/executable.ts';

const part = { name: '@a/b', version: '1.2.3', license: 'MIT', licenseText: 'Do what you like.' };

describe('withProtos', () => {
  it("puts etcd3's .proto files in the place of their reading", () => {
    const code =
      'const p = (0, l.loadSync)(`${__dirname}/../proto/rpc.proto`, { keepCase: true });';
    expect(withProtos(code, { nested: {} })).toBe(
      'const p = (0, l.fromJSON)({"nested":{}}, { keepCase: true });',
    );
  });

  it('refuses an etcd3 that reads them in another way', () => {
    expect(() => withProtos('loadSync("rpc.proto")', {})).toThrow('see bundle.ts');
  });
});

describe('seaConfig', () => {
  it('takes nothing from the environment of who calls, and caches code', () => {
    const files = { main: 'm.js', executable: 'node', output: 'fleetd', assets: { a: 'b' } };
    expect(seaConfig(files)).toMatchObject({
      ...files,
      execArgvExtension: 'none',
      useCodeCache: true,
    });
  });
});

describe('billOfMaterials', () => {
  it('names fleet, Node with its parts, and each package with its licence', () => {
    const versions = { node: '26.0.0', openssl: '3.5.0', modules: '140' };
    const bill = JSON.parse(billOfMaterials('2.0.0', [part], versions)) as {
      metadata: { component: object };
      components: readonly object[];
    };
    expect(bill.metadata.component).toMatchObject({ name: 'fleet', version: '2.0.0' });
    expect(bill.components).toEqual([
      expect.objectContaining({
        name: 'node',
        components: [{ type: 'library', name: 'openssl', version: '3.5.0' }],
      }),
      expect.objectContaining({
        purl: 'pkg:npm/%40a/b@1.2.3',
        licenses: [{ license: { id: 'MIT' } }],
      }),
    ]);
  });

  it('tells an expression from a licence', () => {
    const either = { ...part, license: '(MIT OR Apache-2.0)' };
    expect(billOfMaterials('2.0.0', [either], {})).toContain('"expression": "(MIT OR Apache-2.0)"');
  });
});

it('copyright holds the text of every licence', () => {
  expect(copyright([part], '26.0.0')).toContain('@a/b 1.2.3: MIT\n\nDo what you like.');
});

it('debianVersion sorts a pre-release before its release', () => {
  expect(debianVersion('2.0.0-rc.1')).toBe('2.0.0~rc.1');
  expect(debianVersion('2.0.0')).toBe('2.0.0');
});

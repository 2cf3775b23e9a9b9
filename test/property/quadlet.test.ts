import type { QuadletType } from '../../src/unitfile/name.ts';
import { RUNTIMES } from '../../src/model/container-runtime.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertQuadlet } from '../../src/quadlet/convert.ts';
import { parseCsv, writeCsv } from '../../src/quadlet/csv.ts';
import { KIND_RULES } from '../../src/quadlet/kinds.ts';
import { PODMAN_KINDS } from '../../src/quadlet/podman/podman.ts';
import { commandLine, splitWords } from '../../src/quadlet/words.ts';
import { parseUnitFile } from '../../src/unitfile/parse.ts';
import { bareHost, checkQuadletLaws } from '../support/quadlet-laws.ts';

const KINDS = Object.keys(KIND_RULES) as readonly QuadletType[];
const word = fc
  .string({ unit: fc.constantFrom(...'ab "\'\\\t\n;%$=,é\u007f'.split('')), maxLength: 8 })
  .filter((text) => !text.includes('\0'));

it('a written command line splits into the same words', () => {
  fc.assert(
    fc.property(fc.array(word), (words) => {
      expect(splitWords(commandLine(words), 'unescape')).toEqual({ words });
    }),
  );
});

it('a written record splits into the same fields', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (fields) => {
      expect(parseCsv(writeCsv(fields))).toEqual(fields);
    }),
  );
});

const value = fc.oneof(
  fc.constantFrom('', 'yes', 'no', 'a', '/a', './a', 'x.volume', 'x.network', 'x@.pod', 'y.image'),
  fc.constantFrom(
    '"a',
    "'",
    '\\',
    'a\\\n b',
    'k=v "l=w x"',
    'a:b:c',
    'type=bind,source=/a',
    '%i/a',
  ),
  fc.string({ maxLength: 12 }),
);

it.for(KINDS)(
  'a .%s file of any keys is converted or refused with places, and never throws',
  (kind) => {
    const key = fc.oneof(
      fc.constantFrom(...Object.keys(PODMAN_KINDS[kind].keys)),
      fc.constantFrom('Unknown', 'image', '__proto__', 'constructor', '#', '['),
    );
    const line = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
    const section = fc.constantFrom(KIND_RULES[kind].section, 'Unit', 'Service', 'Quadlet', 'Pod');
    const part = fc
      .tuple(section, fc.array(line, { maxLength: 8 }))
      .map(([name, lines]) => [`[${name}]`, ...lines].join('\n'));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        checkQuadletLaws(`web@1.${kind}`, parts.join('\n'));
      }),
    );
  },
);

/** What a file of the kind needs, so that the key can be carried out at all. */
const NEEDED: Readonly<Record<QuadletType, string>> = {
  container: 'Image=localhost/a\n',
  volume: 'Device=/a\n',
  network: '',
  pod: '',
  build: 'ImageTag=localhost/a\nSetWorkingDirectory=/a\n',
  image: 'Image=localhost/a\n',
  kube: 'Yaml=/a\n',
  artifact: 'Artifact=localhost/a\n',
};

/** Values that ask for something, and lines without which a key asks for nothing. */
const SAMPLES: Readonly<Record<string, string>> = {
  AddDevice: '/dev/fuse',
  ConfigMap: '/b',
  Copy: 'no',
  EnvironmentFile: '/b',
  ExposeHostPort: '80',
  File: '/b',
  Gateway: '10.1.0.1',
  Group: '100',
  IPRange: '10.1.0.0/28',
  Mount: 'type=tmpfs,destination=/b',
  Notify: 'yes',
  Pod: 'p.pod',
  Pull: 'always',
  RemapUidSize: '10',
  RemapUsers: 'auto',
  SetWorkingDirectory: '/b',
  StartWithPod: 'no',
  User: '100',
  Volume: '/b:/c',
  Yaml: '/b',
};
const OF_KIND: Readonly<Record<string, string>> = { 'kube.SetWorkingDirectory': 'yaml' };
const COMPANIONS: Readonly<Record<string, string>> = {
  Gateway: 'Subnet=10.1.0.0/24\n',
  Group: 'User=100\n',
  IPRange: 'Subnet=10.1.0.0/24\n',
  ReadOnlyTmpfs: 'ReadOnly=yes\n',
  RemapGid: 'RemapUsers=auto\n',
  RemapUid: 'RemapUsers=auto\n',
  RemapUidSize: 'RemapUsers=auto\n',
  StartWithPod: 'Pod=p.pod\n',
};
const ON = new Set(['NetworkDeleteOnStop', 'KubeDownForce', 'NoNewPrivileges', 'VolatileTmp']);
const LABELS = /^SecurityLabel(?:Disable|Nested)$/;

describe('no key is passed over in silence', () => {
  const rows = KINDS.flatMap((kind) =>
    Object.entries(PODMAN_KINDS[kind].keys).flatMap(([key, [form]]) =>
      RUNTIMES.map((runtime) => ({ kind, key, form, runtime })),
    ),
  );

  it.for(rows)('$runtime, .$kind: $key', ({ kind, key, form, runtime }) => {
    const boolean = form === 'boolean' || ON.has(key) || LABELS.test(key);
    const sample =
      OF_KIND[`${kind}.${key}`] ??
      SAMPLES[key] ??
      (boolean ? (key === 'ReadOnlyTmpfs' ? 'no' : 'yes') : 'b');
    const needed = key === 'Rootfs' ? '' : NEEDED[kind];
    const without = `[${KIND_RULES[kind].section}]\n${needed}${COMPANIONS[key] ?? ''}`;
    const outcome = (text: string): string | readonly string[] => {
      const { ok, problems } = convertQuadlet(
        `a.${kind}`,
        parseUnitFile(text).ok!,
        bareHost(runtime),
      );
      if (problems !== undefined) return problems.map(({ message }) => message);
      return `${ok.service}\n${ok.text.replaceAll(/^\[X-[^[]*/gm, '')}`;
    };
    const base = outcome(without);
    const changed = outcome(`${without}${key}=${sample}\n`);
    if (typeof changed === 'string') {
      // An image's tag is its name for others: it is in their commands.
      if (kind === 'image' && key === 'ImageTag') return;
      expect(changed).not.toBe(base);
      return;
    }
    const nothingLike = changed.some((message) => message.includes('has nothing like'));
    const named = new RegExp(`'${key}='|key ${key} `);
    expect(nothingLike || changed.some((message) => named.test(message))).toBe(true);
    // podman has a word for each; an image without its driver is the one key that asks for another.
    if (runtime === 'podman') expect(`${kind}.${key}`).toBe('volume.Image');
  });
});

import { describe, expect, it } from 'vitest';
import { readBoolean, readNumber, usualWords, variableOf } from '../../cli/arguments.ts';
import { endpointsOf } from '../../cli/endpoints.ts';
import { DEFAULT_ENDPOINT } from '../../cli/options.ts';
import { Values } from '../../cli/values.ts';

const forms = [
  { name: 'full', kind: 'flag', description: '' },
  { name: 'no-block', kind: 'flag', description: '' },
  { name: 'lines', kind: 'number', description: '', initial: 10 },
  { name: 'strict', kind: 'switch', description: '', initial: true },
] as const;

describe('usualWords', () => {
  it.for([
    ['-full x', '--full x', ''],
    ['--full=true', '--full', ''],
    ['-full=F', '', 'full'],
    ['--full=false --full', '--full', ''],
    ['-lines=5', '--lines=5', ''],
    ['-lines 5', '--lines 5', ''],
    ['--strict', '--strict=true', ''],
    ['-strict=false', '--strict=false', ''],
    ['-l -f', '-l -f', ''],
    ['-nosuch --nosuch=1', '-nosuch --nosuch=1', ''],
    ['a -- -full --full=true', 'a -- -full --full=true', ''],
  ] as const)('%s → %s', ([given, words, off]) => {
    const usual = usualWords(forms, given.split(' '));
    expect(usual.words.join(' ')).toBe(words);
    expect([...usual.off].join(' ')).toBe(off);
  });
});

describe('Values', () => {
  const env = {
    FLEETCTL_LINES: '7',
    FLEETCTL_FULL: 'true',
    FLEETCTL_NO_BLOCK: 'false',
    FLEETCTL_STRICT: '',
  };

  it('takes the environment where nothing is given', () => {
    const values = new Values(forms, () => undefined, env);
    expect(values.number('lines')).toBe(7);
    expect(values.flag('full')).toBe(true);
    expect(values.flag('no-block')).toBe(false);
    expect(values.flag('strict')).toBe(true);
  });

  it('takes what is given first', () => {
    const given = new Map<string, string | boolean>([
      ['lines', '3'],
      ['full', false],
      ['strict', 'false'],
    ]);
    const values = new Values(forms, ({ name }) => given.get(name), env);
    expect(values.number('lines')).toBe(3);
    expect(values.flag('full')).toBe(false);
    expect(values.flag('strict')).toBe(false);
  });
});

it('variableOf has capitals and underscores', () => {
  expect(variableOf('block-attempts')).toBe('FLEETCTL_BLOCK_ATTEMPTS');
});

describe('readBoolean and readNumber', () => {
  it.for(['1', 't', 'T', 'true', 'TRUE', 'True'])('%s is true', (text) => {
    expect(readBoolean('--x', text)).toBe(true);
  });
  it.for(['yes', '', 'tRUE'])("'%s' is no boolean", (text) => {
    expect(() => readBoolean('--x', text)).toThrow('--x is');
  });
  it.for(['-1', '1e9', '', ' 1', '0x10', '1000001', 'Infinity'])("'%s' is no number", (text) => {
    expect(() => readNumber('--x', text)).toThrow('--x is');
  });
  it('a number may have a fraction', () => {
    expect(readNumber('--x', '0.5')).toBe(0.5);
  });
});

describe('endpointsOf', () => {
  it.for([
    [DEFAULT_ENDPOINT, {}, ['unix:///var/run/fleet.sock']],
    [
      DEFAULT_ENDPOINT,
      { XDG_RUNTIME_DIR: '/run/user/1' },
      ['unix:///var/run/fleet.sock', 'unix:///run/user/1/fleet.sock'],
    ],
    ['http://a:1, http://b:1', { XDG_RUNTIME_DIR: '/run/user/1' }, ['http://a:1', 'http://b:1']],
  ] as const)('%s with %o', ([option, env, endpoints]) => {
    expect(endpointsOf(option, env)).toEqual(endpoints);
  });
});

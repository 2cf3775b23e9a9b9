import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/registry/codec.ts';
import { keysUnder, parseClusterKey } from '../../../src/registry/keys.ts';
import { machineId } from '../../support/api.ts';

const keys = keysUnder('/test/');
const M1 = machineId(1);

describe('decode', () => {
  const record = { machine: M1, key: 'a/b %', value: 'x' };

  it('answers what encode was given, under its own key', () => {
    const key = keys.metadata(M1, record.key);
    expect(decode('metadata', key, encode('metadata', record))).toEqual(record);
  });

  it.for([
    { name: "another machine's", key: keys.metadata(machineId(2), record.key) },
    { name: 'another key', key: keys.metadata(M1, 'a/b') },
    { name: 'no key of fleet', key: '/elsewhere' },
  ])('refuses a record under $name', ({ key }) => {
    expect(() => decode('metadata', key, encode('metadata', record))).toThrow(
      expect.objectContaining({ code: 'REGISTRY_RECORD_INVALID' }),
    );
  });
});

describe('parseClusterKey', () => {
  it('knows no metadata key that was not encoded', () => {
    expect(parseClusterKey(keys, keys.metadata(M1, 'a %'))).toMatchObject({ key: 'a %' });
    expect(parseClusterKey(keys, `${keys.metadataOf(M1)}%zz`)).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import type { UnitName, UnitOption, UnitTarget } from '../../../src/model/unit.ts';
import { mayBootWithoutStore, wantedWithoutStore } from '../../../src/reconcile/host-boot.ts';
import type { Wanted } from '../../../src/reconcile/host-picture.ts';

const here = { id: `1234abcd${'0'.repeat(24)}` as MachineId, hostname: 'h1' };

function target(lines: readonly string[]): UnitTarget {
  const options = lines.map((line): UnitOption => {
    const [name = '', value = ''] = line.split(/=(.*)/s);
    return { section: 'X-Fleet', name, value };
  });
  return {
    name: 'a.service' as UnitName,
    hash: '',
    sha256: '',
    desiredState: 'launched',
    generation: 1,
    options,
  };
}

describe('mayBootWithoutStore', () => {
  it.for([
    { lines: [], then: false },
    { lines: ['Global=true'], then: true },
    { lines: ['Global=true', 'BootWithoutStore=no'], then: false },
    { lines: [`MachineID=${here.id}`], then: true },
    { lines: ['MachineID=1234abcd'], then: true },
    { lines: ['MachineID=1234abcd', 'BootWithoutStore=false'], then: false },
    { lines: ['MachineID=99999999'], then: false },
    // Every machine fulfils it: nothing is pinned by it.
    { lines: ['MachineID=%m'], then: false },
    { lines: ['MachineMetadata=disk=ssd'], then: false },
    { lines: ['BootWithoutStore=yes'], then: true },
    { lines: ['BootWithoutStore=yes', 'BootWithoutStore=no'], then: false },
    { lines: ['Nonsense=1', 'Global=true'], then: false },
  ])('answers $then for $lines', ({ lines, then }) => {
    expect(mayBootWithoutStore(target(lines), here)).toBe(then);
  });
});

describe('wantedWithoutStore', () => {
  it('leaves alone what must not start and what was to go', () => {
    const wanted = new Map<string, Wanted>([
      ['a', { kind: 'keep', target: target(['Global=true']) }],
      ['b', { kind: 'keep', target: target([]) }],
      ['c', { kind: 'release', because: 'global-not-allowed' }],
      ['d', { kind: 'leave' }],
    ]) as unknown as ReadonlyMap<UnitName, Wanted>;
    const kinds = [...wantedWithoutStore(wanted, here)].map(
      ([name, { kind }]) => `${name} ${kind}`,
    );
    expect(kinds).toEqual(['a keep', 'b leave', 'c leave', 'd leave']);
  });
});

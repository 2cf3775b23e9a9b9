// What is put on the disk for a boot without the store, and what has to be known before it is.
import { beforeEach, describe, expect, it } from 'vitest';
import { keepDesired, type KeepDesiredInput } from '../../../agent/keep-desired.ts';
import type { Assignment } from '../../../src/model/unit.ts';
import type { MachineId } from '../../../src/model/machine.ts';

const machine = 'a'.repeat(32) as MachineId;
const never = new AbortController().signal;

let kept: string[];
let said: string[];
let isKnown: boolean;

beforeEach(() => {
  [kept, said, isKnown] = [[], [], true];
});

function unit(sha256: string, options: Readonly<Record<string, string>>): Assignment {
  return {
    name: `${sha256}.service` as Assignment['name'],
    hash: 'h',
    sha256,
    desiredState: 'launched',
    generation: 1,
    options: Object.entries(options).map(([name, value]) => ({ section: 'X-Fleet', name, value })),
    machine,
    release: false,
  };
}

async function keep(...assignments: readonly Assignment[]): Promise<boolean> {
  const input = {
    kept: {
      has: (sha256: string) => kept.includes(sha256),
      addText: async (sha256: string) => void kept.push(sha256),
      write: async () => void said.push('list'),
    },
    unitDir: {},
    machine,
    texts: new Map(assignments.map(({ sha256 }) => [sha256, 'text'])),
    desired: { assignments, globals: [], overrides: new Map() },
    learnTokens: async () => {
      said.push('tokens');
      return isKnown;
    },
  };
  return await keepDesired(input as unknown as KeepDesiredInput, never);
}

describe('keepDesired', () => {
  it('learns the tokens of the store before a fenced unit that starts without it is on the disk, once', async () => {
    const fenced = unit('fenced', { MachineID: machine, Fence: 'yes' });
    expect(await keep(fenced)).toBe(true);
    expect(said).toEqual(['tokens', 'list']);
    expect(await keep(fenced)).toBe(true);
    expect(said).toEqual(['tokens', 'list', 'list']);
  });

  it('keeps the others where the tokens cannot be learned', async () => {
    isKnown = false;
    const fenced = unit('fenced', { MachineID: machine, Fence: 'yes' });
    expect(await keep(fenced, unit('plain', { MachineID: machine }))).toBe(false);
    expect(kept).toEqual(['plain']);
    isKnown = true;
    expect(await keep(fenced)).toBe(true);
    expect(kept).toEqual(['plain', 'fenced']);
  });

  it.for([
    { what: 'not fenced', options: { MachineID: machine } },
    { what: 'started by the store alone', options: { Fence: 'yes' } },
  ])('asks nothing for a unit that is $what', async ({ options }) => {
    expect(await keep(unit('plain', options as unknown as Record<string, string>))).toBe(true);
    expect(said).toEqual(['list']);
  });
});

// Listings: whatever lies in the store, and however large the pages, they show the same rows, and ask the store for little more.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UnitName } from '../../src/model/unit.ts';
import { MachineCache } from '../../src/registry/presence.ts';
import { listStates } from '../../src/registry/read-states.ts';
import { listUnits, type Cursor, type Page } from '../../src/registry/read-units.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { ApiFixture, forever, machineId } from '../support/api.ts';
import { unitRecord } from '../support/cluster.ts';

/** Names that begin with others, in ways that order their keys differently; in order of name. */
const NAMES = ['a+.service', 'a.service', 'a.service-b.service', 'a.service.service', 'a@1.service', 'b.service', 'ba.service', 'c.service'] as UnitName[]; // prettier-ignore
const MACHINES = [1, 2, 3].map(machineId);

const anyUnit = fc.record({
  name: fc.constantFrom(...NAMES),
  isStored: fc.boolean(),
  isGlobal: fc.boolean(),
  placed: fc.option(fc.constantFrom(...MACHINES), { nil: undefined }),
  rows: fc.subarray(MACHINES),
});
const anyCluster = fc.uniqueArray(anyUnit, { selector: ({ name }) => name });

async function collect<T>(read: (at: { cursor?: Cursor }) => Promise<Page<T>>): Promise<T[]> {
  const rows: T[] = [];
  for (let cursor: Cursor | undefined, pages = 0; pages < 50; pages += 1) {
    const page = await read(cursor === undefined ? {} : { cursor });
    rows.push(...page.rows);
    cursor = page.next;
    if (cursor === undefined) return rows;
  }
  throw new Error('pages without end');
}

describe('pages of a listing', () => {
  it('show the same rows, however many there are to a page', async () => {
    let fixture: ApiFixture;
    const pages = fc.record({ units: anyCluster, limit: fc.integer({ min: 1, max: 9 }) });
    await fc.assert(
      fc
        .asyncProperty(pages, async ({ units, limit }) => {
          const { kv, keys } = fixture;
          for (const id of MACHINES.slice(1)) await fixture.machine(id); // the first is absent
          for (const { name, isStored, isGlobal, placed, rows } of units) {
            await fixture.put('unit', keys.unit(name), unitRecord(name, { global: isGlobal }));
            if (placed !== undefined && !isGlobal) await fixture.place(name, placed);
            for (const id of rows) await fixture.report(name, id, { started: 1 });
            if (!isStored) await fixture.remove(keys.unit(name));
          }
          const registry: Registry = {
            kv,
            keys,
            unreadable: (_kv, error) => expect.fail(error.message),
          };
          const known = units.filter(({ isStored }) => isStored);
          const expected = NAMES.filter((name) => known.some((unit) => unit.name === name));
          const listed = await collect((at) =>
            listUnits(registry, new MachineCache(), { limit, ...at }, forever),
          );
          expect(listed.map(({ unit }) => unit.name)).toEqual(expected);
          for (const { unit, global, placed, state } of listed) {
            const given = known.find(({ name }) => name === unit.name)!;
            const on = given.isGlobal ? undefined : given.placed;
            expect(global).toBe(given.isGlobal);
            expect(placed?.machine).toBe(on);
            const isReported = on !== undefined && on !== MACHINES[0] && given.rows.includes(on);
            expect(state?.machine).toBe(isReported ? on : undefined);
          }
          const states = await collect((at) =>
            listStates(registry, new MachineCache(), { limit, ...at }, forever),
          );
          const shown = states.map(({ state }) => `${state.name} ${state.machine}`);
          const present = units.flatMap(({ name, rows }) =>
            rows.filter((id) => id !== MACHINES[0]).map((id) => `${name} ${id}`),
          );
          expect(shown.toSorted()).toEqual(present.toSorted());
        })
        .beforeEach(() => void (fixture = new ApiFixture()))
        .afterEach(() => fixture.stop()),
      { numRuns: 300 },
    );
  });
});

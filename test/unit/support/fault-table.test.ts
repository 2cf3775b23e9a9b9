import { expect, it } from 'vitest';
import { reliability, withTable } from '../../support/fault-table.ts';

it('docs/reliability.md has the table of docs/reliability.json (node test/support/fault-table.ts writes it)', () => {
  const { document, records } = reliability();
  expect(records.length).toBeGreaterThan(0);
  expect(withTable(document, records)).toBe(document);
});

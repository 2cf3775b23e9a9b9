import { describe, expect, it } from 'vitest';
import { commands } from '../../cli/definition.ts';
import { listFields } from '../../cli/commands/list.ts';
import { documented, reference } from '../support/fleetctl-reference.ts';

describe('docs/fleetctl.md', () => {
  it('has every command and option (node test/support/fleetctl-reference.ts writes it)', () => {
    expect(documented()).toBe(reference());
  });
});

describe('commands', () => {
  it.for(Object.entries(listFields))('%s offers the fields that it has', ([name, fields]) => {
    const command = commands.find((one) => one.name === name);
    const option = command?.options.find((one) => one.name === 'fields');
    expect(option?.description).toBe(`columns, separated by commas: ${fields.join(',')}`);
  });
});

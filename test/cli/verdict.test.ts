// The machines that lines name: read early, once more where one is missing, and not waited for once all is said.
import { expect, it } from 'vitest';
import type { Context } from '../../cli/context.ts';
import type { UnitView } from '../../cli/goal.ts';
import { sayVerdicts } from '../../cli/verdict.ts';
import { FleetError } from '../../src/model/errors.ts';

const [FIRST, SECOND] = ['a'.repeat(32), 'b'.repeat(32)];

it('an address that was known is said also after the API went away', async () => {
  const answers = [[{ id: FIRST, primaryIP: '10.0.0.1' }]];
  const printed: string[] = [];
  const machines = (): Promise<unknown> => {
    const answer = answers.shift();
    if (answer !== undefined) return Promise.resolve(answer);
    return Promise.reject(new FleetError('API_UNREACHABLE', 'gone'));
  };
  const context = {
    signal: new AbortController().signal,
    colours: { stdout: false, stderr: false },
    stdout: (text: string) => printed.push(text),
    client: { machines },
  };
  const verdicts = sayVerdicts(context as unknown as Context);
  verdicts.readMachines();
  for (const [name, machineID] of [
    ['a.service', FIRST],
    ['b.service', SECOND],
    ['c.service', FIRST],
  ]) {
    const view = { name, goal: 'launched' } as unknown as UnitView;
    await verdicts.say(view, { kind: 'reached', machineID });
  }
  expect(printed).toEqual([
    'Unit a.service launched on aaaaaaaa.../10.0.0.1\n',
    'Unit b.service launched on bbbbbbbb...\n',
    'Unit c.service launched on aaaaaaaa.../10.0.0.1\n',
  ]);
});

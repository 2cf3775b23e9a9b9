import { describe, expect, it } from 'vitest';
import {
  applyEvent,
  judge,
  viewOf,
  viewOfRemains,
  type Goal,
  type UnitView,
} from '../../cli/goal.ts';
import { prefixOf } from '../../cli/wait.ts';
import type { V2Event, V2Unit, V2UnitState } from '../../src/api/types.ts';

const NAME = 'a.service';

function unit(fields: Partial<V2Unit> = {}): V2Unit {
  return {
    name: NAME,
    hash: 'h',
    sha256: 's',
    desiredState: 'launched',
    generation: 2,
    global: false,
    description: '',
    revision: '10',
    ...fields,
  };
}

function row(fields: Partial<V2UnitState> = {}): V2UnitState {
  return {
    name: NAME,
    hash: 'h',
    machineID: 'm1',
    generation: 2,
    systemdLoadState: 'loaded',
    systemdActiveState: 'active',
    systemdSubState: 'running',
    ...fields,
  };
}

/** Launched as generation 1 before, asked at revision 20 for generation 2. */
function viewFor(
  goal: Goal,
  before: Partial<V2Unit> = {},
  states: readonly V2UnitState[] = [],
): UnitView {
  const was = unit({ generation: 1, machineID: 'm1', states, ...before });
  return viewOf(goal, was, goal === 'destroyed' ? undefined : unit({ revision: '20' }));
}

const idle = { systemdActiveState: 'inactive', systemdSubState: 'dead' };
const done = { started: 2, job: 'done' };

describe('judge', () => {
  it.for([
    ['no row', 'launched', undefined, 'waiting'],
    [
      'a row of the generation before',
      'launched',
      { generation: 1, started: 1, job: 'done' },
      'waiting',
    ],
    ['a generation that was not started yet', 'launched', { started: 1, job: 'done' }, 'waiting'],
    ['a job that runs', 'launched', { started: 2, job: 'running' }, 'waiting'],
    ['a job that is done', 'launched', done, 'reached'],
    ['a oneshot that has ended', 'launched', { ...idle, ...done }, 'reached'],
    [
      'a condition that did not hold',
      'launched',
      { ...idle, started: 2, job: 'skipped' },
      'reached',
    ],
    ['a job that failed', 'launched', { started: 2, job: 'failed', result: 'exit-code' }, 'failed'],
    ['a job that was canceled', 'launched', { started: 2, job: 'canceled' }, 'failed'],
    ['a refusal', 'launched', { refusal: 'no' }, 'failed'],
    [
      'a later generation that is done',
      'launched',
      { generation: 3, started: 3, job: 'done' },
      'reached',
    ],
    ['what still runs', 'loaded', { started: 1 }, 'waiting'],
    ['what is stopping', 'loaded', { systemdActiveState: 'deactivating' }, 'waiting'],
    ['what has stopped', 'loaded', idle, 'reached'],
    ['what has failed', 'loaded', { systemdActiveState: 'failed' }, 'reached'],
    [
      'what systemd was not asked about yet',
      'loaded',
      { ...idle, systemdLoadState: 'not-found' },
      'waiting',
    ],
    [
      'a bad setting at start',
      'launched',
      { ...idle, started: 2, job: 'failed', systemdLoadState: 'bad-setting' },
      'failed',
    ],
    ['a bad setting', 'loaded', { ...idle, systemdLoadState: 'bad-setting' }, 'failed'],
  ] as const)('%s: %s', ([, goal, fields, kind]) => {
    const view = viewFor(goal);
    if (fields !== undefined) view.states.set('m1', row(fields));
    expect(judge(view).kind).toBe(kind);
  });

  it('load of what a socket has started is reached', () => {
    const view = viewFor('loaded', { desiredState: 'inactive' });
    view.states.set('m1', row());
    expect(judge(view)).toEqual({ kind: 'reached', machineID: 'm1' });
  });

  it('does not count a machine that is asked to hand over', () => {
    const view = viewFor('launched', {}, [row(done)]);
    expect(judge(view).kind).toBe('reached');
    applyEvent(view, { kind: 'placed', name: NAME, machineID: 'm1', releasing: true }, 21n);
    expect(judge(view).kind).toBe('waiting');
  });

  it('a global unit is loaded when every machine has stopped it', () => {
    const view = { ...viewFor('loaded'), global: true };
    view.states.set('m1', row(idle)).set('m2', row({ machineID: 'm2', generation: 1 }));
    expect(judge(view).kind).toBe('waiting');
    view.states.set('m2', row({ machineID: 'm2', ...idle }));
    expect(judge(view).kind).toBe('reached');
  });

  it.for(['inactive', 'destroyed'] as const)('%s means no placement and no row', (goal) => {
    const view = viewFor(goal, {}, [row()]);
    expect(judge(view).kind).toBe('waiting');
    applyEvent(view, { kind: 'state', name: NAME, machineID: 'm1' }, 21n);
    expect(judge(view).kind).toBe('waiting');
    applyEvent(view, { kind: 'placed', name: NAME }, 22n);
    expect(judge(view)).toEqual({ kind: 'reached', machineID: undefined });
  });

  it('what is left of a destroyed unit is waited for', () => {
    expect(judge(viewOfRemains(NAME, [], '5')).kind).toBe('reached');
    expect(judge(viewOfRemains(NAME, [row()], '5')).kind).toBe('waiting');
  });
});

describe('applyEvent', () => {
  const changed = (fields: Partial<V2Unit>): V2Event => ({
    kind: 'unit',
    name: NAME,
    unit: unit(fields),
  });
  const gone: V2Event = { kind: 'unit', name: NAME };

  it('passes over what the view knows already', () => {
    const view = viewFor('launched', {}, [row(done)]);
    applyEvent(view, { kind: 'state', name: NAME, machineID: 'm1' }, 10n);
    expect(view.states.size).toBe(1);
  });

  it('passes over changes that the request overruled', () => {
    const view = viewFor('launched');
    applyEvent(view, changed({ desiredState: 'inactive' }), 15n);
    applyEvent(view, changed({ generation: 2 }), 20n);
    expect(judge(view).kind).toBe('waiting');
    expect(view.generation).toBe(2);
  });

  it.for([
    ['launched', 'inactive', 'failed'],
    ['launched', 'launched', 'waiting'],
    ['loaded', 'launched', 'failed'],
    ['inactive', 'loaded', 'failed'],
  ] as const)('%s, then somebody makes it %s: %s', ([goal, desiredState, kind]) => {
    const view = viewFor(goal);
    applyEvent(view, changed({ desiredState, generation: 3 }), 21n);
    expect(judge(view).kind).toBe(kind);
  });

  it.for([
    ['launched', 'failed'],
    ['loaded', 'failed'],
    ['inactive', 'waiting'],
    ['destroyed', 'waiting'],
  ] as const)('%s, then somebody destroys it: %s', ([goal, kind]) => {
    const view = viewFor(goal);
    applyEvent(view, gone, 21n);
    expect(judge(view).kind).toBe(kind);
  });

  it('a unit created anew ends the wait for the end of the old one when that has left', () => {
    const view = viewFor('destroyed', {}, [row()]);
    applyEvent(view, changed({ desiredState: 'inactive' }), 11n); // before it was destroyed
    expect(judge(view).kind).toBe('waiting');
    applyEvent(view, gone, 12n);
    applyEvent(view, { kind: 'placed', name: NAME, machineID: 'm1', releasing: true }, 12n);
    applyEvent(view, changed({ generation: 3 }), 13n);
    expect(judge(view).kind).toBe('waiting');
    applyEvent(view, { kind: 'placed', name: NAME, machineID: 'm1' }, 14n);
    expect(judge(view).kind).toBe('reached');
  });

  it('a placement ends what it waited for', () => {
    const view = viewFor('launched');
    applyEvent(view, { kind: 'pending', name: NAME, lines: ['no machine'] }, 21n);
    expect(view.pending).toEqual(['no machine']);
    applyEvent(view, { kind: 'placed', name: NAME, machineID: 'm2' }, 22n);
    expect(view.pending).toEqual([]);
  });
});

it('prefixOf is what all names begin with', () => {
  expect(prefixOf(['web@1.service'])).toBe('web@1.service');
  expect(prefixOf(['web@1.service', 'web@22.service', 'worker.service'])).toBe('w');
  expect(prefixOf(['a', 'b'])).toBe('');
});

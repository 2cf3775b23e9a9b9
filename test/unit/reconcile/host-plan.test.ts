import { describe, expect, it } from 'vitest';
import { planHost } from '../../../src/reconcile/host-plan.ts';
import { line, picture, type HostWords } from '../../support/host-picture.ts';

interface Row {
  readonly name: string;
  readonly given: HostWords;
  readonly then: readonly string[];
  readonly refused?: readonly string[];
  readonly orphans?: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'does nothing for an empty host', given: {}, then: [] },
  {
    name: 'loads and starts what is new, with one reload',
    given: { keep: { 'a.service': 'launched 1 A', 'b.service': 'launched 1 B' } },
    then: [
      'load a.service (new)',
      'load b.service (new)',
      'reload',
      'start a.service 1',
      'start b.service 1',
    ],
  },
  {
    name: 'loads without a start what is to be loaded',
    given: { keep: { 'a.service': 'loaded 1 A' } },
    then: ['load a.service (new)', 'reload'],
  },
  {
    name: 'does not load what is to be inactive',
    given: { keep: { 'a.service': 'inactive 1 A' } },
    then: [],
  },
  {
    name: 'leaves alone what was carried out',
    given: {
      keep: { 'a.service': 'launched 3 A', 'b.timer': 'loaded 2 A' },
      done: { 'a.service': 'launched 3 A', 'b.timer': 'loaded 2 A' },
    },
    then: [],
  },
  {
    name: 'starts what was loaded',
    given: { keep: { 'a.service': 'launched 2 A' }, done: { 'a.service': 'loaded 1 A' } },
    then: ['start a.service 2'],
  },
  {
    name: 'starts a newer generation of what was launched',
    given: { keep: { 'a.service': 'launched 5 A' }, done: { 'a.service': 'launched 3 A' } },
    then: ['start a.service 5'],
  },
  {
    name: 'repeats a start that systemd had not taken on when fleetd ended',
    given: {
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A unstarted' },
    },
    then: ['start a.service 3'],
  },
  {
    name: 'starts again what a stop may have ended when fleetd ended in the midst of it',
    given: {
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A ending' },
    },
    then: ['start a.service 3'],
  },
  {
    name: 'does not repeat a start that is on its way',
    given: {
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A unstarted' },
      starting: { 'a.service': 3 },
    },
    then: [],
  },
  {
    name: 'stops what was launched when it is to be loaded only',
    given: { keep: { 'a.service': 'loaded 4 A' }, done: { 'a.service': 'launched 3 A' } },
    then: ['stop a.service (desired-lowered)'],
  },
  {
    name: 'stops a unit that hangs in its start',
    given: {
      keep: { 'a.service': 'loaded 4 A' },
      done: { 'a.service': 'launched 3 A unstarted' },
      starting: { 'a.service': 3 },
    },
    then: ['stop a.service (desired-lowered)'],
  },
  {
    name: 'notes the end of a lowering stop',
    given: { keep: { 'a.service': 'loaded 4 A' }, done: { 'a.service': 'loaded 3 A stopped' } },
    then: ['adopt a.service 4'],
  },
  {
    name: 'starts again what was lowered and raised while it stopped',
    given: { keep: { 'a.service': 'launched 5 A' }, done: { 'a.service': 'loaded 3 A stopped' } },
    then: ['start a.service 5'],
  },
  {
    name: 'never stops for loaded what it did not start',
    given: { keep: { 'a.service': 'loaded 5 A' }, done: { 'a.service': 'loaded 3 A' } },
    then: ['adopt a.service 5'],
  },
  {
    name: 'swaps by a stop first',
    given: { keep: { 'a.service': 'launched 4 B' }, done: { 'a.service': 'launched 3 A' } },
    then: ['stop a.service (swap)'],
  },
  {
    name: 'swaps by link and start when the stop has ended',
    given: { keep: { 'a.service': 'launched 4 B' }, done: { 'a.service': 'loaded 3 A stopped' } },
    then: ['load a.service (swap)', 'reload', 'start a.service 4'],
  },
  {
    name: 'rewrites a loaded unit without a stop',
    given: { keep: { 'a.service': 'loaded 4 B' }, done: { 'a.service': 'loaded 3 A' } },
    then: ['load a.service (swap)', 'reload'],
  },
  {
    name: 'rewrites another text of the same options and restarts nothing',
    given: { keep: { 'a.service': 'launched 3 A#2' }, done: { 'a.service': 'launched 3 A' } },
    then: ['load a.service (text-changed)', 'reload'],
  },
  {
    name: 'does nothing while a stop has not ended',
    given: {
      keep: { 'a.service': 'launched 4 B' },
      done: { 'a.service': 'launched 3 A' },
      busy: ['a.service'],
    },
    then: [],
  },
  {
    name: 'stops what is released',
    given: { release: { 'a.service': 'assigned' }, done: { 'a.service': 'launched 3 A' } },
    then: ['stop a.service (released)'],
  },
  {
    name: 'stops what is released even where it was only loaded: a timer may have started it',
    given: { release: { 'a.service': 'assigned' }, done: { 'a.service': 'loaded 3 A' } },
    then: ['stop a.service (released)'],
  },
  {
    name: 'takes away what has stopped, and hands it over after the reload',
    given: { release: { 'a.service': 'assigned' }, done: { 'a.service': 'loaded 3 A stopped' } },
    then: ['unload a.service (released)', 'reload', 'hand-over a.service (released)'],
  },
  {
    name: 'waits with taking away while more are about to stop',
    given: {
      release: { 'a.service': 'assigned' },
      done: { 'a.service': 'loaded 3 A stopped' },
      moreAreStopping: true,
    },
    then: [],
  },
  {
    name: 'waits with taking away while it asks others to stop',
    given: {
      release: { 'a.service': 'assigned', 'b.service': 'assigned' },
      done: { 'a.service': 'loaded 3 A stopped', 'b.service': 'launched 3 A' },
    },
    then: ['stop b.service (released)'],
  },
  {
    name: 'waits no longer when that has taken too long',
    given: {
      release: { 'a.service': 'assigned', 'b.service': 'assigned' },
      done: { 'a.service': 'loaded 3 A stopped', 'b.service': 'launched 3 A' },
      unloadsOverdue: true,
    },
    then: [
      'stop b.service (released)',
      'unload a.service (released)',
      'reload',
      'hand-over a.service (released)',
    ],
  },
  {
    name: 'hands over what is released and not here',
    given: { release: { 'a.service': 'assigned', 'g.service': 'global' } },
    then: ['hand-over a.service (released)'],
  },
  {
    name: 'stops a global unit that is released, and one that is no longer allowed',
    given: {
      release: { 'g.service': 'global', 'h.service': 'not-allowed' },
      done: { 'g.service': 'launched 1 A', 'h.service': 'launched 1 A' },
    },
    then: ['stop g.service (global-released)', 'stop h.service (global-not-allowed)'],
  },
  {
    name: 'never touches what no key speaks of',
    given: { done: { 'a.service': 'launched 3 A', 'b.service': 'loaded 3 A stopped' } },
    then: [],
    orphans: ['a.service', 'b.service'],
  },
  {
    name: 'leaves alone what cannot be read, and does not call it an orphan',
    given: {
      keep: { 'b.service': 'loaded 9 B' },
      unreadable: ['a.service', 'b.service'],
      done: { 'a.service': 'launched 3 A', 'b.service': 'launched 3 A' },
    },
    then: [],
  },
  {
    name: 'leaves alone a global unit that is not understood',
    given: { leave: ['g.service'], done: { 'g.service': 'launched 3 A' } },
    then: [],
  },
  {
    name: 'leaves a running unit alone when the text of its next version cannot be read',
    given: {
      keep: { 'a.service': 'launched 4 B' },
      done: { 'a.service': 'launched 3 A' },
      unreadableTexts: ['a.service'],
    },
    then: [],
    refused: ['a.service text-unreadable'],
  },
  {
    name: 'refuses a name that systemd has from elsewhere, and hands it over when asked',
    given: {
      keep: { 'ssh.service': 'launched 1 A' },
      elsewhere: { 'ssh.service': '/lib/systemd/system/ssh.service' },
    },
    then: [],
    refused: ['ssh.service elsewhere'],
  },
  {
    name: 'adopts an orphan that a key speaks of again with the same hash',
    given: { keep: { 'a.service': 'launched 1 A' }, done: { 'a.service': 'launched 3 A' } },
    then: ['adopt a.service 1'],
  },
  {
    name: 'holds what runs when the store went back to an older version',
    given: { keep: { 'a.service': 'launched 2 A' }, done: { 'a.service': 'launched 3 B' } },
    then: ['hold a.service 2'],
  },
  {
    name: 'goes on holding while the store does not move',
    given: { keep: { 'a.service': 'loaded 2 A' }, done: { 'a.service': 'launched 3 A held=2' } },
    then: [],
    refused: ['a.service held'],
  },
  {
    name: 'obeys again when a person has changed what was held',
    given: { keep: { 'a.service': 'loaded 3 A' }, done: { 'a.service': 'launched 3 A held=2' } },
    then: ['stop a.service (desired-lowered)'],
  },
  {
    name: 'obeys a change of what was held also where its number was carried out before the store went back',
    given: {
      keep: { 'a.service': 'launched 3 A', 'b.service': 'loaded 3 A' },
      done: { 'a.service': 'launched 3 A held=2', 'b.service': 'loaded 3 A held=2' },
    },
    then: ['adopt b.service 3', 'start a.service 3'],
  },
  {
    name: 'obeys a mark on what is held',
    given: { release: { 'a.service': 'assigned' }, done: { 'a.service': 'launched 3 A held=2' } },
    then: ['stop a.service (released)'],
  },
];

describe('planHost', () => {
  it.for(rows)('$name', ({ given, then, refused = [], orphans = [] }) => {
    const plan = planHost(picture(given));
    expect(plan.actions.map(line)).toEqual(then);
    expect([...plan.refusals].map(([unit, { kind }]) => `${unit} ${kind}`)).toEqual(refused);
    expect(plan.orphans).toEqual(orphans);
    expect(plan.ask).toEqual({ names: [], texts: [] });
  });

  it('planHost asks for names and texts before it acts on what is new', () => {
    const plan = planHost(picture({ keep: { 'a.service': 'launched 1 A' }, fresh: true }));
    expect(plan.actions).toEqual([]);
    expect(plan.ask.names).toEqual(['a.service']);
    expect(plan.ask.texts).toHaveLength(1);
  });

  it('planHost asks for the text of a swap before it stops what runs', () => {
    const words: HostWords = {
      keep: { 'a.service': 'launched 2 B' },
      done: { 'a.service': 'launched 1 A' },
      fresh: true,
    };
    const plan = planHost(picture(words));
    expect(plan.actions).toEqual([]);
    expect(plan.ask.texts).toHaveLength(1);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JobPlaces } from '../../../../agent/dbus/job-places.ts';
import type { JobPlace } from '../../../../agent/dbus/job-places.ts';
import { handClock } from '../../../support/hand-clock.ts';
import type { HandClock } from '../../../support/hand-clock.ts';

describe('JobPlaces', () => {
  let clock: HandClock;
  let places: JobPlaces;
  let controller: AbortController;
  let running: Promise<unknown>;
  const entered: string[] = [];
  const held = new Map<string, JobPlace>();

  const ask = (name: string, signal = controller.signal): Promise<void> =>
    places.acquire(signal).then((place) => {
      entered.push(name);
      held.set(name, place);
    });

  beforeEach(() => {
    entered.length = 0;
    held.clear();
    clock = handClock();
    controller = new AbortController();
    places = new JobPlaces({ clock, youngMax: 2, totalMax: 4, slowMs: 1000 });
    running = places.run(controller.signal).catch(() => undefined);
  });
  afterEach(async () => {
    controller.abort(new Error('test ended'));
    await running;
  });

  it('lets in two at once and says how many wait', async () => {
    void Promise.allSettled([ask('a'), ask('b'), ask('c')]);
    await clock.pass(0);
    expect(entered).toEqual(['a', 'b']);
    expect(places.waiting).toBe(1);
  });

  it('lets the next in when a job ends, in the order of asking', async () => {
    void Promise.allSettled([ask('a'), ask('b'), ask('c'), ask('d')]);
    await clock.pass(0);
    held.get('a')?.release();
    held.get('a')?.release();
    await clock.pass(0);
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('lets the next in when a job is older than slowMs, and no earlier', async () => {
    void Promise.allSettled([ask('a'), ask('b'), ask('c')]);
    await clock.pass(999);
    expect(entered).toEqual(['a', 'b']);
    await clock.pass(1);
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('stops at totalMax whatever their age, until one ends', async () => {
    void Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => ask(name)));
    await clock.pass(60_000);
    expect(entered).toEqual(['a', 'b', 'c', 'd']);
    expect(places.waiting).toBe(1);
    held.get('b')?.release();
    await clock.pass(0);
    expect(entered).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('forgets one who gives up waiting', async () => {
    const impatient = new AbortController();
    void Promise.allSettled([ask('a'), ask('b')]);
    const c = ask('c', impatient.signal);
    void Promise.allSettled([c, ask('d')]);
    impatient.abort(new Error('no time'));
    await expect(c).rejects.toThrow('no time');
    await clock.pass(1000);
    expect(entered).toEqual(['a', 'b', 'd']);
    expect(places.waiting).toBe(0);
  });
});

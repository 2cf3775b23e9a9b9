// How long a host waits for more: turned by hand.
import { beforeEach, describe, expect, it } from 'vitest';
import { gather } from '../../../agent/gather.ts';
import type { Reloads } from '../../../agent/reloads.ts';
import { handClock, type HandClock } from '../../support/hand-clock.ts';

const never = new AbortController().signal;

let clock: HandClock;
let schedule: { revision: bigint; untaken: number };
let questions: { isAsking: boolean };
let looks: number;
let isStopDue: boolean;
let endedMs: number | undefined;

beforeEach(() => {
  clock = handClock();
  schedule = { revision: 7n, untaken: 0 };
  questions = { isAsking: false };
  [looks, isStopDue, endedMs] = [0, false, undefined];
});

/** Gathers beside a systemd whose reload takes so many ms. */
function begin(worthMs = 0): void {
  const reloads = { worthMs } as Reloads;
  const look = (): boolean => {
    looks += 1;
    schedule.untaken = 0;
    return isStopDue;
  };
  void gather({ clock, schedule, reloads, questions, look }, never).then(() => {
    endedMs = clock.now();
  });
}

function comes(count: number): void {
  schedule.revision += 1n;
  schedule.untaken += count;
}

describe('gather', () => {
  it('lets a change that comes alone go on at once, and asks of it meanwhile', async () => {
    comes(1);
    begin();
    expect(looks).toBe(1);
    await clock.pass(300);
    expect(endedMs).toBe(5);
  });

  it('waits for the end of a row, and asks of each part as it comes', async () => {
    comes(1);
    begin();
    await clock.pass(1);
    for (let part = 0; part < 3; part += 1) {
      comes(10);
      await clock.pass(15);
    }
    expect(looks).toBe(4); // at 0, 5, 20 and 35 ms
    await clock.pass(300);
    expect(endedMs).toBe(55);
    expect(schedule.untaken).toBe(0);
  });

  it('waits for half a reload where that is long', async () => {
    comes(2);
    begin(120);
    await clock.pass(300);
    expect(endedMs).toBe(60);
  });

  it('waits for what is asked of a row, but not for ever', async () => {
    comes(2);
    questions.isAsking = true;
    begin();
    await clock.pass(60);
    expect(endedMs).toBeUndefined();
    await clock.pass(300);
    expect(endedMs).toBeLessThanOrEqual(220);
  });

  it('waits for nobody where something is to be stopped', async () => {
    comes(2);
    isStopDue = true;
    begin(120);
    await clock.pass(300);
    expect(endedMs).toBe(5);
  });
});

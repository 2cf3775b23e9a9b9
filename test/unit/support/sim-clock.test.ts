import { describe, expect, it } from 'vitest';
import { SimClock } from '../../support/sim-clock.ts';

const { signal } = new AbortController();

describe('SimClock', () => {
  it('fires timers in due order, those of one moment in the order in which they were set', async () => {
    const clock = new SimClock({ now: 0 });
    const fired: string[] = [];
    const sleeper = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms, signal);
      fired.push(`${name}@${clock.now()}`);
    };
    const all = Promise.all([
      sleeper('c', 30),
      sleeper('a', 10),
      sleeper('b1', 20),
      sleeper('b2', 20),
    ]);
    await clock.advance(19);
    expect(fired).toEqual(['a@10']);
    await clock.advance(100);
    await all;
    expect(fired).toEqual(['a@10', 'b1@20', 'b2@20', 'c@30']);
    expect(clock.now()).toBe(119);
  });

  it('lets promises settle between two timers, and fires what they set on the way', async () => {
    const clock = new SimClock({ now: 0 });
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for (let n = 0; n < 4; n += 1) {
        await clock.sleep(10, signal);
        for (let hop = 0; hop < 50; hop += 1) await Promise.resolve();
        seen.push(clock.now());
      }
    };
    const done = loop();
    await clock.advance(40);
    await done;
    expect(seen).toEqual([10, 20, 30, 40]);
  });

  it('rejects an aborted sleep with the reason and forgets it', async () => {
    const clock = new SimClock();
    const controller = new AbortController();
    const reason = new Error('enough');
    const sleep = clock.sleep(10, controller.signal);
    expect(clock.waiting).toBe(1);
    controller.abort(reason);
    await expect(sleep).rejects.toBe(reason);
    await expect(clock.sleep(10, controller.signal)).rejects.toBe(reason);
    expect(clock.waiting).toBe(0);
    await clock.advance(20);
  });

  it('keeps the order of many timers', async () => {
    const clock = new SimClock({ now: 0 });
    const fired: number[] = [];
    let seed = 7;
    const dues = Array.from({ length: 500 }, () => (seed = (seed * 16_807) % 2_147_483_647) % 1000);
    const all = Promise.all(
      dues.map(async (due) => {
        await clock.sleep(due, signal);
        fired.push(due);
      }),
    );
    await clock.advance(1000);
    await all;
    expect(fired).toEqual(dues.toSorted((a, b) => a - b));
  });

  it('advances until something is so, and says when it did not come', async () => {
    const clock = new SimClock({ now: 0 });
    let there = false;
    const later = clock.sleep(50, signal).then(() => (there = true));
    expect(await clock.advanceUntil(() => there, 40)).toBe(false);
    expect(await clock.advanceUntil(() => there, 100)).toBe(true);
    await later;
    expect(clock.now()).toBe(50);
  });
});

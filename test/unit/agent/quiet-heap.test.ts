// When the heap is cleared, and that it is.
import { describe, expect, it } from 'vitest';
import { clearWhenQuiet, type Heap, ownHeap } from '../../../agent/quiet-heap.ts';
import { handClock } from '../../support/hand-clock.ts';

const MiB = 2 ** 20;

class CountedHeap implements Heap {
  bytes = 20 * MiB;
  live = 20 * MiB;
  resident = 90 * MiB;
  cleared = 0;

  oldBytes(): number {
    return this.bytes;
  }

  residentBytes(): number {
    return this.resident;
  }

  clear(): void {
    this.cleared += 1;
    this.bytes = this.live;
  }
}

/** What the heap has in use at each look, and how often it has been cleared behind them. */
async function clearedAfter(bytes: readonly number[], live = 20, resident = 90): Promise<number> {
  const heap = new CountedHeap();
  heap.resident = resident * MiB;
  heap.live = live * MiB;
  const clock = handClock();
  const end = new AbortController();
  const ended = clearWhenQuiet(heap, clock, end.signal).catch((error: unknown) => error);
  for (const each of bytes) {
    heap.bytes = each * MiB;
    await clock.pass(2_000);
  }
  const reason = new Error('the end');
  end.abort(reason);
  expect(await ended).toBe(reason);
  return heap.cleared;
}

describe('the heap of fleetd', () => {
  it('is cleared when it has grown and grows no longer', async () => {
    expect(await clearedAfter([30, 30])).toBe(0);
    expect(await clearedAfter([30, 30, 30])).toBe(1);
    expect(await clearedAfter([60, 60, 60])).toBe(1);
  });

  it('is left alone while it grows, where it hardly grows, and where clearing it would take long', async () => {
    expect(await clearedAfter([21, 22, 23, 24, 24.5, 25.6])).toBe(0);
    expect(await clearedAfter([20.9, 21.8, 22.7, 23.6, 24.5])).toBe(0);
    expect(await clearedAfter([60, 60, 60, 70, 70, 70], 50)).toBe(1);
    expect(await clearedAfter([30, 30, 30], 20, 200)).toBe(0);
  });

  it('is cleared of what little by little stays there', async () => {
    const looks = Array.from({ length: 8 }, (_, n) => 20.9 + 0.9 * n);
    expect(await clearedAfter(looks)).toBe(0);
    expect(await clearedAfter([...looks, 28.1, 20.9])).toBe(1);
  });

  it('is cleared again only when it has grown again', async () => {
    expect(await clearedAfter([30, 30, 30, 28.1, 28.9, 29.7, 29.7], 28)).toBe(1);
    expect(await clearedAfter([30, 30, 30, 31, 31, 31], 28)).toBe(2);
  });

  it('is V8’s: what nothing holds any more is gone', () => {
    const heap = ownHeap();
    heap.clear(); // of what other tests of this process have left
    const before = heap.oldBytes();
    const held: string[][] = [];
    for (let n = 0; n < 200; n += 1)
      held.push(Array.from({ length: 5_000 }, (_, m) => `${n} ${m}`));
    heap.clear();
    const full = heap.oldBytes();
    expect(full - before).toBeGreaterThan(8 * MiB);
    held.length = 0;
    heap.clear();
    expect(heap.oldBytes() - before).toBeLessThan((full - before) / 4);
  });
});

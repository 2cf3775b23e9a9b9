// The ring that a thread's log goes through: order, whole lines, what finds no room, and a writer that is a real thread.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineRing } from '../../../src/runtime/line-ring.ts';

const MODULE = new URL('../../../src/runtime/line-ring.ts', import.meta.url).href;
const MIB = 2 ** 20;

/** All that waits, and how many lines found no room. */
function all(ring: LineRing): { lines: string; lost: number } {
  let lines = '';
  const lost = ring.take((piece) => {
    expect(piece.endsWith('\n')).toBe(true);
    lines += piece;
  });
  return { lines, lost };
}

describe('the line ring', () => {
  it('gives what was written, once, in its order', () => {
    const ring = new LineRing();
    expect(all(ring)).toEqual({ lines: '', lost: 0 });
    ring.write('one\n');
    ring.write('zwölf ✓\n');
    expect(all(ring)).toEqual({ lines: 'one\nzwölf ✓\n', lost: 0 });
    expect(all(ring)).toEqual({ lines: '', lost: 0 });
  });

  it('counts the lines that find no room, and has it again when it was read', () => {
    const ring = new LineRing();
    const line = `${'x'.repeat(MIB - 1)}\n`;
    for (let n = 0; n < 6; n += 1) ring.write(line);
    ring.write('');
    expect(all(ring)).toEqual({ lines: line.repeat(4), lost: 2 });
    ring.write('again\n');
    expect(all(ring)).toEqual({ lines: 'again\n', lost: 0 });
    ring.write('x'.repeat(5 * MIB));
    expect(all(ring)).toEqual({ lines: '', lost: 1 });
  });

  it('leaves what comes while it is read for the next time', () => {
    const ring = new LineRing();
    ring.write('one\n');
    const taken: string[] = [];
    ring.take((piece) => {
      taken.push(piece);
      if (taken.length < 5) ring.write('late\n');
    });
    expect(taken).toEqual(['one\n']);
    expect(all(ring).lines).toBe('late\n');
  });

  it('is a queue, wherever in its memory a line falls', () => {
    const step = fc.oneof(
      fc.record({ text: fc.string({ unit: 'grapheme' }), times: fc.integer({ min: 1, max: 3e5 }) }),
      fc.constant(undefined),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const ring = new LineRing();
        let waiting = '';
        let lost = 0;
        for (const each of [...steps, undefined]) {
          if (each === undefined) {
            expect(all(ring)).toEqual({ lines: waiting, lost });
            [waiting, lost] = ['', 0];
          } else {
            const line = `${each.text.repeat(each.times)}\n`;
            const hasRoom = Buffer.byteLength(waiting) + Buffer.byteLength(line) <= 4 * MIB;
            if (hasRoom) waiting += line;
            else lost += 1;
            ring.write(line);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('goes on where its positions overflow', () => {
    const ring = new LineRing();
    const positions = new Int32Array(ring.memory, 0, 2);
    positions.fill(-8); // 2^32 less eight bytes, the memory's last eight
    ring.write('over the end\n');
    expect(positions[0]).toBe(5);
    expect(all(ring)).toEqual({ lines: 'over the end\n', lost: 0 });
  });

  it('has whole lines of a thread that writes as fast as it can', async () => {
    const ring = new LineRing();
    const count = 300_000;
    const code = `
      import { workerData } from 'node:worker_threads';
      import { LineRing } from '${MODULE}';
      const ring = new LineRing(workerData);
      for (let n = 0; n < ${count}; n += 1) ring.write(n + ' ' + 'x'.repeat(n % 200) + '\\n');`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const worker = new Worker(url, { workerData: ring.memory });
    const over = once(worker, 'exit');
    const seen: number[] = [];
    let lost = 0;
    const take = (): void => {
      const got = all(ring);
      lost += got.lost;
      for (const line of got.lines.split('\n').slice(0, -1)) {
        const [n, text] = line.split(' ');
        expect(text).toHaveLength(Number(n) % 200);
        seen.push(Number(n));
      }
    };
    while (worker.threadId !== -1) {
      take();
      await new Promise((resolve) => void setImmediate(resolve));
    }
    await over;
    take();
    expect(seen.length + lost).toBe(count);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});

// The log of a process whose stdout is read late, badly or not at all: nobody waits for it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';

const MODULE = new URL('../../src/runtime/log.ts', import.meta.url).href;
const RING = new URL('../../src/runtime/line-ring.ts', import.meta.url).href;
const FIELDS = { text: 'x'.repeat(200) };

interface Line {
  readonly msg: string;
  readonly n?: number;
  readonly lines?: number;
  readonly thread?: string;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process that logs so many lines at once, says so, and exits when it is told to. */
function logging(
  count: number,
  stdout: 'pipe' | number = 'pipe',
  fileMax: 'unlimited' | 0 = 'unlimited',
): ChildProcess {
  const program = `
    import { openLog } from '${MODULE}';
    const log = openLog(false);
    for (let n = 0; n < ${count}; n += 1) log.info({ n, ...${JSON.stringify(FIELDS)} }, 'line');
    process.send('logged');
    process.on('message', (what) => {
      if (what === 'log') return log.info({}, 'one more');
      if (what === 'log many') for (let n = 0; n < 1000; n += 1) log.info({ n }, 'at last');
      process.exit(0);
    });
    process.on('SIGXFSZ', () => undefined); // a file that may not grow is an error of the write`;
  const args = [process.execPath, '--input-type=module', '--eval', program];
  const child = spawn('sh', ['-c', `ulimit -S -f ${fileMax}; exec "$@"`, 'sh', ...args], {
    stdio: ['ignore', stdout, 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}

/** Reads until a line is as `isLast` says. */
async function readUntil(child: ChildProcess, isLast: (line: Line) => boolean): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout! })) {
    lines.push(JSON.parse(text) as Line);
    if (isLast(lines.at(-1)!)) break;
  }
  return lines;
}

/** Tells it to exit, and waits until it has. */
async function exit(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.send('exit');
  expect(await exited).toEqual([0, null]);
}

describe('the log', () => {
  it('keeps nobody waiting whose stdout is not read, and loses no line of it', async () => {
    const child = logging(20_000);
    expect(await once(child, 'message')).toContain('logged');
    const lines = await readUntil(child, ({ n }) => n === 19_999);
    expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
    await exit(child);
  });

  it('writes what still waits as the process exits', async () => {
    const child = logging(20_000);
    expect(await once(child, 'message')).toContain('logged');
    const [lines] = await Promise.all([readUntil(child, () => false), exit(child)]);
    expect(new Set(lines.map(({ n }) => n)).size).toBe(20_000);
  });

  it('says how many lines are lost where nobody reads for very long', async () => {
    const child = logging(100_000);
    expect(await once(child, 'message')).toContain('logged');
    const lines = await readUntil(child, ({ msg }) => msg.includes('lost'));
    expect(lines.at(-1)!.lines).toBeGreaterThan(0);
    expect(lines).toHaveLength(100_000 - lines.at(-1)!.lines! + 1);
    await exit(child);
  });

  it('says how many lines are lost where the process exits before they are read', async () => {
    const child = logging(100_000);
    expect(await once(child, 'message')).toContain('logged');
    const [lines] = await Promise.all([readUntil(child, () => false), exit(child)]);
    expect(lines.at(-1)!.msg).toContain('lost');
    expect(lines).toHaveLength(100_000 - lines.at(-1)!.lines! + 1);
  });

  it('has whole lines of each thread, in their order', async () => {
    const program = `
      import { setTimeout as delay } from 'node:timers/promises';
      import { Worker } from 'node:worker_threads';
      import { openLog } from '${MODULE}';
      import { LineRing } from '${RING}';
      const log = openLog(false);
      const ring = new LineRing();
      const inThread = async () => {
        const { openThreadLog } = await import('${MODULE}');
        const { LineRing } = await import('${RING}');
        const { workerData } = await import('node:worker_threads');
        const ring = new LineRing(workerData);
        const log = openThreadLog(false, (line) => ring.write(line)).child({ thread: 't' });
        for (let n = 0; n < 10_000; n += 1) log.info({ n, ...${JSON.stringify(FIELDS)} }, 'line');
      };
      const thread = new Worker('(' + inThread + ')()', { eval: true, workerData: ring.memory });
      let ofMain = 0;
      const take = () => {
        ring.take((lines) => log.write(lines));
        log.info({ n: ofMain++ }, 'of main');
      };
      process.on('message', () => process.exit(0));
      while (thread.threadId !== -1) {
        await delay(1);
        take();
      }
      take();
      log.info({ n: ofMain }, 'end');
      process.send('logged');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    children.push(child);
    await once(child, 'message');
    const lines = await readUntil(child, ({ msg }) => msg === 'end');
    const ofThread = lines.filter(({ thread }) => thread === 't').map(({ n }) => n);
    expect(ofThread).toEqual(Array.from({ length: 10_000 }, (_, n) => n));
    const ofMain = lines.filter(({ msg }) => msg === 'of main').map(({ n }) => n);
    expect(ofMain).toEqual(Array.from({ length: lines.at(-1)!.n! }, (_, n) => n));
    await exit(child);
  });

  it('outlives a disk without room', async () => {
    const child = logging(10, openSync('/dev/full', 'w'));
    expect(await once(child, 'message')).toContain('logged');
    child.send('log');
    await exit(child);
  });

  it('has all lines, at the exit too, on a disk that had no room for a time', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'fleet-log-'));
    try {
      const file = path.join(directory, 'log');
      const child = logging(10, openSync(file, 'w'), 0);
      await once(child, 'message');
      await delay(200); // the write has failed
      expect(await readFile(file, 'utf8')).toBe('');
      execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
      child.send('log');
      await eventually(async () => (await readFile(file, 'utf8')).includes('one more'));
      const exited = once(child, 'exit');
      child.send('log many');
      expect(await exited).toEqual([0, null]);
      expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(1_011);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

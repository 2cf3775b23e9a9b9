// One run of fleetd in the simulation: what it calls goes through `port`, where it may die, and its time is its machine's.
// Invariant: a dead process does nothing and hears of nothing: what it awaits never settles, as after SIGKILL.
import type { Clock } from '../../src/runtime/clock.ts';
import type { SimMachine } from './machine.ts';

/** A run of fleetd. */
export class Process {
  readonly machine: SimMachine;
  /** Counts the runs on all machines: names this one. */
  readonly id: number;
  readonly clock: Clock;
  readonly startedAtMs: number;
  #isAlive = true;
  /** Calls of ports left until it dies; half a call is one whose effect takes place and whose answer is never heard. */
  #diesAfter: number | undefined;
  #isStopped = false;
  #waiting: (() => void)[] = [];
  readonly #onDeath: (() => void)[] = [];

  constructor(machine: SimMachine, id: number) {
    this.machine = machine;
    this.id = id;
    this.startedAtMs = machine.clock.now();
    this.clock = new ProcessClock(this);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** It dies at the so manyth call of a port from now on: before its effect (whole numbers) or behind it (halves). */
  dieAfter(calls: number): void {
    this.#diesAfter = calls;
  }

  /** Called at its death, for what it leaves at the other end of its connections. */
  onDeath(notice: () => void): void {
    this.#onDeath.push(notice);
  }

  /** SIGKILL. */
  die(why: string): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const notice of this.#onDeath) notice();
    this.machine.processDied(this, why);
  }

  /** Before a call's effect: answers whether the process lives to make it. */
  enter(): boolean {
    if (this.#diesAfter !== undefined && this.#isAlive) {
      this.#diesAfter -= 1;
      if (this.#diesAfter === 0) this.die('at a call');
    }
    return this.#isAlive;
  }

  /** Behind a call's effect, before its answer. */
  left(): boolean {
    if (this.#diesAfter === 0.5 && this.#isAlive) this.die('behind a call');
    return this.#isAlive;
  }

  /** Calls back in this process: not while the machine sleeps, and never after death. */
  deliver(act: () => void): void {
    this.whenAwake(() => {
      if (this.#isAlive) act();
    });
  }

  /** SIGSTOP: it does nothing until `go`, and its machine goes on. */
  stop(): void {
    this.#isStopped = true;
  }

  /** SIGCONT */
  go(): void {
    this.#isStopped = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const act of waiting) this.machine.whenAwake(act);
  }

  /** Calls at once, or as soon as it and its machine go on. */
  whenAwake(act: () => void): void {
    this.machine.whenAwake(() => {
      if (this.#isStopped) this.#waiting.push(act);
      else act();
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }
}

/** What a dead process awaits. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

class ProcessClock implements Clock {
  readonly #process: Process;

  constructor(process: Process) {
    this.#process = process;
  }

  now(): number {
    return this.#process.machine.now();
  }

  /** In steps of 10 ms, as /proc/uptime has them. */
  bootMs(): number {
    return Math.floor(this.#process.machine.clock.now() / 10) * 10;
  }

  wallNow(): number {
    return this.#process.machine.wallNow();
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#process.isAlive) return never();
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const { machine } = this.#process;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        cancel();
        reject(signal.reason as Error);
      };
      const cancel = machine.after(ms, () => {
        signal.removeEventListener('abort', abort);
        this.#process.deliver(resolve);
      });
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}

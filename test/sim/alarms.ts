// The transient timers of a simulated machine's systemd: what they run, they run whoever lives then.
// Invariant: an alarm that has begun to ring is rung to its end; a boot forgets all of them.
import type { Alarm } from '../../agent/systemd.ts';
import { noteCommand, type NoteCommand } from '../support/note-command.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { Random } from './random.ts';

export interface AlarmsWorld {
  readonly disk: MemoryDisk;
  /** The machine's clock, which stands still in suspend. */
  readonly now: () => number;
  readonly after: (ms: number, act: () => void) => () => void;
  readonly random: Random;
  readonly stateOf: (name: string) => string;
  /** Nothing says which of these were up: the disk is full. */
  readonly unnoted: (names: readonly string[]) => void;
  /** systemctl stop --no-block, and systemctl kill --signal=KILL. */
  readonly stop: (name: string) => void;
  readonly kill: (name: string) => void;
  readonly rings: (name: string) => void;
}

/** ms; AccuracySec= of the timers. */
const ACCURACY_MS = 100;
/** ms between two commands of one service. */
const COMMAND_MS = 4;

export class Alarms {
  readonly #world: AlarmsWorld;
  /** How to take each back that is set. */
  readonly #set = new Map<string, () => void>();
  readonly #ringing = new Set<() => void>();

  constructor(world: AlarmsWorld) {
    this.#world = world;
  }

  names(prefix: string): readonly string[] {
    return [...this.#set.keys()].filter((name) => name.startsWith(prefix));
  }

  set({ name, atMs, commands }: Alarm): void {
    const { now, after, random, rings } = this.#world;
    const ms = Math.max(0, atMs - now()) + random.between(0, ACCURACY_MS);
    const cancel = after(ms, () => {
      this.#set.delete(name);
      rings(name);
      this.#run(commands);
    });
    this.#set.set(name, cancel);
  }

  clear(name: string): void {
    this.#set.get(name)?.();
    this.#set.delete(name);
  }

  powerOff(): void {
    for (const cancel of [...this.#set.values(), ...this.#ringing]) cancel();
    this.#set.clear();
    this.#ringing.clear();
  }

  #run([command, ...rest]: Alarm['commands']): void {
    if (command === undefined) return;
    this.#carryOut(command);
    const cancel = this.#world.after(this.#world.random.between(1, COMMAND_MS), () => {
      this.#ringing.delete(cancel);
      this.#run(rest);
    });
    this.#ringing.add(cancel);
  }

  /** Between two commands of one. */
  get isRinging(): boolean {
    return this.#ringing.size > 0;
  }

  #carryOut(command: readonly string[]): void {
    const { disk, stop, kill } = this.#world;
    const note = noteCommand(command);
    if (note !== undefined) return this.#note(note);
    const at = command.indexOf('--');
    const names = command.slice(at + 1);
    const what = command.slice(0, at).join(' ');
    if (what === '/bin/rm -f') for (const path of names) disk.remove(path);
    else if (what === '/bin/systemctl stop --no-block') names.forEach(stop);
    else if (what === '/bin/systemctl kill --signal=KILL') names.forEach(kill);
    else throw new Error(`an alarm runs what nobody here can: ${command.join(' ')}`);
  }

  #note({ path, permits, names }: NoteCommand): void {
    const { disk, stateOf, unnoted } = this.#world;
    const permitted = disk.list(permits).filter((name) => !name.startsWith('.'));
    const lines = permitted.map((name) => `${name}\n`).join('');
    const blocks = names.map((name) => `Id=${name}\nActiveState=${stateOf(name)}\n`);
    const text = `${lines}\n${blocks.join('\n')}`;
    if (disk.isFull) unnoted(names);
    else disk.write(path, Buffer.from(text));
  }
}

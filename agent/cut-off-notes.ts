// What systemd's timers write down before they stop units: which of those had a permit, and which were up. One that had, and was not, has
// ended by itself; one without was stopped by another timer before.
// Invariant: fleetd may be dead or frozen as a timer rings; where its note could not be written, the unit counts as one that was up.
import { join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import { systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import type { Disk } from './disk.ts';

/** ms from the note of a timer until it has taken the permits, on a busy host. */
const RING_MAX_MS = 5_000;

/** The directory of notes: `runtime_directory`/cut-off, a file for each timer that has rung. */
export class CutOffNotes {
  readonly #disk: Disk;
  readonly #directory: string;
  /** The units of each note that was read last. */
  readonly #read = new Map<string, ReadonlySet<string>>();
  #waitingSinceMs = new Map<string, number>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Writes the note of a timer; when that fails, only this command of the timer has failed. `systemctl`: with its options. */
  command(
    alarm: string,
    systemctl: readonly string[],
    units: readonly UnitName[],
    permits: string,
  ): readonly string[] {
    const show = [...systemctl, 'show', '--property=Id,ActiveState,Job', '--'].join(' ');
    const path = join(this.#directory, alarm);
    const [from, part, to] = [permits, `${path}${PART}`, path].map(quoted);
    const names = units.map((unit) => quoted(systemdNameOf(unit))).join(' ');
    // The permits, an empty line, and what `systemctl show` says. Nothing of `$`, `;` and `"` is in it: systemd 252 writes those down in a way
    // that it does not read again at its next reload.
    const text = `((ls ${from} || :) && echo && ${show} ${names}) > ${part} && mv ${part} ${to}`;
    return ['/bin/sh', '-c', text];
  }

  /** systemd's names of the units that were down whenever a timer was to stop them. */
  async down(): Promise<ReadonlySet<string>> {
    const [up, down] = [new Set<string>(), new Set<string>()];
    await this.#disk.makeDirectory(this.#directory);
    this.#read.clear();
    for (const name of await this.#disk.list(this.#directory)) {
      this.#read.set(name, new Set());
      if (name.endsWith(PART)) continue;
      const text = (await this.#disk.read(join(this.#directory, name)))?.toString('utf8') ?? '';
      const { permitted, blocks } = parse(text);
      const units = new Map(blocks.map((block) => [said(block, 'Id'), isDown(block)]));
      for (const [unit, wasDown] of units) if (permitted.has(unit)) (wasDown ? down : up).add(unit);
      this.#read.set(name, new Set(units.keys()));
    }
    return down.difference(up);
  }

  /** What was read last has been kept elsewhere. A note stays while its timer may still be about to take a unit's permit. */
  async clear(nowMs: number, permitted: ReadonlySet<string>): Promise<void> {
    const before = this.#waitingSinceMs;
    this.#waitingSinceMs = new Map();
    for (const [name, units] of this.#read) {
      const sinceMs = before.get(name) ?? nowMs;
      const isRinging = name.endsWith(PART) || !units.isDisjointFrom(permitted);
      if (isRinging && nowMs - sinceMs < RING_MAX_MS) this.#waitingSinceMs.set(name, sinceMs);
      else await this.#disk.remove(join(this.#directory, name));
    }
  }
}

/** What a timer has written of its note until now has this behind its name. */
const PART = '.part';

/** One word of a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

interface Note {
  /** systemd's names. */
  readonly permitted: ReadonlySet<string>;
  /** Of `systemctl show`, one a unit. */
  readonly blocks: readonly string[];
}

function parse(text: string): Note {
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n') + 1;
  const names = text.slice(0, end).split('\n') as UnitName[]; // files that fleetd has made
  return {
    permitted: new Set(names.filter(Boolean).map(systemdNameOf)),
    blocks: text.slice(end + 1).split('\n\n'),
  };
}

/** A start that waits behind others, or for the end of a stop, is of a unit that is wanted. */
function isDown(block: string): boolean {
  const state = said(block, 'ActiveState');
  return (state === 'inactive' || state === 'failed') && !/^[1-9]/.test(said(block, 'Job'));
}

/** One block of what `systemctl show` prints: `KEY=VALUE` lines. */
function said(block: string, key: string): string {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(block)?.[1] ?? '';
}

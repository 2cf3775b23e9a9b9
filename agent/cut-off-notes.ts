// What systemd's timers write down before they stop units: which of those were up. A unit that was not has ended by itself.
// Invariant: fleetd may be dead or frozen as a timer rings; where its note could not be written, the unit counts as one that was up.
import { join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import { systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import type { Disk } from './disk.ts';

/** What a timer has found: `ending` was on its way down already, by a hand or by itself. */
export type FoundAs = 'up' | 'ending' | 'down';

/** The directory of notes: `runtime_directory`/cut-off, a file for each timer that has rung. */
export class CutOffNotes {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Writes the note of a timer; when that fails, only this command of the timer has failed. `systemctl`: with its options. */
  command(
    alarm: string,
    systemctl: readonly string[],
    units: readonly UnitName[],
  ): readonly string[] {
    const show = [...systemctl, 'show', '--property=Id,ActiveState,Job', '--'];
    const path = join(this.#directory, alarm);
    return ['/bin/sh', '-c', 'exec "$@" > "$0"', path, ...show, ...units.map(systemdNameOf)];
  }

  /** By systemd's names; of what several timers have found, the liveliest. */
  async read(): Promise<ReadonlyMap<string, FoundAs>> {
    const found = new Map<string, FoundAs>();
    await this.#disk.makeDirectory(this.#directory);
    for (const name of await this.#disk.list(this.#directory)) {
      const text = (await this.#disk.read(join(this.#directory, name)))?.toString('utf8') ?? '';
      for (const block of text.split('\n\n')) {
        const [unit, as] = foundIn(block);
        const before = found.get(unit);
        if (before === undefined || LIVELIEST.indexOf(as) < LIVELIEST.indexOf(before))
          found.set(unit, as);
      }
    }
    return found;
  }

  /** They have been read, and what they say is kept. */
  async clear(): Promise<void> {
    for (const name of await this.#disk.list(this.#directory))
      await this.#disk.remove(join(this.#directory, name));
  }
}

const LIVELIEST: readonly FoundAs[] = ['up', 'ending', 'down'];

/** One block of what `systemctl show` prints: `KEY=VALUE` lines. */
function foundIn(block: string): readonly [string, FoundAs] {
  const said = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(block)?.[1] ?? '';
  const state = said('ActiveState');
  const hasJob = /^[1-9]/.test(said('Job'));
  if (state === 'deactivating') return [said('Id'), 'ending'];
  const isDown = (state === 'inactive' || state === 'failed') && !hasJob;
  return [said('Id'), isDown ? 'down' : 'up'];
}

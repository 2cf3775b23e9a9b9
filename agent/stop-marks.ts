// Notes of stops for a disk that is full: a spare file takes the unit's name, which needs no space.
// Invariant: a mark stands from before a stop is asked until the records say it themselves.
import { join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import type { Disk } from './disk.ts';

/** Stops that can be noted on a full disk; more in that time are not. */
const SPARES_MAX = 16;

/** One directory: `.0`, `.1`, … are spare, a unit's name is a mark. */
export class StopMarks {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #spares: string[];
  readonly #names: Set<string>;

  private constructor(disk: Disk, directory: string, found: readonly string[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.#spares = found.filter((name) => name.startsWith('.'));
    this.#names = new Set(found.filter((name) => !name.startsWith('.')));
  }

  static async open(directory: string, disk: Disk): Promise<StopMarks> {
    await disk.makeDirectory(directory);
    const marks = new StopMarks(disk, directory, await disk.list(directory));
    await marks.#fill();
    return marks;
  }

  /** The units of which a stop was asked. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Throws what the disk throws; `false` where no spare file is left. */
  async set(name: UnitName): Promise<boolean> {
    if (this.#names.has(name)) return true;
    const spare = this.#spares.pop();
    if (spare === undefined) return false;
    await this.#disk.rename(join(this.#directory, spare), join(this.#directory, name));
    this.#names.add(name);
    return true;
  }

  /** The records are written: each mark is a spare file again. */
  async clear(): Promise<void> {
    for (const name of this.#names) {
      this.#names.delete(name);
      const spare = freeName(this.#spares);
      await this.#disk.rename(join(this.#directory, name), join(this.#directory, spare));
      this.#spares.push(spare);
    }
  }

  /** As many spare files as there is space for. */
  async #fill(): Promise<void> {
    while (this.#spares.length + this.#names.size < SPARES_MAX) {
      const spare = freeName(this.#spares);
      try {
        await this.#disk.write(join(this.#directory, spare), '');
      } catch {
        return; // the disk is full already
      }
      this.#spares.push(spare);
    }
  }
}

function freeName(taken: readonly string[]): string {
  let number = 0;
  while (taken.includes(`.${number}`)) number += 1;
  return `.${number}`;
}

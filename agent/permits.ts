// Files without which systemd starts no unit that has OnPartition=stop: the same timer that stops the unit takes its permit away.
// Invariant: a permit comes about only from an offer that was there when its time was looked at; a timer that has fired since took the offer.
import { join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import type { Disk } from './disk.ts';

/** The directory of permits: `runtime_directory`/permit. */
export class Permits {
  readonly #disk: Disk;
  readonly directory: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.directory = directory;
  }

  path(name: UnitName): string {
    return join(this.directory, name);
  }

  /** What the timer has to remove, in this order. */
  filesOf(name: UnitName): readonly string[] {
    return [this.#offer(name), this.path(name)];
  }

  /** Gives the unit its permit if `isInTime` says so and no timer has fired since; answers whether it did. */
  async grant(name: UnitName, isInTime: () => boolean): Promise<boolean> {
    await this.#disk.makeDirectory(this.directory);
    await this.#disk.write(this.#offer(name), '');
    if (!isInTime()) {
      await this.#disk.remove(this.#offer(name));
      return false;
    }
    try {
      await this.#disk.rename(this.#offer(name), this.path(name));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  async has(name: UnitName): Promise<boolean> {
    return (await this.#disk.read(this.path(name))) !== undefined;
  }

  async remove(name: UnitName): Promise<void> {
    for (const path of this.filesOf(name)) await this.#disk.remove(path);
  }

  /** No unit's name begins so. */
  #offer(name: UnitName): string {
    return join(this.directory, `.${name}`);
  }
}

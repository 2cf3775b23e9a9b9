// What fleet says to systemd beside a unit's own file: one drop-in a unit, in the manager's directory of the runtime (systemd.unit(5)).
// Invariant: a drop-in says what holds for every start; what changes from start to start is in the file that it names.
import { dirname, join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import type { Disk } from './disk.ts';

export interface DropInsOptions {
  readonly disk: Disk;
  /** Where the manager looks for drop-ins that end with the boot. */
  readonly managerDirectory: string;
  /** Where the environment files are: `runtime_directory`/env. */
  readonly environmentDirectory: string;
}

/** Comes behind those of packages and administrators of the first letters. */
const FILE = '50-fleet.conf';

/** The drop-ins of this host's units, and the environment files that they name. */
export class DropIns {
  readonly #options: DropInsOptions;
  #made = 0;

  constructor(options: DropInsOptions) {
    this.#options = options;
  }

  /** Lets the unit read its token at each start; systemd knows of it after its next reload. */
  async write(name: UnitName): Promise<void> {
    const { disk, managerDirectory } = this.#options;
    const directory = join(managerDirectory, `${name}.d`);
    await disk.makeDirectory(directory);
    await this.#replace(join(directory, FILE), fencedBy(this.#environment(name)));
  }

  /** Takes the drop-in and the environment file away; what is not there is no error. */
  async remove(name: UnitName): Promise<void> {
    const { disk, managerDirectory } = this.#options;
    const directory = join(managerDirectory, `${name}.d`);
    await disk.remove(join(directory, FILE));
    await disk.removeDirectory(directory);
    await disk.remove(this.#environment(name));
  }

  /** What the unit's next start finds in FLEET_GENERATION. */
  async setToken(name: UnitName, token: number): Promise<void> {
    const { disk, environmentDirectory } = this.#options;
    await disk.makeDirectory(environmentDirectory);
    await this.#replace(this.#environment(name), `FLEET_GENERATION=${token}\n`);
  }

  #environment(name: UnitName): string {
    return join(this.#options.environmentDirectory, name);
  }

  async #replace(path: string, text: string): Promise<void> {
    const { disk } = this.#options;
    this.#made += 1;
    const next = join(dirname(path), `.new-${this.#made}`);
    await disk.remove(next); // what a crash has left
    await disk.create(next, text);
    await disk.rename(next, path);
  }
}

/** EnvironmentFile= takes a pattern: what a name holds of its characters is quoted, and '%' is systemd's own. */
function fencedBy(path: string): string {
  const pattern = path.replaceAll(/[\\*?[]/g, String.raw`\$&`).replaceAll('%', '%%');
  return `# Made by fleetd: the fencing token of the last start (Fence=).\n[Service]\nEnvironmentFile=-${pattern}\n`;
}

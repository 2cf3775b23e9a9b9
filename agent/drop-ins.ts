// What fleet says to systemd beside a unit's own file: one drop-in a unit, in the manager's directory of the runtime (systemd.unit(5)).
// Invariant: a drop-in says what holds for every start; what changes from start to start is in the file that it names.
import { dirname, join } from 'node:path';
import type { UnitName } from '../src/model/unit.ts';
import type { Guards } from '../src/reconcile/host-guards.ts';
import { systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import type { Disk } from './disk.ts';
import type { Permits } from './permits.ts';

export interface DropInsOptions {
  readonly disk: Disk;
  /** Where the manager looks for drop-ins that end with the boot. */
  readonly managerDirectory: string;
  /** Where the environment files are: `runtime_directory`/env. */
  readonly environmentDirectory: string;
  readonly permits: Permits;
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

  /** Lets the unit read its token at each start, and start only with a permit; systemd knows of it after its next reload. */
  async write(name: UnitName, { stopsCutOff }: Guards): Promise<void> {
    const { disk, managerDirectory, permits } = this.#options;
    const unit = systemdNameOf(name);
    const directory = join(managerDirectory, `${unit}.d`);
    await disk.makeDirectory(directory);
    const lines = ['# Made by fleetd for what [X-Fleet] asks.'];
    if (stopsCutOff === true)
      lines.push('[Unit]', `AssertPathExists=${percent(permits.path(name))}`);
    if (unit.endsWith('.service'))
      lines.push('[Service]', `EnvironmentFile=-${percent(quoted(this.#environment(name)))}`);
    await this.#replace(join(directory, FILE), `${lines.join('\n')}\n`);
  }

  /** Takes the drop-in, the environment file and the permit away; what is not there is no error. */
  async remove(name: UnitName): Promise<void> {
    const { disk, managerDirectory, permits } = this.#options;
    const directory = join(managerDirectory, `${systemdNameOf(name)}.d`);
    await disk.remove(join(directory, FILE));
    await disk.removeDirectory(directory);
    await disk.remove(this.#environment(name));
    await permits.remove(name);
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

/** EnvironmentFile= takes a pattern: what a name has of its characters stands for itself. */
function quoted(path: string): string {
  return path.replaceAll(/[\\*?[]/g, String.raw`\$&`);
}

/** A percent sign is systemd's own. */
function percent(text: string): string {
  return text.replaceAll('%', '%%');
}

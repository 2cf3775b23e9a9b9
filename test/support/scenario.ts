// What the rows of the scenario table share: hosts with fleet as the original's own tests had it, and words for what they ask.
// Invariant: fleetctl runs on a host, by its shell's own rules; what it prints is all that a row sees of the cluster.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';
import { noLab, startLab, type HostRow, type Lab } from './lab.ts';
import type { Ended } from '../../lab/script.ts';

/** Where hosts see the fixtures. */
const fixtures = '/opt/fleet/test/fixtures/scenarios';
/** The API's port on every host. */
export const API_PORT = 54728;

/** ms within which a machine must be listed, and a unit must reach its state. */
const MACHINES_MS = 10_000;
const STATES_MS = 15_000;

/** A row of list-units. */
export interface UnitRow {
  readonly unit: string;
  /** The machine's full id. */
  readonly machine: string;
  readonly active: string;
}

/** Rows of the table that run on `hosts` hosts, one after the other on the same lab. */
export interface Scenarios {
  readonly hosts: number;
  readonly rows: Readonly<Record<string, (cluster: Cluster) => Promise<void>>>;
}

/** Declares a test for each row, or for each named one, with a lab of its own for all of them. */
export function declareScenarios(title: string, scenarios: Scenarios, names?: readonly string[]) {
  describe.skipIf(noLab() !== undefined)(title, () => {
    let cluster: Cluster;
    let down: (() => Promise<void>) | undefined;
    let isFirst = true;
    beforeAll(async () => {
      const lab = await startLab({
        hosts: scenarios.hosts,
        name: 'scn',
        ttl: '3s',
        metadata: '',
        config: ['etcd_key_prefix=/fleet_functional/smoke'],
        service: ['Environment=FLEET_METADATA=hostname=%H'],
        tcpPort: API_PORT,
      });
      down = () => lab.down();
      cluster = await Cluster.of(lab);
    });
    afterAll(async () => {
      await down?.();
    });
    beforeEach(async () => {
      if (!isFirst) await cluster.clear();
      isFirst = false;
    });
    for (const name of names ?? Object.keys(scenarios.rows))
      it(name, async () => {
        await scenarios.rows[name]!(cluster);
      });
  });
}

/** The hosts of one lab and the fleet on them. */
export class Cluster {
  readonly lab: Lab;
  /** Of every host, also of one that is off. */
  hosts: readonly HostRow[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async of(lab: Lab): Promise<Cluster> {
    const cluster = new Cluster(lab);
    await cluster.readHosts();
    return cluster;
  }

  /** After a host was made anew, or got another machine-id. */
  async readHosts(): Promise<void> {
    this.hosts = await this.lab.rows();
    await this.#exchangeKeys();
  }

  /** fleetctl on h1, whatever its status. */
  async ctl(...args: readonly string[]): Promise<Ended> {
    return await this.lab.fleetctl('h1', ...args);
  }

  /** fleetctl on h1; its stdout, where it ended well. */
  async ok(...args: readonly string[]): Promise<string> {
    return await this.okOn('h1', ...args);
  }

  async okOn(host: string, ...args: readonly string[]): Promise<string> {
    const ended = await this.lab.fleetctl(host, ...args);
    expect(ended, `fleetctl ${args.join(' ')}: ${ended.stderr}`).toMatchObject({ status: 0 });
    expect(ended.stderr, `fleetctl ${args.join(' ')}`).not.toContain('Error');
    return ended.stdout;
  }

  /** Lines that a fleetctl listing prints. */
  async lines(...args: readonly string[]): Promise<readonly string[]> {
    return linesOf(await this.ok(...args));
  }

  /** The machines of list-machines on `host`, as soon as there are `count`. */
  async machines(count: number, host = 'h1'): Promise<readonly string[]> {
    return await eventually(
      async () => {
        const listed = await this.lab.fleetctl(
          host,
          'list-machines',
          '--no-legend',
          '-l',
          '--fields=machine',
        );
        const ids = linesOf(listed.stdout);
        if (listed.status !== 0 || ids.length !== count)
          throw new Error(`not ${count} machines: ${listed.stdout}${listed.stderr}`);
        return ids;
      },
      { timeoutMs: MACHINES_MS },
    );
  }

  /** The rows of list-units. */
  async units(host = 'h1'): Promise<readonly UnitRow[]> {
    const fields = ['--no-legend', '--full', '--fields', 'unit,machine,active'];
    return linesOf(await this.okOn(host, 'list-units', ...fields)).map((line) => {
      const [unit = '', machine = '', active = ''] = line.split(/\t+/);
      return { unit, machine: machine.split('/')[0] ?? '', active };
    });
  }

  /** The rows of list-units, as soon as exactly `count` are active and none is anything else. */
  async active(count: number, host = 'h1'): Promise<readonly UnitRow[]> {
    return await this.unitsSuch(
      `${count} active units`,
      (rows) => rows.filter(({ active }) => active === 'active').length === count,
      host,
    );
  }

  /** The rows of list-units, as soon as they are such, within the time that states have. */
  async unitsSuch(
    what: string,
    such: (rows: readonly UnitRow[]) => boolean,
    host = 'h1',
  ): Promise<readonly UnitRow[]> {
    return await eventually(
      async () => {
        const rows = await this.units(host);
        if (!such(rows)) throw new Error(`not ${what}: ${JSON.stringify(rows)}`);
        return rows;
      },
      { timeoutMs: STATES_MS },
    );
  }

  /** The host whose machine-id it is. */
  hostOf(machine: string): string {
    const found = this.hosts.find(({ machineId }) => machineId === machine);
    if (found === undefined) throw new Error(`no host has the machine-id '${machine}'`);
    return found.host;
  }

  idOf(host: string): string {
    return this.hosts.find((row) => row.host === host)!.machineId;
  }

  addressOf(host: string): string {
    return this.hosts.find((row) => row.host === host)!.address;
  }

  async systemctl(host: string, ...args: readonly string[]): Promise<string> {
    return await this.lab.out(host, 'systemctl', ...args);
  }

  /** ActiveState and Result of fleet.service. */
  async fleetService(host: string): Promise<readonly string[]> {
    const shown = await this.systemctl(host, 'show', '-p', 'ActiveState,Result', 'fleet.service');
    return linesOf(shown).toSorted();
  }

  /** stdout of `fleetctl ssh` from h1, without checks of host keys. */
  async ssh(target: string, ...command: readonly string[]): Promise<string> {
    return await this.ok('--strict-host-key-checking=false', 'ssh', target, ...command);
  }

  /** Stops fleet on that machine as a person would, by fleetctl from h1. */
  async stopFleetOn(machine: string): Promise<void> {
    const words = ['--strict-host-key-checking=false', 'ssh', machine, 'sudo systemctl stop fleet'];
    const ended = await this.ctl(...words);
    expect(ended, ended.stderr).toMatchObject({ status: 0 });
  }

  /** root of h1 is let in as \`core\` on every host. */
  async #exchangeKeys(): Promise<void> {
    const key = '/root/.ssh/id_ed25519';
    const make = `[ -e ${key} ] || { mkdir -p -m 700 /root/.ssh; ssh-keygen -q -N '' -t ed25519 -f ${key}; }; cat ${key}.pub`;
    const open = await this.lab.out('h1', 'sh', '-c', make);
    const add =
      'mkdir -p -m 700 ~core/.ssh; cat > ~core/.ssh/authorized_keys; chown -R core: ~core/.ssh';
    for (const { host } of this.hosts) {
      const ended = await this.lab.feed(host, `${open}\n`, 'bash', '-c', add);
      expect(ended, ended.stderr).toMatchObject({ status: 0 });
    }
  }

  /** A request to the API of `host` by TCP. */
  async http(
    method: string,
    path: string,
    { body, host = 'h1' }: { body?: unknown; host?: string } = {},
  ): Promise<{ status: number; type: string; text: string }> {
    const answer = await fetch(`http://${this.addressOf(host)}:${API_PORT}/fleet/v1${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    const type = answer.headers.get('content-type') ?? '';
    return { status: answer.status, type, text: await answer.text() };
  }

  /** For the next row: fleet runs everywhere, and no unit is left. */
  async clear(): Promise<void> {
    for (const { host } of this.hosts) await this.systemctl(host, 'start', 'fleet');
    await this.machines(this.hosts.length);
    const left = await this.lines('list-unit-files', '--no-legend', '--fields=unit');
    if (left.length > 0) await this.ok('destroy', ...left);
    await this.unitsSuch('an empty cluster', (rows) => rows.length === 0);
  }
}

/** Lines that are not empty. */
export function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Machines by unit; a unit of several machines is an error. */
export function placesOf(rows: readonly UnitRow[]): Readonly<Record<string, string>> {
  const places = Object.fromEntries(rows.map(({ unit, machine }) => [unit, machine]));
  expect(Object.keys(places), 'one row a unit').toHaveLength(rows.length);
  return places;
}

/** The path of a fixture, on hosts. */
export function fixture(name: string): string {
  return `${fixtures}/${name}`;
}

/** As many names, made of numbers from `first` on. */
export function numbered(count: number, name: (i: number) => string, first = 0): readonly string[] {
  return Array.from({ length: count }, (_, i) => name(first + i));
}

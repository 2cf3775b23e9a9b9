// One host for tests: the agent's loop over a store and a systemd, and a hand that writes the keys that engine and API would.
import { join } from 'node:path';
import { CarriedOutFile } from '../../agent/carried-out.ts';
import type { Disk } from '../../agent/disk.ts';
import type { LeaseView } from '../../agent/cut-off.ts';
import { CutOffNotes } from '../../agent/cut-off-notes.ts';
import { DropIns } from '../../agent/drop-ins.ts';
import { Host } from '../../agent/host.ts';
import { KeptDesired } from '../../agent/kept-desired.ts';
import { localDisk } from '../../agent/local-disk.ts';
import { withQuadlets } from '../../agent/quadlet-dir.ts';
import { withQuadletNames } from '../../agent/quadlet-systemd.ts';
import type { FoundRuntimes } from '../../agent/runtimes.ts';
import { openUnitDir } from '../../agent/unit-dir.ts';
import { TokenFile } from '../../agent/token-file.ts';
import { Permits } from '../../agent/permits.ts';
import type { Systemd } from '../../agent/systemd.ts';
import type { MachineId, Metadata } from '../../src/model/machine.ts';
import type { UnitState } from '../../src/model/unit-state.ts';
import type { DesiredState, UnitName, UnitTarget } from '../../src/model/unit.ts';
import { decode, encode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock, type Clock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import type { Kv, Operation } from '../../src/store/kv.ts';
import { storedOptionsOf, optionsOf } from '../../src/unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../../src/unitfile/hash.ts';
import { readUnit } from '../../src/registry/read-unit.ts';
import { parseUnitName } from '../../src/unitfile/name.ts';
import { parseNamedFile } from '../../src/unitfile/quadlet-name.ts';

export const MACHINE = 'a'.repeat(32) as MachineId;
const forever = new AbortController().signal;

export interface TestHost {
  readonly host: Host;
  readonly carriedOut: CarriedOutFile;
  /** Ends the loop and leaves everything as it is, as a killed fleetd does. */
  kill(): Promise<void>;
}

const alwaysHeld: LeaseView = {
  ttlMs: 30_000,
  deadlineMs: () => systemClock.bootMs() + 30_000,
  renewed: (signal) => systemClock.sleep(2 ** 30, signal),
};

export interface TestHostOptions {
  /** Another one is a boot: what was carried out does not count any more. Default 'boot-1'. */
  readonly boot?: string;
  /** Where that systemd looks for drop-ins of the runtime. */
  readonly managerDirectory?: string;
  /** Default: one of 30 s that is confirmed at any time. */
  readonly lease?: LeaseView;
  /** Default: this machine's. */
  readonly disk?: Disk;
  readonly clock?: Clock;
  readonly kv: Kv;
  readonly systemd: Systemd;
  readonly dir: string;
  readonly metadata?: Metadata;
  /** What runs containers on the host; nothing unless given. */
  readonly runtimes?: FoundRuntimes;
}

export const keys = keysUnder('/fleet-test/');

/** Starts the host's loop on what `dir` holds of an earlier one. */
export async function startHost(options: TestHostOptions): Promise<TestHost> {
  const {
    kv,
    systemd,
    dir,
    metadata = {},
    boot = 'boot-1',
    disk = localDisk,
    clock = systemClock,
    managerDirectory,
    lease = alwaysHeld,
    runtimes = new Map(),
  } = options;
  const permits = new Permits(disk, join(dir, 'permit'));
  const registry = { kv, keys, unreadable: () => undefined };
  const unitsDirectory = join(dir, 'units/');
  const carriedOut = await CarriedOutFile.open(join(dir, 'carried-out.json'), boot);
  const kept = await KeptDesired.open({
    disk,
    directory: join(dir, 'desired'),
    machine: MACHINE,
    cluster: keys.prefix,
    log: silentLog,
  });
  const host = new Host({
    registry,
    systemd: withQuadletNames(systemd),
    clock,
    random: () => 0.5,
    log: silentLog,
    machine: MACHINE,
    incarnation: boot,
    unitDir: withQuadlets(
      await openUnitDir({
        directory: unitsDirectory,
        parseUnitName: (text) => parseUnitName(text).ok,
      }),
      {
        log: silentLog,
        runtimes: () => runtimes,
        user: false,
        submitted: async (name, signal) => (await readUnit(registry, name, signal))?.text,
      },
    ),
    carriedOut,
    kept,
    dropIns: new DropIns({
      disk,
      managerDirectory: managerDirectory ?? join(dir, 'systemd'),
      environmentDirectory: join(dir, 'env'),
      permits,
    }),
    permits,
    notes: new CutOffNotes(disk, join(dir, 'cut-off')),
    lease,
    isUser: true,
    tokens: await TokenFile.open(join(dir, 'fence.json'), disk),
    capabilities: () => ({ fence: 'yes', 'cut-off': 'yes' }),
    configuredMetadata: () => metadata,
  });
  const end = new AbortController();
  const running = host.run(end.signal).catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  return {
    host,
    carriedOut,
    async kill() {
      end.abort(new Error('killed by the test'));
      await running;
    },
  };
}

function targetOf(
  name: string,
  text: string,
  desired: DesiredState,
  generation: number,
): UnitTarget {
  const options = optionsOf(parseNamedFile(name, text).ok!);
  return {
    name: name as UnitName,
    hash: hashOfOptions(options),
    sha256: sha256Of(text),
    desiredState: desired,
    generation,
    options: storedOptionsOf(options),
  };
}

/** The keys that engine and API would write. */
export class Cluster {
  readonly #kv: Kv;

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  async assign(
    units: Readonly<Record<string, string>>,
    desired: DesiredState = 'launched',
    generation = 1,
  ): Promise<void> {
    const all = Object.entries(units).flatMap(([name, text]): Operation[] => {
      const target = targetOf(name, text, desired, generation);
      const value = encode('assignment', { ...target, machine: MACHINE, release: false });
      return [
        { kind: 'put', key: keys.file(target.sha256), value: text },
        { kind: 'put', key: keys.schedule(MACHINE, target.name), value },
      ];
    });
    // Two units may share a text, and one txn may not put a key twice.
    const unique = [...new Map(all.map((operation) => [operation.key, operation])).values()];
    await this.#write(unique);
  }

  async global(name: string, text: string, generation = 1, release = false): Promise<void> {
    const target = targetOf(name, text, 'launched', generation);
    await this.#write([
      { kind: 'put', key: keys.file(target.sha256), value: text },
      {
        kind: 'put',
        key: keys.global(target.name),
        value: encode('global', { ...target, release }),
      },
    ]);
  }

  async release(...names: string[]): Promise<void> {
    for (const name of names as UnitName[]) {
      const key = keys.schedule(MACHINE, name);
      const found = await this.#get(key);
      const value = encode('assignment', { ...decode('assignment', key, found!), release: true });
      await this.#write([{ kind: 'put', key, value }]);
    }
  }

  /** Removes the key without a mark, as a restored store would. */
  async lose(...names: string[]): Promise<void> {
    await this.#write(
      (names as UnitName[]).map((name) => ({ kind: 'delete', key: keys.schedule(MACHINE, name) })),
    );
  }

  async put(key: string, value: string): Promise<void> {
    await this.#write([{ kind: 'put', key, value }]);
  }

  async row(name: string): Promise<UnitState | undefined> {
    const key = keys.state(name as UnitName, MACHINE);
    const value = await this.#get(key);
    return value === undefined ? undefined : decode('state', key, value);
  }

  /** All keys of the store, with the revision of their last write. */
  async keys(prefix = '/fleet-test/'): Promise<readonly string[]> {
    const { kvs } = await this.#kv.range(prefix, {}, forever);
    return kvs.map(({ key }) => key.slice('/fleet-test/'.length));
  }

  async revision(): Promise<bigint> {
    return (await this.#kv.range('/fleet-test/', { limit: 1 }, forever)).revision;
  }

  async #get(key: string): Promise<string | undefined> {
    const { gets } = await this.#kv.txn({ then: [{ kind: 'get', key }] }, forever);
    return gets[0]?.value;
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    for (let at = 0; at < operations.length; at += 100)
      await this.#kv.txn({ then: operations.slice(at, at + 100) }, forever);
  }
}

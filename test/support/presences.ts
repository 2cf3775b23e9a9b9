// Machines that register in an embedded store, several of one machine-id: what the tests of Presence begin with.
// Invariant: a host's name is its disk: the same name is the same boot, until its directory is gone.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../../agent/disk.ts';
import { IdentityFile } from '../../agent/identity.ts';
import { localDisk } from '../../agent/local-disk.ts';
import { Presence } from '../../agent/presence.ts';
import type { Machine, MachineId } from '../../src/model/machine.ts';
import { decode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import type { Kv } from '../../src/store/kv.ts';
import { eventually } from './eventually.ts';

/** All of them say that they are this one. */
export const id = 'b'.repeat(32) as MachineId;
export const keys = keysUnder('/t/');
export const forever = new AbortController().signal;

export interface Runs {
  readonly presence: Presence;
  /** Ends it as a crash does: nothing is given back. */
  kill(): Promise<void>;
}

/** Ends when it is. */
export const registered = (one: Runs): Promise<unknown> =>
  eventually(() => one.presence.state === 'registered');

/** A store, and the machines that run on it until `end`. */
export class Presences {
  readonly kv: Kv = openEmbeddedStore({ memory: true, clock: systemClock });
  readonly dir = mkdtempSync(join(tmpdir(), 'fleet-presence-'));
  readonly #ends: (() => Promise<void>)[] = [];

  async end(): Promise<void> {
    for (const end of this.#ends) await end();
    await this.kv.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async run(
    host: string,
    {
      disk = localDisk,
      store = this.kv,
      ttlSec = 2,
    }: { disk?: Disk; store?: Kv; ttlSec?: number } = {},
  ): Promise<Runs> {
    const identity = await IdentityFile.open(
      join(this.dir, host, 'identity.json'),
      { bootId: 'boot', machineId: 'm' },
      { disk, newId: randomUUID },
    );
    const presence = new Presence({
      kv: store,
      keys,
      clock: systemClock,
      random: () => 0.5,
      log: silentLog,
      identity,
      facts: () => ({
        id,
        primaryIp: '10.0.0.1',
        hostname: host,
        metadata: {},
        version: '2',
        capacity: { cpus: 1, memoryBytes: 1 },
        capabilities: {},
        ttlSec,
      }),
    });
    const end = new AbortController();
    const running = presence.run(end.signal).catch((error: unknown) => {
      if (!end.signal.aborted) throw error;
    });
    const kill = async (): Promise<void> => {
      end.abort(new Error('killed'));
      await running;
    };
    this.#ends.push(kill);
    return { presence, kill };
  }

  async stored(): Promise<{ machine: Machine; revision: bigint; lease?: string } | undefined> {
    const { gets } = await this.kv.txn({ then: [{ kind: 'get', key: keys.machine(id) }] }, forever);
    const found = gets[0];
    return (
      found && {
        machine: decode('machine', found.key, found.value),
        revision: found.modRevision,
        ...(found.lease === undefined ? {} : { lease: found.lease }),
      }
    );
  }

  /** The store, but for one method. */
  withMethod<Name extends keyof Kv>(method: Name, does: Kv[Name]): Kv {
    return new Proxy(this.kv, {
      get(target, name) {
        const value: unknown = name === method ? does : Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** A store whose watches say nothing until `heard`. */
  untilHeard(): { readonly deaf: Kv; readonly heard: PromiseWithResolvers<void> } {
    const heard = Promise.withResolvers<void>();
    const { kv } = this;
    const deaf = this.withMethod('watch', async function* (prefix, from, signal) {
      await heard.promise;
      yield* kv.watch(prefix, from, signal);
    });
    return { deaf, heard };
  }

  /** Keys below `prefix` that end from now on; `end` says which. */
  deletedFrom(prefix: string): { end(): Promise<readonly string[]> } {
    const deletes: string[] = [];
    const watching = new AbortController();
    const watched = (async () => {
      for await (const batch of this.kv.watch(prefix, 1n, watching.signal))
        for (const event of batch.events) if (event.kind === 'delete') deletes.push(event.key);
    })();
    return {
      async end() {
        watching.abort();
        await watched.catch(() => undefined);
        return deletes;
      },
    };
  }

  /** A machine of a short ttl whose key had ended when it came back. */
  async runBack(): Promise<Runs> {
    const first = await this.run('one', { ttlSec: 1 });
    await registered(first);
    await first.kill();
    await this.kv.revokeLease((await this.stored())!.lease!, forever);
    const back = await this.run('one', { ttlSec: 1 });
    await registered(back);
    return back;
  }
}

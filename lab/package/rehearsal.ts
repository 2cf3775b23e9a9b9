// What fleetctl is called for most, carried out once against an API of our own: then its code is in the caches that the executable is built
// with, and is not compiled anew by every call.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApi } from '../../src/api/server.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';

const UNIT = 'rehearsal.service';
/** The statuses that they end with: nobody is there who would run the unit. */
const COMMANDS: readonly (readonly [status: number, ...args: string[]])[] = [
  [0, 'version'],
  [1, 'start', '--timeout=1', UNIT],
  [0, 'start', '--no-block', UNIT],
  [0, 'list-units'],
  [0, 'list-unit-files'],
  [0, 'list-machines'],
  [0, 'cat', UNIT],
  [0, 'explain', UNIT],
  [0, 'stop', '--no-block', UNIT],
  [0, 'destroy', UNIT],
];

/** Has `call` carry out one call of fleetctl after the other; it answers the exit status. */
export async function rehearse(
  call: (args: readonly string[], directory: string) => Promise<number>,
): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'fleet-rehearsal-'));
  const kv = openEmbeddedStore({ memory: true, clock: systemClock });
  const api = await createApi({
    kv,
    keys: keysUnder('/rehearsal/'),
    log: silentLog,
    version: 'rehearsal',
    tokenLimit: 100,
    clock: systemClock,
  });
  try {
    const socket = path.join(directory, 'fleet.sock');
    await api.listen({ path: socket });
    await writeFile(path.join(directory, UNIT), '[Service]\nExecStart=/bin/true\n');
    for (const [status, ...args] of COMMANDS) {
      const ended = await call([`--endpoint=unix://${socket}`, ...args], directory);
      if (ended !== status)
        throw new Error(`fleetctl ${args.join(' ')}: status ${ended} instead of ${status}`);
    }
  } finally {
    await api.close();
    await kv.close();
    await rm(directory, { recursive: true });
  }
}

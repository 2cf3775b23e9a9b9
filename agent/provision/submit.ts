// `fleetd provision --submit`: brings the units of fleet.units into the cluster, once it is up.
// Invariant: a unit that the cluster has is left as it is, and one that this host has submitted is never submitted again.
import { hash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FleetClient } from '../../src/api/client.ts';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import type { DesiredState, UnitName } from '../../src/model/unit.ts';
import { DESIRED } from '../../src/provision/fleet-units.ts';
import { SUBMIT_DIR } from '../../src/provision/planned-files.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { parseUnitName } from '../../src/unitfile/name.ts';
import type { ProvisionIo } from './command.ts';

/** What this host has submitted: SHA-256 of the text by unit. It outlives boots: what was destroyed since stays so. */
const RECORD = '/var/lib/fleet/submitted.json';
const ENDPOINT = 'unix:///run/fleet.sock';
/** ms for one answer, and between two tries. */
const REQUEST_MS = 10_000;
const AGAIN_MS = 1_000;
const AGAIN_MAX_MS = 15_000;

interface Waiting {
  readonly name: UnitName;
  readonly text: string;
  readonly desiredState: DesiredState;
}

/** Submits what waits, trying until the cluster answers. Status 1 where it refused a unit. */
export async function submitUnits(io: ProvisionIo): Promise<number> {
  const endpoint = io.env['FLEET_PROVISION_ENDPOINT'] ?? ENDPOINT;
  const client = new FleetClient({ endpoints: [endpoint], requestTimeoutMs: REQUEST_MS });
  try {
    let status = 0;
    const done = new Map(Object.entries(await readRecord()));
    for (const unit of await waitingUnits()) {
      const sum = hash('sha256', unit.text);
      if (done.get(unit.name) === sum) continue;
      const isTaken = await submitted(client, unit, io);
      if (!isTaken) status = 1;
      else await writeRecord(done.set(unit.name, sum));
    }
    return status;
  } finally {
    client.close();
  }
}

/** The files of SUBMIT_DIR, templates first: an instance may want its template. */
async function waitingUnits(): Promise<readonly Waiting[]> {
  const found: Waiting[] = [];
  for (const command of ['submit', 'load', 'start'] as const) {
    const directory = join(SUBMIT_DIR, command);
    for (const entry of (await namesIn(directory)).toSorted()) {
      const { ok: name } = parseUnitName(entry);
      if (name === undefined) continue; // an editor's backup
      const text = await readFile(join(directory, name), 'utf8');
      found.push({ name, text, desiredState: DESIRED[command] });
    }
  }
  return found;
}

/** Answers whether the cluster has it now; the reason of a refusal it says. */
async function submitted(client: FleetClient, unit: Waiting, io: ProvisionIo): Promise<boolean> {
  const { name, text, desiredState } = unit;
  for (let waitMs = AGAIN_MS, said = ''; ; waitMs = Math.min(AGAIN_MAX_MS, waitMs * 2)) {
    try {
      const before = await unitOf(client, name, io.signal);
      if (before === undefined) {
        await client.putUnit(name, { text, desiredState, ifHash: '' }, io.signal);
        io.stdout(`submitted ${name} (${desiredState})\n`);
      } else if (before === text) io.stdout(`${name} is in the cluster already\n`);
      else
        io.stderr(
          `fleetd: ${name} is in the cluster with another text, and is left alone; replace it with: fleetctl start --replace ${name}\n`,
        );
      return true;
    } catch (error) {
      if (!isFleetError(error)) throw error;
      if (error.code !== 'UNIT_CONFLICT' && !PASSING.has(error.code)) {
        io.stderr(`fleetd: the cluster refuses ${name}: ${error.message}\n`);
        return false;
      }
      if (error.message !== said)
        io.stderr(`fleetd: waiting to submit ${name}: ${error.message}\n`);
      said = error.message;
      await systemClock.sleep(waitMs, io.signal);
    }
  }
}

/** Failures that pass by themselves. */
const PASSING: ReadonlySet<string> = new Set([
  'API_BUSY',
  'API_UNREACHABLE',
  'INTERNAL',
  'REGISTRY_BUSY',
  'STORE_UNAVAILABLE',
]);

async function unitOf(
  client: FleetClient,
  name: UnitName,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return (await client.unit(name, signal)).text ?? '';
  } catch (error) {
    if (isFleetError(error, 'UNIT_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function readRecord(): Promise<Readonly<Record<string, string>>> {
  try {
    const read: unknown = JSON.parse(await readFile(RECORD, 'utf8'));
    return typeof read === 'object' && read !== null ? (read as Record<string, string>) : {}; // only compared
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    if (!(error instanceof SyntaxError)) throw error;
    throw new FleetError('PROVISION_FAILED', `'${RECORD}' is not what was written there`, {
      cause: error,
      hint: 'Remove it: units that the cluster has are left alone.',
    });
  }
}

async function writeRecord(done: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(dirname(RECORD), { recursive: true, mode: 0o700 });
  const text = `${JSON.stringify(Object.fromEntries(done))}\n`;
  await writeFile(`${RECORD}.new`, text, { mode: 0o600, flush: true });
  await rename(`${RECORD}.new`, RECORD);
}

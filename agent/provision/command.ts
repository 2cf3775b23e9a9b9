// `fleetd provision`: reads a cloud-config or an Ignition file, and makes this host what it says.
// Invariant: a file with an error in it changes nothing; a host that is as the file wants it stays untouched.
import { networkInterfaces } from 'node:os';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import { EXAMPLE_ADDRESSES, type HostAddresses } from '../../src/provision/addresses.ts';
import { problemText } from '../../src/provision/problems.ts';
import { readProvisionFile } from '../../src/provision/read.ts';
import { parseConfig } from '../config.ts';
import { primaryAddress } from '../machine-facts.ts';
import { readAccounts } from './accounts.ts';
import {
  PROVISION_USAGE,
  provisionArguments,
  type ProvisionArguments,
  type ProvisionSource,
} from './arguments.ts';
import { carryOut, readMarks } from './carry-out.ts';
import { changesOf } from './changes.ts';
import { changeLine } from './say.ts';
import { fromBoot, fromConfigDrive, fromFile, fromUrl, type SourceFile } from './source.ts';
import { submitUnits } from './submit.ts';

/** The process, as far as provisioning uses it. */
export interface ProvisionIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Runs it; answers the exit status: 0, or 1 where the file is wrong or systemd refused something. Throws FleetError. */
export async function provision(words: readonly string[], io: ProvisionIo): Promise<number> {
  const given = provisionArguments(words);
  if (given.action === 'help') {
    io.stdout(`${PROVISION_USAGE}\n`);
    return 0;
  }
  if (given.action === 'submit') return await submitUnits(io);
  const file = await sourceFile(given.source, io);
  if (file === undefined) {
    io.stdout('nothing to do: this host was given no cloud-config\n');
    return 0;
  }
  return await withFile(file, given, io);
}

type WithSource = Extract<ProvisionArguments, { source: ProvisionSource }>;

async function sourceFile(
  source: ProvisionSource,
  { env, signal }: ProvisionIo,
): Promise<SourceFile | undefined> {
  switch (source.kind) {
    case 'file':
      return await fromFile(source.place);
    case 'url':
      return await fromUrl(source.place, signal);
    case 'drive':
      return await fromConfigDrive(source.place, signal);
    case 'boot':
      return await fromBoot(env, signal);
  }
}

async function withFile(file: SourceFile, given: WithSource, io: ProvisionIo): Promise<number> {
  const isOnlyRead = given.action === 'validate';
  const found = isOnlyRead ? EXAMPLE_ADDRESSES : await addressesOfHost(io.env);
  const addresses = { ...found, ...given.addresses };
  const { plan, problems } = readProvisionFile(file.text, { addresses, fleetProblem });
  for (const problem of problems) io.stderr(`${problemText(file.name, problem)}\n`);
  if (plan === undefined) return 1;
  if (isOnlyRead) {
    io.stdout(`${file.name} is valid\n`);
    return 0;
  }
  if (io.uid !== 0 && given.action === 'apply')
    throw new FleetError('PROVISION_FAILED', 'only root can provision a host', {
      hint: 'Run it by sudo, or see what it would do with --dry-run.',
    });
  const sight = { accounts: await readAccounts(), marks: await readMarks(), signal: io.signal };
  const changes = await changesOf(plan, sight);
  if (changes.length === 0) {
    io.stdout(`nothing to change: this host is as ${file.name} wants it\n`);
    return 0;
  }
  if (given.action === 'dry-run') {
    for (const change of changes) io.stdout(`would ${changeLine(change)}\n`);
    return 0;
  }
  const refused = await carryOut(changes, {
    say: (change) => io.stdout(`${changeLine(change)}\n`),
    failed: (change, error) =>
      io.stderr(`fleetd: cannot ${changeLine(change)}: ${error.message}\n`),
    signal: io.signal,
  });
  return refused === 0 ? 0 : 1;
}

/** What fleetd itself would say against the value. */
function fleetProblem(key: string, value: string): string | undefined {
  try {
    // `listen` is checked by itself, and whether it may be reached from outside stands in another key.
    const env = { FLEET_INSECURE: 'true', [`FLEET_${key.toUpperCase()}`]: value };
    parseConfig({ env, uid: 0, standalone: false });
    return undefined;
  } catch (error) {
    if (!isFleetError(error, 'CONFIG_INVALID')) throw error;
    return error.message;
  }
}

/** Those that were said in the environment, as CoreOS did in /etc/environment, else those that the host has. */
async function addressesOfHost(env: ProvisionIo['env']): Promise<HostAddresses> {
  const all = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  const primary = await primaryAddress();
  const v4 = /^[0-9.]+$/.test(primary) ? primary : undefined;
  const v6 = all.filter(({ family }) => family === 'IPv6').map(({ address }) => address);
  const publicV4 = all.find(({ family, address }) => family === 'IPv4' && !isPrivate(address));
  return withoutNone({
    private_ipv4: env['COREOS_PRIVATE_IPV4'] ?? v4,
    public_ipv4: env['COREOS_PUBLIC_IPV4'] ?? publicV4?.address ?? v4,
    private_ipv6: env['COREOS_PRIVATE_IPV6'] ?? v6.find((one) => /^f[cd]/i.test(one)) ?? v6[0],
    public_ipv6: env['COREOS_PUBLIC_IPV6'] ?? v6.find((one) => !/^f[cd]/i.test(one)) ?? v6[0],
  });
}

function withoutNone(all: Readonly<Record<string, string | undefined>>): HostAddresses {
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined && value !== ''),
  );
}

/** RFC 1918, and the shared space of RFC 6598. */
function isPrivate(address: string): boolean {
  return /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
    address,
  );
}

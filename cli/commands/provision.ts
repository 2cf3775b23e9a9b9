// `fleetctl provision`: prints the provisioning file of a new host. It speaks with no API.
// Invariant: what is printed was read back and found valid: a file for a host that cannot be reached must be right.
import { basename } from 'node:path';
import { FleetError } from '../../src/model/errors.ts';
import { EXAMPLE_ADDRESSES } from '../../src/provision/addresses.ts';
import { problemText } from '../../src/provision/problems.ts';
import { readProvisionFile } from '../../src/provision/read.ts';
import { PROVISION_FORMATS, writeProvisionFile, type NewHost } from '../../src/provision/write.ts';
import { decodeUnitBytes } from '../../src/unitfile/parse.ts';
import { problemLine } from '../../src/unitfile/problem.ts';
import type { Io } from '../context.ts';
import type { Values } from '../values.ts';

/** Prints the file. */
export async function provision(io: Io, values: Values): Promise<number> {
  const wanted = values.text('format') ?? 'cloud-config';
  const format = PROVISION_FORMATS.find((one) => one === wanted);
  if (format === undefined)
    throw new FleetError('USAGE', `--format is '${wanted}'`, {
      hint: `It is one of ${PROVISION_FORMATS.join(', ')}.`,
    });
  const host = await newHost(io, values);
  // The same, as fleetd reads it: Ignition and cloud-init only carry it.
  check(writeProvisionFile('cloud-config', host));
  const text = writeProvisionFile(format, host);
  check(text);
  io.stdout(text);
  return 0;
}

function check(text: string): void {
  const options = { addresses: EXAMPLE_ADDRESSES, fleetProblem: () => undefined };
  const { plan, problems } = readProvisionFile(text, options);
  if (plan !== undefined) return;
  const errors = problems.filter(({ severity }) => severity === 'error');
  throw new FleetError(
    'USAGE',
    errors
      .map(({ message, hint }) => (hint === undefined ? message : `${message} (${hint})`))
      .join('; '),
    { details: { problems: errors.map((one) => problemText('-', one)) } },
  );
}

async function newHost(io: Io, values: Values): Promise<NewHost> {
  const hostname = values.text('hostname');
  const keyFile = values.text('ssh-key');
  const fleet: [string, string | undefined][] = [
    ['etcd_servers', values.text('etcd')],
    ['metadata', values.text('metadata')],
  ];
  return {
    ...(hostname === undefined ? {} : { hostname }),
    fleet: Object.fromEntries(
      fleet.filter((row): row is [string, string] => row[1] !== undefined && row[1] !== ''),
    ),
    sshKeys: keyFile === undefined ? [] : await keysOf(io, keyFile),
    units: await unitsOf(io, values.text('unit')),
  };
}

/** The keys of a file such as ~/.ssh/id_ed25519.pub, or the key itself. */
async function keysOf(io: Io, word: string): Promise<readonly string[]> {
  if (/^(ssh|ecdsa|sk)-\S+ \S+/.test(word)) return [word];
  const bytes = await io.files.read(word);
  if (bytes === undefined)
    throw new FleetError('NOT_FOUND', `there is no file '${word}'`, {
      hint: '--ssh-key takes a public key, or a file of public keys.',
    });
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  if (lines.some((line) => line.includes('PRIVATE KEY')))
    throw new FleetError('USAGE', `'${word}' holds a private key`, {
      hint: 'Name the file that ends in .pub.',
    });
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

/** Files, separated by commas. */
async function unitsOf(io: Io, word: string | undefined): Promise<NewHost['units']> {
  const paths = (word ?? '').split(',').filter((path) => path !== '');
  return await Promise.all(
    paths.map(async (path) => {
      const bytes = await io.files.readUnit(path);
      if (bytes === undefined) throw new FleetError('NOT_FOUND', `there is no unit file '${path}'`);
      const { ok: text, problems } = decodeUnitBytes(bytes);
      if (text === undefined)
        throw new FleetError(
          'UNIT_FILE_INVALID',
          `'${path}': ${problems.map(problemLine).join('; ')}`,
        );
      return { name: basename(path), text };
    }),
  );
}

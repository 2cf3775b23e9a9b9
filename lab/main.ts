#!/usr/bin/env node
// `npm run lab`: real hosts with fleet on this machine, for people; tests use test/support/lab.ts. docs/lab.md explains.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { labDir, labNamed, labScriptHere, projectDir, type LabName } from './script.ts';
import { labImpossible, up, type EtcdMode } from './up.ts';

const usage = `usage: npm run lab -- COMMAND

  up N [OPTION...]         boot h1..hN with fleet on them
    --etcd shared|each|N|none  one etcd on this machine (default), a member on every host or on the first N, or none
    --ttl DURATION           agent_ttl (default 30s)
    --metadata LIST          of each host; %H is its name (default hostname=%H)
    --config KEY=VALUE       one more line of fleet.conf; may be repeated
    --tcp PORT               the API on this TCP port of every host too
    --cloud-config FILE      hosts without fleet.conf, provisioned by FILE as they boot; HOST and
                             ETCD_SERVERS in it stand for the host's name and etcd's addresses
    --bare                   hosts without fleet
  exec HOST CMD...         run CMD on HOST, as root
  cut HOST [PEER|in|out]   lose all packets of HOST, those between it and PEER, or those to it or from it only
  heal HOST [PEER]         undo cut
  kill HOST                power cut; the disk stays
  halt HOST                orderly shutdown
  boot HOST                power on again
  wipe HOST                power cut, and its disk is gone; the next up makes a new host of that name and address
  etcd start|stop|kill|pause|resume    the shared etcd
  ls                       hosts, state, address, machine-id, D-Bus address
  down                     remove all of it; the image stays
  clean                    down, and remove the image too
  deps                     install the Debian packages that all this needs

  LAB=NAME in the environment names the lab (default lab): several can be up at once.`;

const passed = [
  'cut',
  'heal',
  'kill',
  'halt',
  'boot',
  'wipe',
  'etcd',
  'ls',
  'down',
  'clean',
  'deps',
];

async function main(args: readonly string[]): Promise<number> {
  const lab = labNamed(process.env['LAB'] ?? 'lab');
  const [command = '', ...rest] = args;
  if (command === '--help' || command === 'help') return print(usage, 0);
  if (command !== 'up' && command !== 'exec' && !passed.includes(command)) return print(usage, 2);
  if (process.getuid?.() !== 0) return print('lab: needs root', 1);
  if (command !== 'up') return labScriptHere(lab, [command, ...rest]);
  return upCommand(lab, rest);
}

async function upCommand(lab: LabName, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      etcd: { type: 'string', default: 'shared' },
      ttl: { type: 'string', default: '30s' },
      metadata: { type: 'string', default: 'hostname=%H' },
      config: { type: 'string', multiple: true, default: [] },
      tcp: { type: 'string' },
      'cloud-config': { type: 'string' },
      bare: { type: 'boolean', default: false },
      fleetd: { type: 'string' },
    },
  });
  const hosts = Number(positionals[0] ?? 3);
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > 99 || positionals.length > 1)
    return print('lab: up N, where N is 1 to 99', 2);
  const etcd = etcdMode(values.etcd);
  if (etcd === undefined) return print('lab: --etcd is shared, each, none, or how many members', 2);
  const tcpPort = values.tcp === undefined ? undefined : Number(values.tcp);
  if ((await labScriptHere(lab, ['deps'])) !== 0) return 1;
  const impossible = labImpossible();
  if (impossible !== undefined) return print(`lab: ${impossible}`, 1);

  const fleetd = values.fleetd;
  const fleet = !values.bare && existsSync(path.join(projectDir, fleetd ?? 'agent/main.ts'));
  if (!fleet && !values.bare) process.stderr.write('lab: no agent/main.ts: bare hosts\n');
  const { ttl, metadata, config } = values;
  const file = values['cloud-config'];
  const cloudConfig = file === undefined ? undefined : await readFile(file, 'utf8');
  await up(lab, {
    hosts,
    etcd,
    ttl,
    metadata,
    config,
    service: [],
    fleet,
    ...(tcpPort === undefined ? {} : { tcpPort }),
    ...(fleetd === undefined ? {} : { fleetd }),
    ...(cloudConfig === undefined ? {} : { cloudConfig }),
    say: (line) => process.stderr.write(`lab: ${line}\n`),
  });
  const status = await labScriptHere(lab, ['ls']);
  if (fleet) process.stdout.write(howToTalk(lab));
  return status;
}

function howToTalk(lab: LabName): string {
  const prefix = lab.name === 'lab' ? '' : `LAB=${lab.name} `;
  const socket = `unix://${path.join(labDir(lab), 'h1/run/fleet.sock')}`;
  return `
On a host:      ${prefix}npm run lab -- exec h1 fleetctl list-machines
From outside:   npx fleetctl --endpoint ${socket} list-units
A failure:      ${prefix}npm run lab -- kill h2      (power), or: cut h2 (network); then boot h2, heal h2
The end:        ${prefix}npm run lab -- down
`;
}

function etcdMode(value: string): EtcdMode | undefined {
  if (value === 'shared' || value === 'each' || value === 'none') return value;
  return /^[1-9]\d?$/.test(value) ? Number(value) : undefined;
}

function print(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return status;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

// Writes the provisioning file for a new host: a cloud-config, Ignition, or a file for cloud-init that brings a cloud-config along.
// Invariant: what is written is read back by readProvisionFile() to the same plan; nothing depends on the host it is written on.
import { stringify } from 'yaml';
import { KEYS_USER } from './cloud-config.ts';
import type { PlannedFile, ProvisionPlan } from './plan.ts';
import { EMPTY_PLAN } from './plan.ts';
import { plannedFiles } from './planned-files.ts';

export const PROVISION_FORMATS = ['cloud-config', 'ignition', 'cloud-init'] as const;
export type ProvisionFormat = (typeof PROVISION_FORMATS)[number];

/** What a new host is to be. */
export interface NewHost {
  readonly hostname?: string;
  /** Keys of fleetd's configuration. */
  readonly fleet: Readonly<Record<string, string>>;
  readonly sshKeys: readonly string[];
  /** To submit to the cluster; templates are only submitted, others started. */
  readonly units: readonly Readonly<{ name: string; text: string }>[];
}

/** The text of the file. */
export function writeProvisionFile(format: ProvisionFormat, host: NewHost): string {
  switch (format) {
    case 'cloud-config':
      return cloudConfig(host);
    case 'ignition':
      return ignition(host);
    case 'cloud-init':
      return cloudInit(host);
  }
}

/** yaml's own width would fold long values. */
const YAML = { lineWidth: 0, blockQuote: 'literal' } as const;

function cloudConfig(host: NewHost): string {
  const { hostname, fleet, sshKeys, units } = host;
  const content = {
    ...(hostname === undefined ? {} : { hostname }),
    ...(sshKeys.length === 0 ? {} : { ssh_authorized_keys: sshKeys }),
    coreos: { fleet, units: [{ name: 'fleet.service', command: 'start' }] },
    ...(units.length === 0 ? {} : { fleet: { units: units.map(unitEntry) } }),
  };
  return `#cloud-config\n${stringify(content, YAML)}`;
}

function unitEntry({ name, text }: { name: string; text: string }): object {
  return { name, ...(isTemplateName(name) ? { command: 'submit' } : {}), content: text };
}

function isTemplateName(name: string): boolean {
  return /^[^@]+@\.[a-z]+$/.test(name);
}

/** Ignition knows no units of a cluster: they are files where fleet-submit.service looks. */
function ignition(host: NewHost): string {
  const { hostname, fleet, sshKeys, units } = host;
  const plan: ProvisionPlan = { ...EMPTY_PLAN, fleet, submit: submitted(units) };
  const name = hostname === undefined ? [] : [textFile('/etc/hostname', `${hostname}\n`)];
  const files = [...name, ...plannedFiles(plan).map(ignitionFile)];
  const content = {
    ignition: { version: '3.4.0' },
    ...(sshKeys.length === 0
      ? {}
      : { passwd: { users: [{ name: KEYS_USER, sshAuthorizedKeys: sshKeys }] } }),
    ...(files.length === 0 ? {} : { storage: { files } }),
    systemd: { units: [{ name: 'fleet.service', enabled: true }] },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

function submitted(units: NewHost['units']): ProvisionPlan['submit'] {
  return units.map(({ name, text }) => ({
    name: name as ProvisionPlan['submit'][number]['name'], // only becomes a path; whoever reads it checks it
    text,
    desiredState: isTemplateName(name) ? 'inactive' : 'launched',
  }));
}

function ignitionFile({ path, mode, contents }: PlannedFile): object {
  const source = `data:;base64,${Buffer.from(contents).toString('base64')}`;
  return { path, mode, overwrite: true, contents: { source } };
}

function textFile(path: string, text: string): object {
  const source = `data:,${encodeURIComponent(text)}`;
  return { path, mode: 0o644, overwrite: true, contents: { source } };
}

/** cloud-init does what is its own, and writes the rest as the file that fleet-provision.service reads, now and at every boot. */
function cloudInit(host: NewHost): string {
  const { hostname, sshKeys, ...own } = host;
  const content = {
    ...(hostname === undefined ? {} : { hostname }),
    ...(sshKeys.length === 0 ? {} : { ssh_authorized_keys: sshKeys }),
    write_files: [
      {
        path: CLOUD_CONFIG_FILE,
        owner: 'root:root',
        permissions: '0600',
        content: cloudConfig({ ...own, sshKeys: [] }),
      },
    ],
    runcmd: [['systemctl', 'restart', 'fleet-provision.service']],
  };
  return `#cloud-config\n${stringify(content, YAML)}`;
}

/** Where fleet-provision.service looks first. */
const CLOUD_CONFIG_FILE = '/etc/fleet/cloud-config.yaml';

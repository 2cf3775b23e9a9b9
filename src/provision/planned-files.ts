// All files that a plan comes to: its own, those of units and drop-ins, fleetd's environment, what is to be submitted.
// Invariant: pure; a secret is in a file that root alone reads, never in a unit, which systemd shows to everyone.
import { environmentLine } from './environment-line.ts';
import type { PlannedFile, PlannedUnit, ProvisionPlan, SubmittedUnit } from './plan.ts';

/** Where units wait to be submitted to the cluster: a directory for each command of fleetctl. */
export const SUBMIT_DIR = '/etc/fleet/submit';
/** The drop-in of fleet.service. */
export const FLEET_DROP_IN = '/etc/systemd/system/fleet.service.d/20-provision.conf';
/** What of fleetd's environment only root may read. */
export const SECRET_ENVIRONMENT = '/etc/fleet/provision.env';

const SECRETS: ReadonlySet<string> = new Set(['etcd_password']);

/** Every file, in the order of writing. */
export function plannedFiles(plan: ProvisionPlan): readonly PlannedFile[] {
  return [
    ...plan.files,
    ...fleetFiles(plan.fleet),
    ...plan.units.flatMap(unitFiles),
    ...plan.submit.map(submitFile),
  ];
}

/** The directory of a unit's file: systemd-networkd has its own. */
function unitDirectory({ name, runtime }: Pick<PlannedUnit, 'name' | 'runtime'>): string {
  return `${runtime ? '/run' : '/etc'}/systemd/${isNetworkFile(name) ? 'network' : 'system'}`;
}

/** Says whether it is a file of systemd-networkd, and no unit. */
export function isNetworkFile(name: string): boolean {
  return /\.(network|netdev|link)$/.test(name);
}

function unitFiles(unit: PlannedUnit): readonly PlannedFile[] {
  const directory = unitDirectory(unit);
  const path = `${directory}/${unit.name}`;
  const own = unit.text === undefined ? [] : [plain(path, unit.text)];
  return [...own, ...unit.dropIns.map(({ name, text }) => plain(`${path}.d/${name}`, text))];
}

function fleetFiles(fleet: ProvisionPlan['fleet']): readonly PlannedFile[] {
  const all = Object.entries(fleet).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (all.length === 0) return [];
  const open = all.filter(([key]) => !SECRETS.has(key));
  const secret = all.filter(([key]) => SECRETS.has(key));
  const lines = open.map(([key, value]) => environmentLine(variable(key), value));
  const from = secret.length === 0 ? '' : `EnvironmentFile=${SECRET_ENVIRONMENT}\n`;
  const files = [plain(FLEET_DROP_IN, `[Service]\n${lines.join('')}${from}`)];
  if (secret.length === 0) return files;
  const text = secret.map(([key, value]) => `${variable(key)}="${shellQuoted(value)}"\n`).join('');
  return [{ ...plain(SECRET_ENVIRONMENT, text), mode: 0o600 }, ...files];
}

function variable(key: string): string {
  return `FLEET_${key.toUpperCase()}`;
}

/** Inside of the double quotes of an EnvironmentFile= (systemd.exec(5)). */
function shellQuoted(value: string): string {
  return value.replaceAll(/["\\$`]/g, String.raw`\$&`);
}

const COMMANDS = { launched: 'start', loaded: 'load', inactive: 'submit' } as const;

function submitFile({ name, text, desiredState }: SubmittedUnit): PlannedFile {
  return plain(`${SUBMIT_DIR}/${COMMANDS[desiredState]}/${name}`, text);
}

function plain(path: string, text: string): PlannedFile {
  return {
    path,
    mode: 0o644,
    user: 'root',
    group: 'root',
    contents: Buffer.from(text, 'utf8'),
    append: false,
    keepOther: false,
  };
}

// Calls lab.sh, which does the work as root: namespaces, mounts, cgroups, the bridge.
// Invariant: a lab is known by its name alone; no state is held here.
import { spawn, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

/** Where the sources of this project are. */
export const projectDir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const script = path.join(projectDir, 'lab/lab.sh');

/** How a process ended, and what it printed where that was asked for. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `home`: where disks and images are. */
export interface LabName {
  readonly name: string;
  readonly home: string;
}

/** A lab of this name, where labs are kept on this machine. */
export function labNamed(name: string): LabName {
  return { name, home: process.env['LAB_HOME'] ?? '/var/lib/fleet-lab' };
}

/** The directory of everything that the lab has: disks, sockets, etcd's data. `down` removes it. */
export function labDir(lab: LabName): string {
  return path.join(lab.home, lab.name);
}

/** Runs a process to its end and answers what it printed; it never rejects because of the status. */
export async function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; stdin?: string; signal?: AbortSignal } = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined); // it may end without having read all
  child.stdin.end(options.stdin ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ status: code ?? (signal === null ? 1 : 128), stdout, stderr }),
    );
  });
}

/** Runs a lab.sh command; a failure is an error with what the script said. */
export async function labScript(
  lab: LabName,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const ended = await run(script, args, { env: scriptEnv(lab, env) });
  if (ended.status !== 0)
    throw new Error(`lab.sh ${args.join(' ')}: ${ended.stderr.trim() || `status ${ended.status}`}`);
  return ended.stdout;
}

/** Runs a lab.sh command on this terminal and answers its status. */
export async function labScriptHere(
  lab: LabName,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const stdio: StdioOptions = 'inherit';
  const child = spawn(script, args, { env: scriptEnv(lab, env), stdio });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Runs a command on a host, as root, and answers how it ended. */
export function execOn(
  lab: LabName,
  host: string,
  command: readonly string[],
  options: { stdin?: string; signal?: AbortSignal } = {},
): Promise<Ended> {
  return run(script, ['exec', host, ...command], { ...options, env: scriptEnv(lab, {}) });
}

function scriptEnv(lab: LabName, env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, LAB: lab.name, LAB_HOME: lab.home, ...env };
}

// Programs of the host that provisioning runs: systemctl, useradd and their like.
import { spawn } from 'node:child_process';
import { FleetError } from '../../src/model/errors.ts';

export interface ToolEnd {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** bytes kept of what a program says. */
const SAID_MAX = 64 * 1024;

/** Runs a program to its end, whatever its status. One that is not there has status 127. */
export async function toolEnd(
  command: readonly string[],
  options: { readonly stdin?: string; readonly signal: AbortSignal },
): Promise<ToolEnd> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: 'pipe', signal: options.signal });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-SAID_MAX);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-SAID_MAX);
  });
  child.stdin.on('error', () => undefined); // it may end without having read all
  child.stdin.end(options.stdin ?? '');
  return await new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT')
        resolve({ status: 127, stdout: '', stderr: `'${program}' is not installed here` });
      else reject(options.signal.aborted ? (options.signal.reason as Error) : error); // a FleetError of program.ts
    });
    child.once('close', (code) => resolve({ status: code ?? 128, stdout, stderr }));
  });
}

/** Runs a program that must succeed. Throws PROVISION_FAILED with what it said. */
export async function runTool(
  command: readonly string[],
  options: { readonly stdin?: string; readonly signal: AbortSignal },
): Promise<string> {
  const { status, stdout, stderr } = await toolEnd(command, options);
  if (status === 0) return stdout;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  throw new FleetError(
    'PROVISION_FAILED',
    `'${command.join(' ')}' ended with status ${status}: ${said}`,
  );
}

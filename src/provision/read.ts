// The way in: the text of a provisioning file → a plan, and all problems of it at once.
// Invariant: pure; there is a plan only where no problem is an error.
import { PROVISION_MAX_BYTES } from '../model/limits.ts';
import { planOfCloudConfig, type ReadOptions } from './cloud-config.ts';
import { planOfIgnition } from './ignition.ts';
import { plannedFiles } from './planned-files.ts';
import type { ProvisionPlan } from './plan.ts';
import { Problems, type ProvisionProblem } from './problems.ts';

export interface ReadResult {
  readonly plan?: ProvisionPlan;
  readonly problems: readonly ProvisionProblem[];
}

/** Reads a cloud-config, or Ignition's JSON: told apart by how they begin. */
export function readProvisionFile(text: string, options: ReadOptions): ReadResult {
  const problems = new Problems();
  const plan = planOf(text.replace(/^\uFEFF/, ''), options, problems);
  // What is wrong already has its place, and may be the reason.
  if (plan !== undefined && !problems.hasErrors) sayDoubles(plan, problems);
  const found = problems.inOrder();
  if (plan === undefined || found.some(({ severity }) => severity === 'error'))
    return { problems: found };
  return { plan, problems: found };
}

const START = { line: 1, column: 1 };

function planOf(text: string, options: ReadOptions, problems: Problems): ProvisionPlan | undefined {
  if (Buffer.byteLength(text) > PROVISION_MAX_BYTES) {
    problems.error(START, `the file has more than ${PROVISION_MAX_BYTES} bytes`);
    return undefined;
  }
  if (/^\s*\{/.test(text)) return planOfIgnition(text, problems);
  if (/^#cloud-config[ \t]*\r?(\n|$)/.test(text)) return planOfCloudConfig(text, options, problems);
  problems.error(
    START,
    beginning(text),
    "Begin it with the line '#cloud-config', or with Ignition's '{'.",
  );
  return undefined;
}

function beginning(text: string): string {
  if (text.startsWith('#!')) return 'this is a script, which is not run here';
  if (/^(Content-Type|MIME-Version):/i.test(text))
    return 'this is a message of several parts, which are not taken apart here';
  return 'this is neither a cloud-config nor an Ignition file';
}

/** Two parts of a file may want the same path: a unit, and a file in /etc/systemd/system. */
function sayDoubles(plan: ProvisionPlan, problems: Problems): void {
  const seen = new Set<string>();
  const paths = [plan.directories, plannedFiles(plan), plan.links].flat().map(({ path }) => path);
  for (const path of paths) {
    if (seen.has(path)) problems.error(START, `two parts of the file are to stand at '${path}'`);
    seen.add(path);
  }
}

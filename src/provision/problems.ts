// What is wrong with a provisioning file, or is not carried out of it, and where.
// Invariant: problems come in the order of the text, each said once.
import { editDistance } from '../unitfile/fleet-keys.ts';
import type { Problem } from '../unitfile/problem.ts';

/** An `error` keeps the whole file from being carried out; what a `warning` names is left out of it. */
export interface ProvisionProblem extends Problem {
  readonly severity: 'error' | 'warning';
}

/** Where something stands, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Gathers problems. */
export class Problems {
  readonly #all: ProvisionProblem[] = [];

  error(place: Place, message: string, hint?: string): void {
    this.#add('error', place, message, hint);
  }

  warning(place: Place, message: string, hint?: string): void {
    this.#add('warning', place, message, hint);
  }

  get hasErrors(): boolean {
    return this.#all.some(({ severity }) => severity === 'error');
  }

  /** In the order of the text. */
  inOrder(): readonly ProvisionProblem[] {
    return this.#all.toSorted(
      (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    );
  }

  #add(severity: 'error' | 'warning', place: Place, message: string, hint?: string): void {
    const { line, column } = place;
    const known = this.#all.some((one) => one.message === message && one.line === line);
    if (known) return;
    this.#all.push({ severity, line, column, message, ...(hint === undefined ? {} : { hint }) });
  }
}

/** `FILE:LINE:COLUMN: error: what. What to do`, as compilers say it. */
export function problemText(name: string, problem: ProvisionProblem): string {
  const { line = 1, column = 1, severity, message, hint } = problem;
  return `${name}:${line}:${column}: ${severity}: ${message}${hint === undefined ? '' : `. ${hint}`}`;
}

/** The candidate that is a slip or two away from the word. */
export function nearestKey(word: string, candidates: readonly string[]): string | undefined {
  const form = (key: string): string => key.toLowerCase().replaceAll('-', '_');
  const slips = Math.min(3, 1 + Math.floor(word.length / 4));
  const near = candidates
    .map((key) => ({ key, edits: editDistance(form(word).slice(0, 64), form(key)) }))
    .filter(({ edits }) => edits <= slips)
    .toSorted((a, b) => a.edits - b.edits);
  return near[0]?.key;
}

// Holds a tree against a schema of zod, and says what does not fit in words, with its place.
// Invariant: a key that no schema knows is an error; one that is known and not carried out is named, once.
import { z } from 'zod';
import { nearestKey, type Problems } from './problems.ts';
import type { SourcePath, SourceTree, SourceValue } from './source-tree.ts';

/** A key that the format has and that is not carried out. `*` in a path stands for any key or place of a list. */
export interface NotTaken {
  readonly path: string;
  /** `error`: without it the host would not be what the file asks for in a way that harms. */
  readonly severity: 'error' | 'warning';
  /** Goes on behind "'KEY' is not carried out: ". */
  readonly because: string;
}

/** An object that has these keys and no others. */
export function keyed<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, known)).join('\n')
        : undefined,
  });
}

/** The key, and behind a tab what to do about it. */
function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearestKey(key, known);
  const hint =
    meant === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean '${meant}'?`;
  return `${key}\t${hint}`;
}

/** The checked value; undefined where something does not fit, which `problems` then says. */
export function checkTree<S extends z.ZodType>(
  schema: S,
  value: SourceValue,
  tree: SourceTree,
  problems: Problems,
): z.output<S> | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) sayIssue(issue, tree, problems);
  return undefined;
}

function sayIssue(issue: z.core.$ZodIssue, tree: SourceTree, problems: Problems): void {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    for (const line of issue.message.split('\n')) {
      const [key = '', hint] = line.split('\t');
      const at = [...path, key];
      problems.error(tree.keyPlace(at), `unknown key '${tree.keyText(at)}'`, hint);
    }
    return;
  }
  const name = path.length === 0 ? 'the file' : `'${pathText(path, tree)}'`;
  if (issue.code === 'invalid_type')
    problems.error(tree.place(path), `${name} ${typeWords(issue, path, tree)}`);
  else problems.error(tree.place(path), `${name} ${issue.message}`);
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

function typeWords(issue: z.core.$ZodIssueInvalidType, path: SourcePath, tree: SourceTree): string {
  const expected = TYPE_WORDS[issue.expected] ?? issue.expected;
  const isMissing = issue.input === undefined && tree.keyText(path) === String(path.at(-1));
  return isMissing && /received undefined/.test(issue.message)
    ? 'is missing here'
    : `must be ${expected}`;
}

/** `coreos.units[2].drop-ins` */
export function pathText(path: SourcePath, tree: SourceTree): string {
  return path
    .map((key, i) =>
      typeof key === 'number' ? `[${key}]` : `.${tree.keyText(path.slice(0, i + 1))}`,
    )
    .join('')
    .replace(/^\./, '');
}

/** The value without the keys that are not carried out; each kind is named once, where it stands first. */
export function withoutNotTaken(
  value: SourceValue,
  table: readonly NotTaken[],
  tree: SourceTree,
  problems: Problems,
): SourceValue {
  const named = new Set<string>();
  const strip = (one: SourceValue, path: SourcePath): SourceValue => {
    if (Array.isArray(one))
      return (one as readonly SourceValue[]).map((each, i) => strip(each, [...path, i]));
    if (typeof one !== 'object' || one === null) return one;
    const kept: [string, SourceValue][] = [];
    for (const [key, each] of Object.entries(one)) {
      const at = [...path, key];
      const entry = table.find((row) => matches(row.path, at));
      if (entry === undefined) kept.push([key, strip(each, at)]);
      else if (!named.has(entry.path)) {
        named.add(entry.path);
        const message = `'${pathText(at, tree)}' is not carried out: ${entry.because}`;
        problems[entry.severity](tree.keyPlace(at), message);
      }
    }
    return Object.fromEntries(kept);
  };
  return strip(value, []);
}

function matches(pattern: string, path: SourcePath): boolean {
  const parts = pattern.split('.');
  return (
    parts.length === path.length &&
    parts.every((part, i) => part === '*' || part === String(path[i]))
  );
}

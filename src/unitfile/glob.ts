// Globs over unit names, as fleet had them through Go's path.Match: `*` and `?` (neither matches '/'), `[a-z]`, `[^a-z]`, `\c`.
// Invariant: matching takes at most length(pattern) × length(text) steps; there is no backtracking over more than one `*`.
import { FleetError } from '../model/errors.ts';

/** Answers whether the whole text matches. */
export type GlobMatcher = (text: string) => boolean;

/** Compiles a pattern once; throws UNIT_FILE_INVALID for one that `globProblem` finds fault with. */
export function compileGlob(pattern: string): GlobMatcher {
  if (!/[*?[\\]/.test(pattern)) return (text) => text === pattern;
  const parsed = parseGlob(pattern);
  if (typeof parsed === 'string') {
    throw new FleetError('UNIT_FILE_INVALID', `the pattern '${pattern}' is malformed: ${parsed}`, {
      hint: GLOB_HINT,
      details: { pattern },
    });
  }
  return matcherOf(parsed);
}

/** What is malformed about the pattern, or undefined. */
export function globProblem(pattern: string): string | undefined {
  const parsed = parseGlob(pattern);
  return typeof parsed === 'string' ? parsed : undefined;
}

/** How to write a pattern: for hints. */
export const GLOB_HINT = "In a pattern '*' and '?' are wildcards, '[a-z]' is a set, '\\' quotes.";

interface Ranges {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}
/** A literal code point, `?`, or a set. */
type Item = number | '?' | Ranges;
/** What stands between two `*`. */
type Chunk = readonly Item[];

const SLASH = 0x2f;

function matcherOf(chunks: readonly Chunk[]): GlobMatcher {
  const [head = [], ...rest] = chunks;
  return (text) => {
    const points = codePoints(text);
    if (!matchesAt(head, points, 0)) return false;
    let at = head.length;
    if (rest.length === 0) return at === points.length;
    for (const [index, chunk] of rest.entries()) {
      const next = findChunk(chunk, points, at, index === rest.length - 1);
      if (next === -1) return false;
      at = next;
    }
    return true;
  };
}

/** The end of the leftmost place of `chunk` from `at` on, with no '/' skipped; the last chunk must reach the end. */
function findChunk(chunk: Chunk, points: readonly number[], at: number, last: boolean): number {
  const end = points.length - chunk.length;
  for (let start = at; start <= end; start += 1) {
    if ((!last || start === end) && matchesAt(chunk, points, start)) return start + chunk.length;
    if (points[start] === SLASH) return -1;
  }
  return -1;
}

function matchesAt(chunk: Chunk, points: readonly number[], at: number): boolean {
  if (at + chunk.length > points.length) return false;
  for (const [index, item] of chunk.entries()) {
    const point = points[at + index];
    if (point === undefined || !matchesItem(item, point)) return false;
  }
  return true;
}

function matchesItem(item: Item, point: number): boolean {
  if (typeof item === 'number') return item === point;
  if (item === '?') return point !== SLASH;
  return item.ranges.some(([low, high]) => low <= point && point <= high) !== item.negated;
}

/** The chunks between the stars (one more than there are stars), or what is malformed. */
function parseGlob(pattern: string): readonly Chunk[] | string {
  const points = codePoints(pattern);
  const chunks: Item[][] = [[]];
  let at = 0;
  while (at < points.length) {
    const point = points[at] ?? 0;
    const char = String.fromCodePoint(point);
    at += 1;
    if (char === '*') {
      chunks.push([]);
      continue;
    }
    let item: Item = point;
    if (char === '?') item = '?';
    else if (char === '\\') {
      const quoted = points[at];
      if (quoted === undefined) return "it ends in '\\'";
      item = quoted;
      at += 1;
    } else if (char === '[') {
      const set = parseSet(points, at);
      if (typeof set === 'string') return set;
      item = set.item;
      at = set.next;
    }
    chunks.at(-1)?.push(item);
  }
  return chunks;
}

/** The set whose '[' stands before `from`. It needs one range at least, so `[]a]` is malformed, as in Go. */
function parseSet(
  points: readonly number[],
  from: number,
): { item: Ranges; next: number } | string {
  let at = from;
  const negated = points[at] === 0x5e; // ^
  if (negated) at += 1;
  const ranges: [number, number][] = [];
  for (;;) {
    if (points[at] === 0x5d && ranges.length > 0)
      return { item: { negated, ranges }, next: at + 1 };
    const low = setMember(points, at);
    if (typeof low === 'string') return low;
    at = low.next;
    let high = low;
    if (points[at] === 0x2d) {
      const bound = setMember(points, at + 1);
      if (typeof bound === 'string') return bound;
      high = bound;
      at = bound.next;
    }
    ranges.push([low.point, high.point]);
  }
}

function setMember(
  points: readonly number[],
  at: number,
): { point: number; next: number } | string {
  const point = points[at];
  if (point === undefined) return "a '[' has no ']'";
  if (point === 0x2d || point === 0x5d)
    return `'${String.fromCodePoint(point)}' in a set must be quoted with '\\'`;
  if (point !== 0x5c) return { point, next: at + 1 };
  const quoted = points[at + 1];
  return quoted === undefined ? "it ends in '\\'" : { point: quoted, next: at + 2 };
}

function codePoints(text: string): readonly number[] {
  const points: number[] = [];
  for (const char of text) points.push(char.codePointAt(0) ?? 0);
  return points;
}

// What ran when, by each host's journal: whether anything that must not be at the same time ever was, also in between.
// Invariant: all hosts of a lab have one clock; a host's earlier boot is not read, as nothing of it runs on.
import type { Lab } from './lab.ts';
import type { Stack, StackUnit } from './stacks.ts';

/** One unit on one host, from the start to the end, in microseconds. */
export interface Span {
  readonly unit: string;
  readonly host: string;
  readonly from: number;
  readonly to: number;
}

/** systemd's messages (sd-messages.h): started; stopped, ended well, failed. */
const BEGINS = '39f53479d3a045ac8e11786248231fbf';
const ENDS = [
  '9d1aaa27d60140bd96365438aad20286',
  '7ad2d189f7e94e70a38c781354912448',
  'd9b373ed55a64feb8242e02dbe79a49c',
];

/** The spans of all units on these hosts since then (ms). */
export async function spansOf(
  lab: Lab,
  hosts: readonly string[],
  sinceMs: number,
): Promise<readonly Span[]> {
  const found = hosts.map(async (host) => {
    const fields = '--output-fields=MESSAGE_ID,UNIT,_SOURCE_REALTIME_TIMESTAMP';
    const since = `--since=@${(sinceMs / 1000).toFixed(3)}`;
    const ids = [BEGINS, ...ENDS].map((id) => `MESSAGE_ID=${id}`);
    const options = ['--no-pager', '-b', '-o', 'json', fields, since];
    const text = await lab.out(host, 'journalctl', ...options, '_PID=1', ...ids);
    return spansIn(host, text);
  });
  return (await Promise.all(found)).flat();
}

interface Entry {
  readonly MESSAGE_ID: string;
  readonly UNIT: string;
  readonly _SOURCE_REALTIME_TIMESTAMP: string;
}

function spansIn(host: string, journal: string): readonly Span[] {
  const open = new Map<string, number>();
  const spans: Span[] = [];
  for (const line of journal.split('\n').filter((text) => text !== '')) {
    const {
      MESSAGE_ID: id,
      UNIT: unit,
      _SOURCE_REALTIME_TIMESTAMP: at,
    } = JSON.parse(line) as Entry;
    const from = open.get(unit);
    if (id === BEGINS) open.set(unit, from ?? Number(at));
    else if (from !== undefined) {
      open.delete(unit);
      spans.push({ unit, host, from, to: Number(at) });
    }
  }
  for (const [unit, from] of open) spans.push({ unit, host, from, to: Number.POSITIVE_INFINITY });
  return spans;
}

/** Units that ran on two hosts at once, and conflicting ones that ran beside each other. */
export function clashes(stack: Stack, spans: readonly Span[]): readonly string[] {
  const units = new Map(stack.units.map((unit) => [unit.name, unit]));
  const own = spans.filter(({ unit }) => units.has(unit));
  return own.flatMap((one, at) =>
    own
      .slice(at + 1)
      .filter((other) => one.from < other.to && other.from < one.to)
      .flatMap((other) => clashOf(units.get(one.unit)!, one, units.get(other.unit)!, other)),
  );
}

function clashOf(a: StackUnit, one: Span, b: StackUnit, other: Span): readonly string[] {
  if (a === b)
    return a.asks.global || one.host === other.host
      ? []
      : [`${a.name} ran on ${one.host} and ${other.host} at once`];
  const isNamed = (by: StackUnit, name: string): boolean =>
    by.asks.conflicts.some(({ matches }) => matches.test(name));
  if (one.host !== other.host || !(isNamed(a, b.name) || isNamed(b, a.name))) return [];
  return [`${a.name} and ${b.name} ran beside each other on ${one.host}`];
}

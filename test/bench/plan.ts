// `plan`: the engine's plan in memory, over clusters of 100 to 1,000,000 units on 10 to 10,000 machines.
import type { Bench, Benchmark, Curve, Figure, Findings } from './figures.ts';
import { median } from './figures.ts';
import { addUnit, pictureOf, planAway, type Kind } from './pictures.ts';

/** units, machines */
const SIZES: readonly (readonly [units: number, machines: number])[] = [
  [100, 10],
  [1_000, 100],
  [10_000, 1_000],
  [100_000, 5_000],
];
const MILLION = [1_000_000, 10_000] as const;
/** decided anew beside what is placed */
const NEW_UNITS = 1_000;

export const plan: Benchmark = {
  name: 'plan',
  about:
    'The plan alone, in this process: how many units it decides a second from nothing, and beside what is placed already; `mixed` units ask for nothing, for metadata, for no neighbour of a glob, or for the machine of another, a quarter each.',
  run: runPlan,
};

async function runPlan({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  for (const kind of ['plain', 'mixed'] as const) {
    warmUp(kind);
    const points: [number, number][] = [];
    for (const [units, machines] of SIZES) {
      const perSecond: number[] = [];
      const besides: number[] = [];
      for (let run = 0; run < runs; run += 1) {
        const picture = pictureOf(machines, kind);
        for (let i = 0; i < units; i += 1) addUnit(picture, i, kind);
        const { decisions, planMs } = planAway(picture);
        perSecond.push((decisions / planMs) * 1000);
        for (let i = units; i < units + NEW_UNITS; i += 1) addUnit(picture, i, kind);
        const more = planAway(picture);
        besides.push((more.decisions / more.planMs) * 1000);
      }
      const atLeast = kind === 'plain' ? 100_000 : 30_000;
      const goal = machines === 5_000 ? { goal: { atLeast } } : {};
      const words = `${kind}, ${count(units)} units on ${count(machines)} machines`;
      figures.push({ what: `${words}: from nothing`, unit: '/s', values: perSecond, ...goal });
      figures.push({
        what: `${words}: ${count(NEW_UNITS)} more`,
        unit: '/s',
        values: besides,
        ...goal,
      });
      points.push([units, 1e6 / median(besides)]);
      say(`plan: ${words}`);
    }
    const million = runMillion(kind, { runs, say });
    figures.push(...million.figures);
    points.push([MILLION[0], million.usEach]);
    curves.push({
      plot: 'plan',
      name: kind,
      x: 'units placed',
      y: 'µs a decision',
      points,
    });
  }
  return { figures, curves };
}

interface Million {
  readonly seconds: number;
  readonly megabytes: number;
  /** decisions a second, of each thousand more */
  readonly beside: readonly number[];
}

/** From records to placements, and a thousand more as often. */
function planMillion(kind: Kind, runs: number): Million {
  const [units, machines] = MILLION;
  globalThis.gc?.();
  const began = performance.now();
  const picture = pictureOf(machines, kind);
  for (let i = 0; i < units; i += 1) addUnit(picture, i, kind);
  planAway(picture);
  const seconds = (performance.now() - began) / 1000;
  globalThis.gc?.();
  const megabytes = process.memoryUsage().rss / 1e6;
  const beside: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    for (let i = 0; i < NEW_UNITS; i += 1) addUnit(picture, units + run * NEW_UNITS + i, kind);
    const { decisions, planMs } = planAway(picture);
    beside.push((decisions / planMs) * 1000);
  }
  return { seconds, megabytes, beside };
}

function runMillion(
  kind: Kind,
  { runs, say }: Bench,
): { figures: readonly Figure[]; usEach: number } {
  const [units, machines] = MILLION;
  const words = `${kind}, ${count(units)} units on ${count(machines)} machines`;
  const all: Million[] = [];
  for (let run = 0; run < runs; run += 1) {
    all.push(planMillion(kind, runs));
    say(`plan: ${words}, run ${run + 1}`);
  }
  const beside = all.flatMap((one) => one.beside);
  const plain = kind === 'plain';
  return {
    figures: [
      {
        what: `${words}: records taken in, all placed, from nothing`,
        unit: 's',
        values: all.map(({ seconds }) => seconds),
        ...(plain ? { goal: { atMost: 15 } } : {}),
      },
      {
        what: `${words}: resident memory, records included`,
        unit: 'MB',
        values: all.map(({ megabytes }) => megabytes),
        ...(plain ? { goal: { atMost: 2000 } } : {}),
      },
      {
        what: `${words}: ${count(NEW_UNITS)} more`,
        unit: '/s',
        values: beside,
        goal: { atLeast: plain ? 100_000 : 30_000 },
      },
    ],
    usEach: 1e6 / median(beside),
  };
}

function warmUp(kind: Kind): void {
  const picture = pictureOf(100, kind);
  for (let i = 0; i < 20_000; i += 1) addUnit(picture, i, kind);
  planAway(picture);
}

function count(value: number): string {
  return value.toLocaleString('en');
}

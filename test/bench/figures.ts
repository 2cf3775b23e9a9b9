// What a benchmark finds: a figure with its spread, what it is held against, and the goal of the design.
// Invariant: every value that was measured is kept; medians and ratios are made of them here and nowhere else.

/** Values of one thing, one a run. */
export interface Figure {
  readonly what: string;
  /** 'ms', 's', '/s', 'MB', '%', '×' … */
  readonly unit: string;
  readonly values: readonly number[];
  /** The bare tool or the limit, in the same run and unit. */
  readonly against?: Readonly<{ what: string; values: readonly number[] }>;
  readonly goal?: Goal;
}

/** What is to be reached: of the median, or of its ratio to what it is held against. */
export type Goal =
  | Readonly<{ atMost: number }>
  /** Of every single run. */
  | Readonly<{ neverOver: number }>
  | Readonly<{ atLeast: number }>
  | Readonly<{ ratioAtMost: number }>
  /** Beyond what it is held against, in the figure's unit. */
  | Readonly<{ moreAtMost: number }>;

/** How one figure grows with another: for the plot. */
export interface Curve {
  readonly plot: string;
  readonly name: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Findings {
  readonly figures: readonly Figure[];
  readonly curves?: readonly Curve[];
}

/** One benchmark. */
export interface Benchmark {
  readonly name: string;
  /** What is set up and measured, for a reader. */
  readonly about: string;
  run(bench: Bench): Promise<Findings>;
}

/** What a benchmark is run with. */
export interface Bench {
  /** How often each thing is measured, at least. */
  readonly runs: number;
  /** Shows progress. */
  readonly say: (line: string) => void;
}

/** Half of the values are at most this. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that a share of the values does not exceed; between two, in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** The median's ratio to what it is held against. */
function ratioOf({ values, against }: Figure): number | undefined {
  return against === undefined ? undefined : median(values) / median(against.values);
}

/** Whether the goal is reached; undefined where there is none. */
export function isReached(figure: Figure): boolean | undefined {
  const { goal, values, against } = figure;
  if (goal === undefined) return undefined;
  const value = median(values);
  if ('atMost' in goal) return value <= goal.atMost;
  if ('neverOver' in goal) return Math.max(...values) <= goal.neverOver;
  if ('atLeast' in goal) return value >= goal.atLeast;
  if ('ratioAtMost' in goal) return (ratioOf(figure) ?? Infinity) <= goal.ratioAtMost;
  return value - median(against?.values ?? []) <= goal.moreAtMost;
}

/** The columns of a table's row. */
export function cellsOf(figure: Figure): readonly string[] {
  const { what, unit, values, against } = figure;
  const ratio = ratioOf(figure);
  const reached = isReached(figure);
  return [
    what,
    `${spread(values)} ${unit}`,
    against === undefined ? '' : `${spread(against.values)} ${unit} (${against.what})`,
    ratio === undefined ? '' : `${number(ratio)} ×`,
    goalWords(figure),
    reached === undefined ? '' : reached ? 'yes' : 'no',
  ];
}

export const COLUMNS: readonly string[] = [
  'what',
  'median (least–most, runs)',
  'held against',
  'ratio',
  'goal',
  'reached',
];

function goalWords({ goal, unit }: Figure): string {
  if (goal === undefined) return '';
  if ('atMost' in goal) return `≤ ${number(goal.atMost)} ${unit}`;
  if ('neverOver' in goal) return `never > ${number(goal.neverOver)} ${unit}`;
  if ('atLeast' in goal) return `≥ ${number(goal.atLeast)} ${unit}`;
  if ('ratioAtMost' in goal) return `≤ ${number(goal.ratioAtMost)} ×`;
  return `≤ + ${number(goal.moreAtMost)} ${unit}`;
}

function spread(values: readonly number[]): string {
  const least = number(Math.min(...values));
  const most = number(Math.max(...values));
  const range = values.length === 1 ? '1' : `${least}–${most}, ${values.length}`;
  return `${number(median(values))} (${range})`;
}

/** Three digits that count. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

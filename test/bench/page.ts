// docs/benchmarks.md: the words above the mark are a person's, the tables and plots below it are of the last `bench -- all`.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cellsOf, COLUMNS, type Curve, type Findings } from './figures.ts';
import { plotOf } from './plot.ts';
import { busyLine, surroundingsLine, type Surroundings } from './surroundings.ts';

const PAGE = 'docs/benchmarks.md';
const PLOTS = 'docs/benchmarks';
const MARK = '<!-- figures: npm run bench -- all -->';

/** One benchmark with what it found: as in the JSON. */
export interface Measured extends Findings {
  readonly name: string;
  readonly about: string;
  /** Where it was measured in another run than the page's. */
  readonly elsewhere?: Surroundings;
}

/** Writes the page's figures anew, and its plots beside it. */
export async function writePage(
  around: Surroundings,
  measured: readonly Measured[],
): Promise<void> {
  const before = await readFile(PAGE, 'utf8');
  const at = before.indexOf(MARK);
  if (at === -1) throw new Error(`${PAGE} has no line '${MARK}'`);
  const plots = await writePlots(measured.flatMap(({ curves = [] }) => curves));
  const sections = measured.map(sectionOf);
  const text = [
    before.slice(0, at) + MARK,
    `Measured: ${surroundingsLine(around)}.${busyNote(around)}`,
    ...plots,
    ...sections,
  ].join('\n\n');
  await writeFile(PAGE, `${text}\n`);
}

/** What others did at the same time makes times longer, and ratios rough. */
function busyNote({ busyPercent }: Surroundings): string {
  if (busyPercent <= 10) return '';
  return ' **Others were at work on the machine: times are longer than they would be alone, and the ratios count more than they do.**';
}

function sectionOf({ name, about, figures, elsewhere }: Measured): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = row(COLUMNS.map(() => '---'));
  const table = [row(COLUMNS), rule, ...figures.map((figure) => row(cellsOf(figure)))].join('\n');
  const where =
    elsewhere === undefined
      ? ''
      : `\n\nMeasured in another run: commit ${elsewhere.commit}, ${busyLine(elsewhere)}.${busyNote(elsewhere)}`;
  return `## ${name}\n\n${about}${where}\n\n${table}`;
}

/** A plot for each name that curves share; answers the lines that show them. */
async function writePlots(curves: readonly Curve[]): Promise<readonly string[]> {
  await mkdir(PLOTS, { recursive: true });
  const lines: string[] = [];
  for (const [plot, of] of Map.groupBy(curves, (curve) => curve.plot)) {
    await writeFile(`${PLOTS}/${plot}.svg`, plotOf(of));
    const [first] = of;
    lines.push(`![${plot}: ${first?.y ?? ''} over ${first?.x ?? ''}](benchmarks/${plot}.svg)`);
  }
  return lines;
}

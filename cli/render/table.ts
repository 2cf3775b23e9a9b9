// Listings as the original prints them: columns padded with tabs to a multiple of 8. Pure.

export interface TableOptions {
  /** No header line. */
  readonly noLegend: boolean;
  /** Colours a value; its padding is counted without. */
  readonly paint?: (text: string) => string;
}

/** Rows under upper-case column names; `-` stands for what has no value. */
export function renderTable(
  columns: readonly string[],
  rows: readonly (readonly (string | undefined)[])[],
  { noLegend, paint = (text) => text }: TableOptions,
): string {
  const cells = rows.map((row) => row.map(shown));
  const header = columns.map((column) => column.toUpperCase());
  const widths = columns.map((_, i) => columnWidth(noLegend ? cells : [header, ...cells], i));
  const line = (row: readonly string[], colour: typeof paint): string =>
    row
      .map((cell, i) => {
        const padding = i === row.length - 1 ? '' : tabs(cell, widths[i] ?? 0);
        return colour(cell) + padding;
      })
      .join('');
  const lines = cells.map((row) => line(row, paint));
  if (!noLegend) lines.unshift(line(header, (text) => text));
  return lines.map((text) => `${text}\n`).join('');
}

/** The first 8 characters and `...`, as the original shortens ids. */
export function ellipsize(text: string, full: boolean): string {
  return full || text.length <= 8 ? text : `${text.slice(0, 8)}...`;
}

/** Control characters would reach the terminal, or break the line. */
function shown(cell: string | undefined): string {
  return cell === undefined || cell === '' ? '-' : cell.replaceAll(/\p{Cc}/gu, ' ');
}

const TAB = 8; // columns; the original set its tab writer to tabs of 8 and a padding of 1

function columnWidth(lines: readonly (readonly string[])[], column: number): number {
  let longest = 0;
  for (const line of lines) longest = Math.max(longest, width(line[column] ?? ''));
  return Math.ceil((longest + 1) / TAB) * TAB;
}

function tabs(cell: string, columnWidth: number): string {
  return '\t'.repeat(Math.ceil((columnWidth - width(cell)) / TAB));
}

/** Code points, as the original's tab writer counted. */
function width(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

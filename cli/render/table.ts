// Listings as the original prints them: columns padded with tabs to a multiple of 8. Pure.

export interface TableOptions {
  /** No header line. */
  readonly noLegend: boolean;
}

/** Rows under upper-case column names; `-` stands for what has no value. */
export function renderTable(
  columns: readonly string[],
  rows: readonly (readonly (string | undefined)[])[],
  { noLegend }: TableOptions,
): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === undefined || cell === '' ? '-' : cell)),
  );
  const lines = noLegend ? cells : [columns.map((column) => column.toUpperCase()), ...cells];
  const widths = columns.map((_, i) => columnWidth(lines.map((line) => line[i] ?? '')));
  return lines
    .map((line) =>
      line.map((cell, i) => (i === line.length - 1 ? cell : pad(cell, widths[i] ?? 0))),
    )
    .map((line) => `${line.join('')}\n`)
    .join('');
}

const TAB = 8; // columns; the original set its tab writer to tabs of 8 and a padding of 1

function columnWidth(cells: readonly string[]): number {
  return Math.ceil((Math.max(0, ...cells.map((cell) => cell.length)) + 1) / TAB) * TAB;
}

function pad(cell: string, width: number): string {
  return cell + '\t'.repeat(Math.ceil((width - cell.length) / TAB));
}

/** The first 8 characters and `...`, as the original shortens ids and hashes. */
export function ellipsize(text: string, full: boolean): string {
  return full || text.length <= 8 ? text : `${text.slice(0, 8)}...`;
}

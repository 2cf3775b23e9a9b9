// One record of comma-separated fields, as `--mount` has it (RFC 4180).

/** The fields; undefined where a quote stands in the wrong place. */
export function parseCsv(record: string): readonly string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; ;) {
    const field = /^(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/.exec(record.slice(at));
    if (field === null) return undefined;
    fields.push(field[1]?.replaceAll('""', '"') ?? field[2] ?? '');
    at += field[0].length;
    if (at >= record.length) return fields;
    at += 1;
  }
}

export function writeCsv(fields: readonly string[]): string {
  return fields
    .map((field) => (/["\n\r,]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

// Writes the table of docs/reliability.md from what was measured: `node test/support/fault-table.ts`.
// Invariant: pure but for the few lines at its end, which run only when it is the program.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Measured } from './fault-record.ts';

const DOCUMENT = 'docs/reliability.md';
const RECORDS = 'docs/reliability.json';
const BEGIN = '<!-- measured: node test/support/fault-table.ts -->\n\n';
const END = '\n<!-- end of measured -->';

/** A machine of two processors with a higher load average was busy with other work. */
const LOADED = 2;

/** The document with the table of these records in the place of the one that it has. */
export function withTable(document: string, records: readonly Measured[]): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place for the table`);
  return document.slice(0, from + BEGIN.length) + tableOf(records) + document.slice(to);
}

/** In the records' order. */
function tableOf(records: readonly Measured[]): string {
  const head = [
    'fault',
    'units',
    'moved',
    'kept, same run',
    'ran twice for',
    'writes acknowledged / lost',
    'no answer',
    'agreement after',
    'load',
  ];
  const rows = records.map((one) => [
    one.fault,
    String(one.units),
    String(one.moved),
    String(one.kept),
    one.twiceMs === 0 ? '–' : `${(one.twiceMs / 1000).toFixed(1)} s`,
    `${one.acknowledged} / 0`,
    String(one.refused),
    `${(one.agreeMs / 1000).toFixed(1)} s`,
    `${one.load.toFixed(1)}${one.load > LOADED ? ' †' : ''}`,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

/** What stands in the repository: the document, and the records it is made of. */
export function reliability(): { document: string; records: readonly Measured[] } {
  return {
    document: readFileSync(DOCUMENT, 'utf8'),
    records: JSON.parse(readFileSync(RECORDS, 'utf8')) as Measured[], // written by fault-record.ts
  };
}

if (process.argv[1] === import.meta.filename) {
  const { document, records } = reliability();
  writeFileSync(DOCUMENT, withTable(document, records));
}

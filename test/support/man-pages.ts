// The man pages, made from the documents of docs/: one text, two forms. Run it to write them anew; test/tidy.test.ts compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { literal, sectionsOf, words } from './roff.ts';

const DOCUMENTS_DIR = new URL('../../docs/', import.meta.url);
const PAGES_DIR = new URL('man/', DOCUMENTS_DIR);

export interface ManPage {
  /** `fleetctl.1` */
  readonly file: string;
  readonly document: string;
  readonly summary: string;
  readonly synopsis: readonly string[];
}

const PAGES: readonly ManPage[] = [
  {
    file: 'fleetctl.1',
    document: 'fleetctl.md',
    summary: 'runs unit files on the machines of a fleet',
    synopsis: ['`fleetctl` [*OPTION*…] *COMMAND* [*ARGUMENT*…]'],
  },
  {
    file: 'fleetd.8',
    document: 'fleetd.md',
    summary: 'the daemon of fleet: an agent for this host, and an engine for the cluster',
    synopsis: [
      '`fleetd` [`--config` *FILE*] [`--standalone`] [`--version`] [`--help`]',
      '`fleetd` `provision` [`--validate` | `--dry-run`] *FILE*',
    ],
  },
  {
    file: 'fleet.conf.5',
    document: 'configuration.md',
    summary: 'the configuration of fleetd',
    synopsis: ['/etc/fleet/fleet.conf'],
  },
  {
    file: 'fleet-unit.5',
    document: 'unit-files.md',
    summary: 'unit files of fleet, and their section [X-Fleet]',
    synopsis: ['*NAME*.service, *NAME*@.timer, …'],
  },
];

const names = new Map(PAGES.map(({ file, document }) => [document, titleOf(file)]));

/** All pages: file name and text. */
export function manPages(): readonly Readonly<{ file: string; text: string }>[] {
  return PAGES.map((page) => ({ file: page.file, text: render(page) }));
}

/** Where a page stands. */
export function manPath(file: string): string {
  return fileURLToPath(new URL(file, PAGES_DIR));
}

function render({ file, document, summary, synopsis }: ManPage): string {
  const text = readFileSync(fileURLToPath(new URL(document, DOCUMENTS_DIR)), 'utf8');
  const [name = '', section = ''] = file.split(/\.(?=\d$)/);
  const others = [...names.values()].filter((page) => page !== titleOf(file));
  const parts = [
    { title: 'NAME', body: `${literal(name)} \\- ${words(summary, names)}\n` },
    { title: 'SYNOPSIS', body: synopsis.map((line) => `${words(line, names)}\n`).join('.br\n') },
    ...sectionsOf(text, names),
    { title: 'SEE ALSO', body: `${others.map((page) => `\\fB${page}\\fR`).join(', ')}\n` },
  ];
  return [
    `.\\" Made from docs/${document} by test/support/man-pages.ts.`,
    `.TH ${name.toUpperCase()} ${section} "" fleet`,
    ...parts.map(({ title, body }) => `.SH "${literal(title)}"\n${body.trimEnd()}`),
    '',
  ].join('\n');
}

/** `fleet.conf.5` → `fleet.conf(5)` */
function titleOf(file: string): string {
  return file.replace(/\.(\d)$/, '($1)');
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { file, text } of manPages()) writeFileSync(manPath(file), text);

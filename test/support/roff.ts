// Our documents' Markdown → roff for man(1): headings, paragraphs, lists, tables, code blocks and words in them.
// Invariant: pure; what it has no form for is an error, so that no page loses text in silence.

/** A part of a man page: its heading and what stands below. */
export interface Section {
  readonly title: string;
  readonly body: string;
}

/** Names of documents that are man pages themselves: `configuration.md` → `fleet.conf(5)`. */
export type PageNames = ReadonlyMap<string, string>;

/** The sections of a document; what stands before its first `##` is DESCRIPTION. */
export function sectionsOf(markdown: string, names: PageNames): readonly Section[] {
  const [intro = '', ...rest] = splitAtHeadings(markdown.replaceAll(/^<!--.*?-->\n/gms, ''));
  const description = intro.replace(/^# .*\n/, '');
  return [
    { title: 'DESCRIPTION', body: blocks(description, names) },
    ...rest.map((part) => {
      const end = part.indexOf('\n');
      return {
        title: part.slice(3, end).toUpperCase().replaceAll('`', ''),
        body: blocks(part.slice(end), names),
      };
    }),
  ].filter(({ body }) => body !== '');
}

/** One line of text with its `code`, **bold**, *emphasis* and links. */
export function words(markdown: string, names: PageNames): string {
  const parts = markdown.split(/(`[^`]+`)/).map((part) => {
    if (part.startsWith('`')) return `\\fB${literal(part.slice(1, -1))}\\fR`;
    return prose(part)
      .replaceAll(/\[([^\]]*)\]\(([^)]*)\)/g, (_all, text: string, target: string) => {
        const page = names.get(target.replace(/#.*$/, ''));
        return page === undefined ? text : `\\fB${page}\\fR`;
      })
      .replaceAll(/\*\*([^*]+)\*\*/g, String.raw`\fB$1\fR`)
      .replaceAll(/\*([^*\s][^*]*)\*/g, String.raw`\fI$1\fR`);
  });
  // A link's text may be code: `[`unit`](…)` has come apart above.
  const joined = parts.join('').replaceAll(/\[(\\fB[^[\]]*\\fR)\]\([^)]*\)/g, '$1');
  return guarded(joined);
}

/** Text as it stands, for .nf and for bold words: hyphens that can be copied, nothing that roff would read. */
export function literal(text: string): string {
  return prose(text).replaceAll('-', String.raw`\-`);
}

function prose(text: string): string {
  return text.replaceAll('\\', String.raw`\e`).replaceAll(/\P{ASCII}/gu, (char) => {
    const hex = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `\\[u${hex}]`;
  });
}

/** A line that begins with `.` or `'` would be a request. */
function guarded(line: string): string {
  return /^[.']/.test(line) ? String.raw`\&${line}` : line;
}

function splitAtHeadings(markdown: string): readonly string[] {
  const parts: string[] = [''];
  let isCode = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    if (!isCode && line.startsWith('## ')) parts.push('');
    parts[parts.length - 1] += `${line}\n`;
  }
  return parts;
}

/** Paragraphs, tables, lists, code and lower headings, in order. */
function blocks(markdown: string, names: PageNames): string {
  const found = markdown.matchAll(/```[^\n]*\n(?<code>.*?)```|(?<text>(?:(?!```)[^\n]+\n)+)/gs);
  return [...found]
    .map(({ groups }) => {
      const { code, text = '' } = groups ?? {};
      return code === undefined ? textBlock(text.trimEnd(), names) : codeBlock(code);
    })
    .join('');
}

function codeBlock(code: string): string {
  const lines = code.trimEnd().split('\n').map(literal).map(guarded);
  return ['.PP', '.RS 4', '.nf', ...lines, '.fi', '.RE', ''].join('\n');
}

function textBlock(text: string, names: PageNames): string {
  if (text.startsWith('### ')) return `.SS "${literal(text.slice(4).replaceAll('`', ''))}"\n`;
  if (text.startsWith('|')) return table(text, names);
  if (text.startsWith('- '))
    return text
      .split(/^- /m)
      .slice(1)
      .map((item) => `.IP \\(bu 2\n${words(joined(item), names)}\n`)
      .join('');
  if (/^#|^>|^\d+\. /.test(text)) throw new Error(`no form for: ${text.slice(0, 60)}`);
  return `.PP\n${words(joined(text), names)}\n`;
}

function joined(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

/** Two columns: term and text; a column `default` comes last. Without any header: a list of cells. */
function table(text: string, names: PageNames): string {
  const [head = [], , ...rows] = text.split('\n').map(cellsOf);
  const format = (cell: string): string => words(cell, names);
  if (head.every((cell) => cell === ''))
    return rows
      .flat()
      .filter((cell) => cell !== '')
      .map((cell) => `.IP \\(bu 2\n${format(cell)}\n`)
      .join('');
  const usual = head.indexOf('default');
  if (head.length - (usual === -1 ? 0 : 1) !== 2) throw new Error(`no form for: ${text}`);
  return rows
    .map(([term = '', ...others]) => {
      const byDefault = usual === -1 ? '' : (others[usual - 1] ?? '');
      const meaning = others.filter((_cell, i) => i + 1 !== usual).join(' ');
      const lines = [meaning, byDefault === '' ? '' : `Default: ${byDefault}.`];
      const body = lines.filter((line) => line !== '').map(format);
      return `.TP\n${format(term)}\n${body.length === 0 ? String.raw`\&` : body.join('\n.br\n')}\n`;
    })
    .join('');
}

function cellsOf(row: string): readonly string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll(String.raw`\|`, '|'));
}

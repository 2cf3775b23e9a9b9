// The reference of docs/fleetctl.md, made from the definitions of cli/; run it to write it there anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { argumentForms, commands, type CommandDefinition } from '../../cli/definition.ts';
import { globalOptions, type OptionDefinition } from '../../cli/options.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/fleetctl.md', import.meta.url));
const BEGIN = '<!-- reference: node test/support/fleetctl-reference.ts -->\n';

/** The reference, as it must stand at the end of the document. */
export function reference(): string {
  const hidden = globalOptions.filter((option) => option.hidden !== undefined);
  const ignored = hidden.map(({ name }) => `\`--${name}\``).join(', ');
  return [
    `${BEGIN}\n### Options of every command\n\n${table(globalOptions)}`,
    `Accepted and ignored: ${ignored}.\n`,
    ...commands.map(section),
  ].join('\n');
}

/** The reference as it stands in the document. */
export function documented(): string {
  const text = readFileSync(DOCUMENT, 'utf8');
  return text.slice(text.indexOf(BEGIN));
}

function section(command: CommandDefinition): string {
  const { name, takes, description, options } = command;
  const args = argumentForms[takes].shown;
  const shown = options.some((option) => option.hidden === undefined);
  const sentence = `${description[0]?.toUpperCase() ?? ''}${description.slice(1)}.`;
  return `### fleetctl ${name}${args}\n\n${sentence}\n${shown ? `\n${table(options)}` : ''}`;
}

function table(options: readonly OptionDefinition[]): string {
  const rows = options
    .filter((option) => option.hidden === undefined)
    .map(({ name, short, value, description, initial, kind }) => {
      const flags = `${short === undefined ? '' : `-${short}, `}--${name}${kind === 'flag' ? '' : ` ${value ?? ''}`}`;
      const usual = initial === undefined ? '' : `\`${String(initial)}\``;
      return `| \`${flags}\` | ${usual} | ${description} |`;
    });
  return `| option | default | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const at = text.indexOf(BEGIN);
  writeFileSync(DOCUMENT, (at === -1 ? `${text}\n` : text.slice(0, at)) + reference());
}

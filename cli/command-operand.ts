// Where fleetctl's own words end in `fleetctl ssh MACHINE COMMAND…`: what belongs to the command is not read as options. Pure.
import type { OptionForm } from './arguments.ts';

/** Options that say where to: the first word that is no option then begins the command already. */
const TARGET_OPTIONS: ReadonlySet<string> = new Set(['machine', 'unit']);

/** Puts `--` before the command of an `ssh`; words of other commands are left alone. */
export function withCommandApart(
  forms: readonly OptionForm[],
  words: readonly string[],
): readonly string[] {
  const takesValue = new Set(
    forms.filter(({ kind }) => kind === 'text' || kind === 'number').map(({ name }) => name),
  );
  let isSsh = false;
  let operandsLeft = 1; // before the command: MACHINE|UNIT
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    if (word === '--') return words;
    const option = /^--?([a-z][a-z-]+)(=.*)?$/s.exec(word);
    const name = option?.[1] ?? '';
    if (TARGET_OPTIONS.has(name)) operandsLeft = 0;
    if (takesValue.has(name) && option?.[2] === undefined) i += 1;
    if (word.startsWith('-') && word !== '-') continue;
    if (!isSsh) {
      if (word !== 'ssh') return words;
      isSsh = true;
    } else if (operandsLeft === 0) return [...words.slice(0, i), '--', ...words.slice(i)];
    else {
      operandsLeft -= 1;
      if (words[i + 1] !== '--') return [...words.slice(0, i + 1), '--', ...words.slice(i + 1)];
    }
  }
  return words;
}

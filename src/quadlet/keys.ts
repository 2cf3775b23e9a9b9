// How a key becomes arguments, where it is as simple as that; tables of such keys make most of every conversion.
import type { Draft } from './draft.ts';

/**
 * The form of a key's value.
 * `text`: the last one, unless empty · `texts`: each assignment · `words`: each word · `lower`: each word, in small letters ·
 * `arguments`: each word, escapes read · `boolean`: `--flag` or `--flag=false` · `pairs`: `KEY=VALUE` words, the last of a KEY ·
 * `own`: the converter's own business.
 */
export type Form = 'text' | 'texts' | 'words' | 'lower' | 'arguments' | 'boolean' | 'pairs' | 'own';

/** A key by its form and, unless that is `own`, the option that it becomes. */
export type KeyRule = readonly ['own'] | readonly [Exclude<Form, 'own'>, string];
export type KeyRules = Readonly<Record<string, KeyRule>>;

/** The arguments of all keys but those of form `own`, in the order of the table. */
export function plainArguments(draft: Draft, rules: KeyRules): readonly string[] {
  return Object.entries(rules).flatMap(([key, rule]) => argumentsOf(draft, key, rule));
}

function argumentsOf(draft: Draft, key: string, [form, option = '']: KeyRule): readonly string[] {
  switch (form) {
    case 'text': {
      const text = draft.section.text(key);
      return text === undefined || text === '' ? [] : [option, text];
    }
    case 'texts':
      return draft.section.all(key).flatMap(({ value }) => [option, value]);
    case 'words':
      return draft.words(key).flatMap((word) => [option, word]);
    case 'lower':
      return draft.words(key).flatMap((word) => [option, word.toLowerCase()]);
    case 'arguments':
      return draft.arguments(key).flatMap((word) => [option, word]);
    case 'boolean': {
      const value = draft.section.boolean(key);
      return value === undefined ? [] : [value ? option : `${option}=false`];
    }
    case 'pairs':
      return pairArguments(draft, key, option);
    case 'own':
      return [];
  }
}

/** `OPTION KEY=VALUE` for each pair; a KEY alone stays alone. */
function pairArguments(draft: Draft, key: string, option: string): readonly string[] {
  return [...draft.pairs(key)].flatMap(([name, value]) => [
    option,
    value === undefined ? name : `${name}=${value}`,
  ]);
}

// systemd's specifiers in [X-Fleet] values: those that depend on the unit's name alone (systemd.unit(5), SPECIFIERS).
// Invariant: a text either expands fully, is left whole because it needs an instance, or is a problem with its place.
import type { UnitName } from '../model/unit.ts';
import { unescapeName } from './escape.ts';
import { unitNameParts } from './name.ts';

/** The values of one unit's name; undefined where a name has none: an instance's in a template, what does not unescape. */
export interface UnitSpecifiers {
  readonly name: UnitName;
  readonly template: boolean;
  readonly values: Readonly<Record<Specifier, string | undefined>>;
}

/** Letters after '%' that are expanded. */
export type Specifier = 'n' | 'N' | 'p' | 'P' | 'i' | 'I' | 'j' | 'J';

/** `ok`: expanded. `deferred`: the text needs an instance that a template does not have. Else what is wrong, and at which index. */
export type Expansion =
  | Readonly<{ kind: 'ok'; text: string }>
  | Readonly<{ kind: 'deferred' }>
  | Readonly<{ kind: 'problem'; index: number; message: string; hint: string }>;

const NEEDS_INSTANCE: ReadonlySet<string> = new Set(['n', 'N', 'i', 'I']);
const NEEDS_MACHINE: ReadonlySet<string> = new Set(['H', 'm', 'b', 'l', 'q', 'v']);

/** What the specifiers stand for in a unit of this name. */
export function specifiersOf(name: UnitName): UnitSpecifiers {
  const { prefix, instance = '', type } = unitNameParts(name);
  const lastPart = prefix.slice(prefix.lastIndexOf('-') + 1);
  return {
    name,
    template: unitNameParts(name).instance === '',
    values: {
      n: name,
      N: name.slice(0, -type.length - 1),
      p: prefix,
      P: unescapeName(prefix),
      i: instance,
      I: unescapeName(instance),
      j: lastPart,
      J: unescapeName(lastPart),
    },
  };
}

/** Expands each specifier; `quote` is put round what comes out of them. */
export function expandSpecifiers(
  text: string,
  specifiers: UnitSpecifiers,
  quote: (value: string) => string = (value) => value,
): Expansion {
  let expanded = '';
  let deferred = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char !== '%') {
      expanded += char;
      continue;
    }
    at += 1;
    const letter = text.charAt(at);
    if (letter === '%') expanded += '%';
    else if (!isSpecifier(letter)) return unknown(letter, at - 1);
    else if (specifiers.template && NEEDS_INSTANCE.has(letter)) deferred = true;
    else {
      const value = specifiers.values[letter];
      if (value === undefined) return notUnescaped(letter, at - 1, specifiers.name);
      expanded += quote(value);
    }
  }
  return deferred ? { kind: 'deferred' } : { kind: 'ok', text: expanded };
}

function isSpecifier(letter: string): letter is Specifier {
  return letter !== '' && 'nNpPiIjJ'.includes(letter);
}

function unknown(letter: string, index: number): Expansion {
  if (NEEDS_MACHINE.has(letter)) {
    return {
      kind: 'problem',
      index,
      message: `the specifier '%${letter}' depends on the machine, which is not known before one is chosen; it is not supported yet`,
      hint: 'Use specifiers of the unit name: %n %N %p %P %i %I %j %J.',
    };
  }
  return {
    kind: 'problem',
    index,
    message: letter === '' ? "a '%' stands at the end" : `the specifier '%${letter}' is not known`,
    hint: "Known are %n %N %p %P %i %I %j %J; write '%%' for a percent sign.",
  };
}

function notUnescaped(letter: string, index: number, name: UnitName): Expansion {
  return {
    kind: 'problem',
    index,
    message: `the specifier '%${letter}' has no value: its part of '${name}' cannot be unescaped`,
    hint: `Use '%${letter.toLowerCase()}', or name the unit with the help of systemd-escape.`,
  };
}

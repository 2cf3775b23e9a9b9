// systemd's specifiers in [X-Fleet] values: those of the unit's name and those of the machine (systemd.unit(5), SPECIFIERS).
// Invariant: a text expands fully, or but for its machine's, or is left whole as it needs an instance, or is a problem with its place.
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

/** Letters that stand for something of the machine that a unit is to run on. */
type MachineSpecifier = 'H' | 'l' | 'm';

/** What they stand for. */
export interface MachineNames {
  /** 32 hex digits: %m. */
  readonly id: string;
  /** %H; up to its first dot, %l. */
  readonly hostname: string;
}

/** `ok`: expanded. `machine`: but for %H, %l and %m, for `expandForMachine()`. `deferred`: the text needs an instance that a template does not have. Else what is wrong, and at which index. */
export type Expansion =
  | Readonly<{ kind: 'ok' | 'machine'; text: string }>
  | Readonly<{ kind: 'deferred' }>
  | Readonly<{ kind: 'problem'; index: number; message: string; hint: string }>;

const NEEDS_INSTANCE: ReadonlySet<string> = new Set(['n', 'N', 'i', 'I']);
const KNOWN = '%n %N %p %P %i %I %j %J, and of the machine %H %l %m';

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
  let perMachine = ''; // the same, with what is left for the machine
  let deferred = false;
  let needsMachine = false;
  const add = (one: string): void => {
    expanded += one;
    perMachine += one.replaceAll('%', '%%');
  };
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char !== '%') {
      add(char);
      continue;
    }
    at += 1;
    const letter = text.charAt(at);
    if (letter === '%') add('%');
    else if (isMachineSpecifier(letter)) {
      needsMachine = true;
      perMachine += `%${letter}`;
    } else if (!isSpecifier(letter)) return unknown(letter, at - 1);
    else if (specifiers.template && NEEDS_INSTANCE.has(letter)) deferred = true;
    else {
      const value = specifiers.values[letter];
      if (value === undefined) return notUnescaped(letter, at - 1, specifiers.name);
      add(quote(value));
    }
  }
  if (deferred) return { kind: 'deferred' };
  return needsMachine ? { kind: 'machine', text: perMachine } : { kind: 'ok', text: expanded };
}

/** Completes a text of kind `machine`; `quote` is put round what comes out of the machine's specifiers. */
export function expandForMachine(
  text: string,
  { id, hostname }: MachineNames,
  quote: (value: string) => string = (value) => value,
): string {
  return text.replace(/%([%Hlm])/g, (_match, letter) => {
    if (letter === '%') return '%';
    if (letter === 'm') return quote(id);
    return quote(letter === 'H' ? hostname : hostname.replace(/\..*$/s, ''));
  });
}

function isSpecifier(letter: string): letter is Specifier {
  return letter !== '' && 'nNpPiIjJ'.includes(letter);
}

function isMachineSpecifier(letter: string): letter is MachineSpecifier {
  return letter === 'H' || letter === 'l' || letter === 'm';
}

function unknown(letter: string, index: number): Expansion {
  return {
    kind: 'problem',
    index,
    message: letter === '' ? "a '%' stands at the end" : `the specifier '%${letter}' is not known`,
    hint: `Known are ${KNOWN}; write '%%' for a percent sign.`,
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

// The original's way of writing options, turned into the usual one: `-full`, `--replace=true`, FLEETCTL_…. Pure.
import { FleetError } from '../src/model/errors.ts';

/** What is to be known of an option. */
export interface OptionForm {
  /** The long name, without dashes. */
  readonly name: string;
  /** `flag`: on or off, off when not given; `switch`: on or off, with a default of its own; else it has a value. */
  readonly kind: 'flag' | 'switch' | 'text' | 'number';
}

export interface Words {
  readonly words: readonly string[];
  /** Flags that were written as `--flag=false`: given, so that the environment does not count. */
  readonly off: ReadonlySet<string>;
}

/** Doubles a single dash before a known long option, and takes `=true` and `=false` off flags; what follows `--` is left alone. */
export function usualWords(forms: readonly OptionForm[], words: readonly string[]): Words {
  const known = new Map(forms.map((form) => [form.name, form]));
  const off = new Set<string>();
  const end = words.indexOf('--');
  const usual = words.flatMap((word, i) => {
    const match = /^--?([a-z][a-z-]+)(?:=(.*))?$/s.exec(word);
    const form = known.get(match?.[1] ?? '');
    if (form === undefined || match === null || (end !== -1 && i >= end)) return [word];
    const { name, kind } = form;
    const value = match[2];
    if (kind === 'switch') return [`--${name}=${value ?? 'true'}`];
    if (kind !== 'flag') return [value === undefined ? `--${name}` : `--${name}=${value}`];
    if (value === undefined || readBoolean(`--${name}`, value)) {
      off.delete(name);
      return [`--${name}`];
    }
    off.add(name);
    return [];
  });
  return { words: usual, off };
}

/** The name of an option's variable: FLEETCTL_NO_BLOCK. */
export function variableOf(name: string): string {
  return `FLEETCTL_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** As Go's strconv.ParseBool read them. */
export function readBoolean(what: string, text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new FleetError('USAGE', `${what} is '${text}', and must be 'true' or 'false'`);
}

/** seconds, attempts or lines; beyond it a timer of Node would end at once. */
const NUMBER_MAX = 1_000_000;

/** A number of 0 or more. */
export function readNumber(what: string, text: string): number {
  const value = Number(text);
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && value <= NUMBER_MAX) return value;
  throw new FleetError(
    'USAGE',
    `${what} is '${text}', and must be a number from 0 to ${NUMBER_MAX}`,
  );
}

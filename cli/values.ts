// What the options of one call say: given, else from the environment, else the default.
// Invariant: a value was read by its kind before a command sees it.
import { readBoolean, readNumber, variableOf } from './arguments.ts';
import type { OptionDefinition } from './options.ts';

/** The values of a command's options and of those that every command has. */
export class Values {
  readonly #values = new Map<string, string | number | boolean | undefined>();

  /** `given` answers an option's text as it stands on the command line, true for a flag. */
  constructor(
    options: readonly OptionDefinition[],
    given: (option: OptionDefinition) => string | boolean | undefined,
    env: Readonly<Record<string, string | undefined>>,
  ) {
    for (const option of options) {
      const variable = variableOf(option.name);
      const fromEnv = env[variable] === '' ? undefined : env[variable];
      const raw = given(option);
      const value =
        raw !== undefined
          ? readValue(option, `--${option.name}`, raw)
          : fromEnv !== undefined
            ? readValue(option, variable, fromEnv)
            : option.initial;
      this.#values.set(option.name, value);
    }
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }
}

function readValue(
  option: OptionDefinition,
  what: string,
  raw: string | boolean,
): string | number | boolean {
  if (typeof raw === 'boolean') return raw;
  switch (option.kind) {
    case 'flag':
    case 'switch':
      return readBoolean(what, raw);
    case 'number':
      return readNumber(what, raw);
    case 'text':
      return raw;
  }
}

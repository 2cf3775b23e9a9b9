// The words of `fleetd provision`.
import { parseArgs } from 'node:util';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import type { HostAddresses } from '../../src/provision/addresses.ts';

export const PROVISION_USAGE =
  'usage: fleetd provision [--validate | --dry-run] [--private-ipv4 ADDRESS] [--public-ipv4 ADDRESS]\n' +
  '                        [--from-file] FILE | --from-url URL | --config-drive [DIRECTORY|DEVICE] | --boot\n' +
  '       fleetd provision --submit';

/** What is asked for. */
export type ProvisionArguments =
  | Readonly<{ action: 'help' }>
  | Readonly<{ action: 'submit' }>
  | Readonly<{
      action: 'validate' | 'dry-run' | 'apply';
      source: ProvisionSource;
      /** Addresses that were said. */
      addresses: HostAddresses;
    }>;

export type ProvisionSource =
  | Readonly<{ kind: 'file' | 'url'; place: string }>
  | Readonly<{ kind: 'drive'; place: string | undefined }>
  | Readonly<{ kind: 'boot' }>;

const SOURCES = ['from-file', 'from-url', 'config-drive', 'boot'] as const;

/** Reads the words after `provision`. Throws USAGE. */
export function provisionArguments(words: readonly string[]): ProvisionArguments {
  const { values, positionals } = parsed(words);
  if (values.help) return { action: 'help' };
  const chosen = SOURCES.filter((name) => values[name]);
  if (chosen.length > 1) throw usage(`--${chosen[0]} and --${chosen[1]} exclude each other`);
  if (values.validate && values['dry-run'])
    throw usage('--validate and --dry-run exclude each other');
  if (values.submit) {
    if (chosen.length + positionals.length > 0 || values.validate || values['dry-run'])
      throw usage('--submit goes with nothing else');
    return { action: 'submit' };
  }
  const action = values.validate ? 'validate' : values['dry-run'] ? 'dry-run' : 'apply';
  const source = sourceOf(chosen[0] ?? 'from-file', positionals);
  return { action, source, addresses: addressesOf(values) };
}

function sourceOf(name: (typeof SOURCES)[number], places: readonly string[]): ProvisionSource {
  const [place, more] = places;
  if (more !== undefined) throw usage(`'${more}' is one too many`);
  if (name === 'boot') {
    if (place !== undefined) throw usage(`--boot looks for itself, and takes no '${place}'`);
    return { kind: 'boot' };
  }
  if (name === 'config-drive') return { kind: 'drive', place };
  if (place === undefined)
    throw usage(name === 'from-url' ? 'a URL is missing' : 'a FILE is missing');
  return { kind: name === 'from-url' ? 'url' : 'file', place };
}

const ADDRESSES = ['private-ipv4', 'public-ipv4', 'private-ipv6', 'public-ipv6'] as const;

function addressesOf(
  values: Readonly<Partial<Record<(typeof ADDRESSES)[number], string>>>,
): HostAddresses {
  return Object.fromEntries(
    ADDRESSES.flatMap((name) =>
      values[name] === undefined ? [] : [[name.replace('-', '_'), values[name]]],
    ),
  );
}

function parsed(words: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  // `--from-url=X` is `--from-url X`.
  const args = words.flatMap((word) =>
    /^--?(from-file|from-url|config-drive)=/.test(word)
      ? [word.replace(/^--?/, '--').replace(/=.*/s, ''), word.replace(/^[^=]*=/s, '')]
      : [word.replace(/^-(?=[a-z]{2})/, '--')],
  );
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        'from-file': flag,
        'from-url': flag,
        'config-drive': flag,
        boot: flag,
        submit: flag,
        validate: flag,
        'dry-run': flag,
        help: { type: 'boolean', short: 'h', default: false },
        'private-ipv4': { type: 'string' },
        'public-ipv4': { type: 'string' },
        'private-ipv6': { type: 'string' },
        'public-ipv6': { type: 'string' },
      },
    });
  } catch (error) {
    if (isFleetError(error) || !(error instanceof Error)) throw error;
    throw usage(error.message.toLowerCase().split(/\n|\. /, 1)[0] ?? '');
  }
}

function usage(message: string): FleetError {
  return new FleetError('USAGE', message, { hint: PROVISION_USAGE });
}

// $private_ipv4 and its like in a cloud-config: put in where they stand in a value, as CoreOS did, never into YAML's own syntax.
import type { SourcePath, SourceValue } from './source-tree.ts';

/** The host's addresses; what is not known is absent. */
export interface HostAddresses {
  readonly private_ipv4?: string;
  readonly public_ipv4?: string;
  readonly private_ipv6?: string;
  readonly public_ipv6?: string;
}

type AddressName = keyof HostAddresses;

/** For checking a file away from its host: addresses of RFC 5737 and RFC 3849. */
export const EXAMPLE_ADDRESSES: Required<HostAddresses> = {
  private_ipv4: '192.0.2.1',
  public_ipv4: '198.51.100.1',
  private_ipv6: '2001:db8::1',
  public_ipv6: '2001:db8::2',
};

/** A backslash before it keeps the word. */
const VARIABLE = /(\\?)\$(private_ipv4|public_ipv4|private_ipv6|public_ipv6)/g;

/** The tree with addresses in it; `missing` hears of those that are not known. */
export function withAddresses(
  value: SourceValue,
  addresses: HostAddresses,
  missing: (path: SourcePath, name: string) => void,
  path: SourcePath = [],
): SourceValue {
  if (typeof value === 'string')
    return value.replaceAll(VARIABLE, (all, kept: string, name: AddressName) => {
      if (kept !== '') return all.slice(1);
      const address = addresses[name];
      if (address === undefined) missing(path, `$${name}`);
      return address ?? all;
    });
  if (Array.isArray(value))
    return (value as readonly SourceValue[]).map((one, i) =>
      withAddresses(one, addresses, missing, [...path, i]),
    );
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      withAddresses(one, addresses, missing, [...path, key]),
    ]),
  );
}

// Where a bus is: D-Bus addresses (D-Bus specification, "Server Addresses") as paths that node:net connects to.
// Invariant: only unix sockets; anything else is CONFIG_INVALID.
import { FleetError } from '../../src/model/errors.ts';

/** One socket to try. On a `private` one systemd itself answers, and there is no bus between. */
export interface BusAddress {
  readonly socketPath: string;
  readonly private: boolean;
}

/** Sockets for `where`, best first: 'system', 'user' or a D-Bus address such as 'unix:path=/run/systemd/private'. */
export function busAddresses(
  where: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly BusAddress[] {
  switch (where) {
    case 'system':
      return parseAddresses(
        `${env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket'};unix:path=/run/systemd/private`,
      );
    case 'user': {
      const runtime = env['XDG_RUNTIME_DIR'];
      const session = env['DBUS_SESSION_BUS_ADDRESS'];
      if (runtime === undefined && session === undefined) {
        throw new FleetError('CONFIG_INVALID', "'XDG_RUNTIME_DIR' is not set: no user bus", {
          hint: 'Log in as that user, or set XDG_RUNTIME_DIR=/run/user/UID.',
        });
      }
      if (runtime === undefined) return parseAddresses(session ?? '');
      const own = `unix:path=${runtime}/systemd/private`;
      return parseAddresses(`${session ?? `unix:path=${runtime}/bus`};${own}`);
    }
    default:
      return parseAddresses(where);
  }
}

function parseAddresses(text: string): readonly BusAddress[] {
  return text
    .split(';')
    .filter((part) => part !== '')
    .map((part) => parseAddress(part));
}

function parseAddress(text: string): BusAddress {
  const params = new Map<string, string>();
  const [transport, rest = ''] = text.split(/:(.*)/s);
  for (const pair of rest.split(',')) {
    const [key, value = ''] = pair.split(/=(.*)/s);
    if (key !== undefined) params.set(key, decode(value));
  }
  const path = params.get('path');
  const abstract = params.get('abstract');
  if (transport === 'unix' && path !== undefined && path !== '') {
    return { socketPath: path, private: path.endsWith('/systemd/private') };
  }
  if (transport === 'unix' && abstract !== undefined && abstract !== '') {
    return { socketPath: `\0${abstract}`, private: false };
  }
  throw new FleetError('CONFIG_INVALID', `the D-Bus address '${text}' is not understood`, {
    hint: "Use 'unix:path=/path/of/socket'.",
    details: { address: text },
  });
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // not escaped after all: a path with a lone '%' in it
  }
}

// Which APIs fleetctl tries, in order. Pure.
import type { Io } from './context.ts';
import { DEFAULT_ENDPOINT } from './options.ts';

/** Where nothing else is asked for: the system's socket, then the user's. */
export function endpointsOf(option: string, env: Io['env']): readonly string[] {
  const given = option.split(',').map((endpoint) => endpoint.trim());
  const runtimeDir = env['XDG_RUNTIME_DIR'] ?? '';
  if (option !== DEFAULT_ENDPOINT || runtimeDir === '') return given;
  return [...given, `unix://${runtimeDir}/fleet.sock`];
}

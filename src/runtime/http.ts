// Node's HTTP, taken as CommonJS has it.
// Invariant: nothing imports node:http for its values: as an ES module all its getters run, and one of them loads a whole client (40 ms).
import type * as Http from 'node:http';
import type * as Https from 'node:https';

export const http: typeof Http = process.getBuiltinModule('node:http');

/** TLS takes its time to load: only who asks for it does. */
export function loadHttps(): typeof Https {
  return process.getBuiltinModule('node:https');
}

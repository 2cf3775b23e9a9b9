// A request that failed: the status and the words for its client, and a line in the log where the fault is on this side.
import type { FleetError } from '../model/errors.ts';
import type { ApiLog } from './call.ts';
import { httpStatus, publicError } from './status.ts';

export interface Failure {
  readonly status: number;
  readonly error: FleetError;
}

/** `fields` say which request it was. */
export function failureOf(error: unknown, log: ApiLog, fields: object): Failure {
  const shown = publicError(error);
  const status = httpStatus[shown.code];
  if (status < 500) return { status, error: shown };
  const more = { ...fields, code: shown.code };
  // A fault of ours keeps its stack; an expected failure is one line, however many requests meet it.
  if (shown.code === 'INTERNAL') log.error({ ...more, err: error }, 'request failed by a fault');
  else log.warn({ ...more, err: shown.message }, 'request failed');
  return { status, error: shown };
}

// What a failure means for the shell: the exit status of every error code, and how a failure is printed.
import { FleetError, type ErrorCode } from '../src/model/errors.ts';

/** 1 failed, 2 wrong usage, 70 a bug of ours (EX_SOFTWARE of sysexits.h). */
const exitStatus: Readonly<Record<ErrorCode, 1 | 2 | 70>> = {
  API_BUSY: 1,
  API_UNREACHABLE: 1,
  BODY_INVALID: 1,
  CLUSTER_FORMAT_UNKNOWN: 1,
  CONFIG_INVALID: 1,
  DBUS_CALL_FAILED: 1,
  DBUS_CLOSED: 1,
  DBUS_TIMEOUT: 1,
  INTERNAL: 70,
  LEADERSHIP_LOST: 1,
  MACHINE_ID_TAKEN: 1,
  MACHINE_NOT_FOUND: 1,
  MACHINE_PRESENT: 1,
  NOT_FOUND: 1,
  PAGE_TOKEN_INVALID: 1,
  PROVISION_FAILED: 1,
  PROVISION_INVALID: 1,
  REGISTRY_BUSY: 1,
  REGISTRY_RECORD_INVALID: 1,
  REQUEST_INVALID: 1,
  STORE_COMPACTED: 1,
  STORE_FILE_INVALID: 1,
  STORE_IN_USE: 1,
  STORE_LEASE_GONE: 1,
  STORE_LIMIT: 1,
  STORE_REVERTED: 1,
  STORE_UNAVAILABLE: 1,
  STORE_WATCH_LOST: 1,
  UNIT_CONFLICT: 1,
  UNIT_EXISTS_ELSEWHERE: 1,
  UNIT_FILE_INVALID: 1,
  UNIT_NAME_INVALID: 1,
  UNIT_NOT_FOUND: 1,
  USAGE: 2,
  WAIT_ENDED: 1,
};

/** Prints one failure and answers the exit status. A bug keeps its stack. */
export function report(error: unknown, stderr: (text: string) => void): number {
  if (!(error instanceof FleetError)) {
    stderr(`fleetctl: this is a fault of fleetctl: ${stackOf(error)}\n`);
    return 70;
  }
  stderr(`fleetctl: ${error.message}\n`);
  if (error.hint !== undefined) stderr(`  ${error.hint}\n`);
  return exitStatusOf(error.code);
}

/** A server newer than this program may have codes that are not known here. */
function exitStatusOf(code: string): number {
  return Object.hasOwn(exitStatus, code) ? exitStatus[code as ErrorCode] : 1;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

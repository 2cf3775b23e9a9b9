// The calls to systemd that the adapter makes, as data.
import type { Call } from './wire.ts';

/** systemd's name on a bus. */
export const SYSTEMD = 'org.freedesktop.systemd1';

/** A method of systemd's manager object. */
export function managerCall(member: string, signature = '', body: readonly unknown[] = []): Call {
  return {
    destination: SYSTEMD,
    path: '/org/freedesktop/systemd1',
    interface: 'org.freedesktop.systemd1.Manager',
    member,
    signature,
    body,
  };
}

/** Get (interface, name) or GetAll (interface) of an object's properties. */
export function propertyCall(
  path: string,
  member: 'Get' | 'GetAll',
  body: readonly string[],
): Call {
  return {
    destination: SYSTEMD,
    path,
    interface: 'org.freedesktop.DBus.Properties',
    member,
    signature: 's'.repeat(body.length),
    body,
  };
}

/** A method of the bus itself. */
export function busCall(member: string, argument: string): Call {
  return {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
    member,
    signature: 's',
    body: [argument],
  };
}

// StartTransientUnit for an alarm: a timer, and the service that it starts (org.freedesktop.systemd1(5), systemd.timer(5)).
import variant from 'dbus-next/lib/variant.js';
import type { Alarm } from '../systemd.ts';
import { managerCall } from './systemd-calls.ts';
import type { Call } from './wire.ts';

const ACCURACY_US = 100_000n;

/** `startupUs`: the manager's UserspaceTimestampMonotonic, which OnStartupSec= counts from, in containers too. */
export function alarmCall({ name, atMs, commands }: Alarm, startupUs: bigint): Call {
  const sinceStartup = BigInt(Math.round(atMs * 1000)) - startupUs;
  const onStartup = sinceStartup > 1n ? sinceStartup : 1n;
  const timer = [
    property('Description', 's', `fleet: ${name}`),
    property('TimersMonotonic', 'a(st)', [['OnStartupSec', onStartup]]),
    property('AccuracyUSec', 't', ACCURACY_US),
    property('RemainAfterElapse', 'b', false),
  ];
  const service = [
    property('Description', 's', `fleet: ${name}`),
    property('Type', 's', 'oneshot'),
    // true: the next command is run although this one failed.
    property(
      'ExecStart',
      'a(sasb)',
      commands.map((command) => [command[0], [...command], true]),
    ),
    // One that failed is not kept either: its name is of this alarm alone.
    property('CollectMode', 's', 'inactive-or-failed'),
  ];
  return managerCall('StartTransientUnit', 'ssa(sv)a(sa(sv))', [
    `${name}.timer`,
    'replace',
    timer,
    [[`${name}.service`, service]],
  ]);
}

function property(name: string, signature: string, value: unknown): readonly unknown[] {
  return [name, new variant.Variant(signature, value)];
}

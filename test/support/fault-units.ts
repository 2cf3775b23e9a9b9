// The units that faults are tried on: some of each kind that fleet knows, all of them quiet, so that whatever moves was moved.
// Invariant: pure; the same count gives the same units.

/** A unit, and what systemd says of it when all is well. */
export interface FaultUnit {
  readonly name: string;
  readonly text: string;
  readonly wanted: 'inactive' | 'loaded' | 'launched';
  readonly global: boolean;
  /** ActiveState at rest; 'any' where something other than fleet starts and ends it. */
  readonly rest: 'active' | 'inactive' | 'any';
}

const SLEEP = 'ExecStart=/bin/sleep infinity';

/** `count` units, at least 20. Two of them are templates, and run as their instances only. */
export function faultUnits(count: number): readonly FaultUnit[] {
  const share = (part: number): number => Math.max(1, Math.round(count * part));
  const others = [
    ...numbered(share(0.025), (n) => service(`each-${n}`, SLEEP, ['Global=true'])),
    ...templates(share(0.15)),
    ...timer(),
    ...socket(),
    ...numbered(share(0.015), (n) => oneshot(`once-${n}`, 'inactive')),
    ...numbered(share(0.015), (n) => oneshot(`stays-${n}`, 'active')),
    ...numbered(3, (n) => service(`apart-${n}`, SLEEP, ['Conflicts=apart-*.service'])),
    ...numbered(share(0.05), (n) =>
      service(`beside-${n}`, SLEEP, [`MachineOf=plain-${n}.service`]),
    ),
    ...numbered(share(0.025), (n) => service(`says-${n}`, READY, [])),
  ];
  const plain = numbered(count - others.length, (n) => service(`plain-${n}`, SLEEP, []));
  return [...plain, ...others];
}

/** A unit of the test's own, beside those. */
export function sleeper(name: string): string {
  return textOf(['[Unit]', `Description=${name}`, '[Service]', SLEEP], []);
}

const READY = [
  'Type=notify',
  'NotifyAccess=all',
  `ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'`,
].join('\n');

function service(name: string, body: string, fleet: readonly string[]): FaultUnit {
  return {
    name: `${name}.service`,
    text: textOf(['[Unit]', `Description=${name}`, '[Service]', body], fleet),
    wanted: 'launched',
    global: fleet.includes('Global=true'),
    rest: 'active',
  };
}

function oneshot(name: string, rest: 'active' | 'inactive'): FaultUnit {
  const remain = rest === 'active' ? 'RemainAfterExit=yes' : 'RemainAfterExit=no';
  const body = ['Type=oneshot', remain, 'ExecStart=/bin/true'].join('\n');
  return { ...service(name, body, []), rest };
}

function templates(instances: number): readonly FaultUnit[] {
  const text = textOf(['[Service]', SLEEP], []);
  const template: FaultUnit = {
    name: 'copy@.service',
    text,
    wanted: 'inactive',
    global: false,
    rest: 'inactive',
  };
  const copies = numbered(instances, (n): FaultUnit => {
    return { ...template, name: `copy@${n}.service`, wanted: 'launched', rest: 'active' };
  });
  return [template, ...copies];
}

function timer(): readonly FaultUnit[] {
  const body = 'Type=oneshot\nExecStart=/bin/true';
  const when = ['[Timer]', 'OnActiveSec=1s', 'OnUnitActiveSec=2s', 'AccuracySec=100ms'];
  return [
    { ...service('tick', body, []), wanted: 'loaded', rest: 'any' },
    {
      ...service('tick', '', []),
      name: 'tick.timer',
      text: textOf(when, ['MachineOf=tick.service']),
    },
  ];
}

function socket(): readonly FaultUnit[] {
  return [
    { ...service('door', SLEEP, []), wanted: 'loaded', rest: 'any' },
    {
      ...service('door', '', []),
      name: 'door.socket',
      text: textOf(['[Socket]', 'ListenStream=/run/door.sock'], ['MachineOf=door.service']),
    },
  ];
}

function textOf(lines: readonly string[], fleet: readonly string[]): string {
  const section = fleet.length === 0 ? [] : ['[X-Fleet]', ...fleet];
  return [...lines, ...section, ''].join('\n');
}

function numbered<T>(count: number, make: (n: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}

// What a real stack needs to start where there are no containers: a stand-in for its executables, and the units it takes for granted.
// Invariant: of a unit's text only Exec lines change, and these by a word in front of what they had.
import { linesOfUnit, type Stack, type StackUnit } from './stacks.ts';

/** Stays, or ends well: by its first word. */
const STAY = '/usr/local/bin/stand-in-stays';
const END = '/usr/local/bin/stand-in-ends';

/** A shell script that makes a host ready for any stack. */
export const hostSetup = `
printf '#!/bin/sh\\nexec sleep infinity\\n' > ${STAY}
printf '#!/bin/sh\\nexit 0\\n' > ${END}
chmod 755 ${STAY} ${END}
touch /etc/environment /etc/network-environment
grep -q '^core:' /etc/passwd || { echo 'core:x:500:500::/:/bin/sh' >> /etc/passwd; echo 'core:x:500:' >> /etc/group; }
`;

/** The text with stand-ins. */
export function withStandIns(text: string): string {
  const type = optionOf(text, 'Service', 'Type') ?? 'simple';
  if (type !== 'simple' && type !== 'oneshot')
    throw new Error(`no stand-in is made yet for Type=${type}`);
  return text.replaceAll(
    /^([ \t]*(Exec\w+)[ \t]*=[ \t]*)([-@+!:]*)(?=\S)/gm,
    (_, assignment: string, key: string, prefixes: string) =>
      `${assignment}${prefixes}${type === 'simple' && key === 'ExecStart' ? STAY : END} `,
  );
}

/** Services and sockets that units of the stack need and that it does not have, as fleet.service and systemd's own are not meant. */
export function takenForGranted(stack: Stack): readonly string[] {
  const own = new Set(stack.units.map(({ name }) => name));
  const needed = stack.units.flatMap(needsOf).filter((name) => !own.has(name));
  return [...new Set(needed)]
    .filter((name) => /\.(service|socket)$/.test(name) && name !== 'fleet.service')
    .sort();
}

/** The units without which this one does not start. */
export function needsOf({ name, text }: StackUnit): readonly string[] {
  const instance = name.split('@')[1]?.replace(/\.\w+$/, '') ?? '';
  return linesOfUnit(text)
    .filter(([section, key]) => section === 'Unit' && /^(Requires|BindsTo|Requisite)$/.test(key))
    .flatMap(([, , value]) => value.split(/\s+/))
    .map((needed) => needed.replaceAll('%i', instance));
}

/** A shell script that makes them, as units of the host itself. */
export function makeGranted(names: readonly string[]): string {
  const files = names.map((name) => {
    // A socket does not start beside a service of its name that runs already.
    const text = name.endsWith('.socket')
      ? `# granted\\n[Socket]\\nListenStream=/run/${name}\\nService=granted.service\\n`
      : SERVICE;
    return `printf '${text}' > /etc/systemd/system/${name}`;
  });
  const made = [`printf '${SERVICE}' > /etc/systemd/system/granted.service`, ...files];
  return [...made, 'systemctl daemon-reload'].join('\n');
}

const SERVICE = String.raw`# granted\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n`;

/** A shell script that takes away all that any stack was granted. */
export const dropGranted = `
cd /etc/systemd/system
granted=$(grep -ls '^# granted' *.service *.socket || true)
[ -z "$granted" ] || { systemctl stop $granted; rm -f $granted; systemctl daemon-reload; }
`;

/** Says whether it stays active once it is started: it does not end by itself, and nothing stops it. */
export function stays({ name, text }: StackUnit): boolean {
  if (name.endsWith('.timer')) return true;
  const isOneshot = optionOf(text, 'Service', 'Type') === 'oneshot';
  const remains = optionOf(text, 'Service', 'RemainAfterExit') === 'yes';
  const needed = optionOf(text, 'Unit', 'StopWhenUnneeded') === 'yes';
  return (!isOneshot || remains) && !needed;
}

function optionOf(text: string, section: string, key: string): string | undefined {
  return linesOfUnit(text).findLast(([where, name]) => where === section && name === key)?.[2];
}

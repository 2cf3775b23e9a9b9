// The units of the simulation: texts that are real unit files, and how systemd finds them to behave.
import type { UnitName } from '../../src/model/unit.ts';
import type { UnitFile } from '../../src/registry/units.ts';
import { descriptionOf, optionsOf, storedOptionsOf } from '../../src/unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../../src/unitfile/hash.ts';
import { parseUnitFile } from '../../src/unitfile/parse.ts';

/** What a unit is like; how often each is drawn stands in plan.ts. */
export type UnitKind =
  | 'plain'
  | 'metadata'
  | 'conflicts'
  | 'machine-of'
  | 'replaces'
  | 'pinned'
  | 'global'
  | 'global-metadata'
  | 'install'
  | 'oneshot'
  | 'fails'
  | 'slow-start'
  | 'hangs-in-start'
  | 'slow-stop'
  | 'hangs-in-stop'
  | 'fenced'
  | 'fenced-global'
  | 'fenced-pinned'
  | 'cut-off'
  | 'cut-off-metadata'
  | 'cut-off-slow-stop'
  | 'cut-off-hangs'
  | 'cut-off-oneshot'
  | 'cut-off-global';

/** One version of a unit. */
export interface UnitVersion {
  readonly name: string;
  readonly version: number;
  readonly kind: UnitKind;
  /** Another unit, for kinds that speak of one; a machine id for `pinned`; `key=value` for metadata. */
  readonly of: string;
}

/** How a unit behaves at systemd. Times in ms; Infinity: never by itself. */
export interface Behaviour {
  readonly startMs: number;
  readonly stopMs: number;
  readonly fails: boolean;
  readonly ends: boolean;
  /** TimeoutStopSec= */
  readonly stopTimeoutMs: number;
  /** Fence=yes, said or implied. */
  readonly fenced: boolean;
  /** OnPartition=stop */
  readonly stopsCutOff: boolean;
  readonly global: boolean;
}

const NORMAL = { startMs: 15, stopMs: 20, fails: false, ends: false };
/** ms; what systemd has where the file says nothing. */
const STOP_TIMEOUT_MS = 60_000;

const BEHAVIOUR: Readonly<Partial<Record<UnitKind, Partial<Behaviour>>>> = {
  oneshot: { startMs: 400, ends: true },
  fails: { startMs: 60, fails: true },
  'slow-start': { startMs: 7_000 },
  'hangs-in-start': { startMs: Infinity },
  'slow-stop': { stopMs: 5_000 },
  'hangs-in-stop': { stopMs: 45_000 },
  'cut-off-slow-stop': { stopMs: 1_500 },
  'cut-off-hangs': { stopMs: 45_000 },
  'cut-off-oneshot': { startMs: 9_000, ends: true },
};

const FLEET: Readonly<Partial<Record<UnitKind, (of: string) => string>>> = {
  metadata: (of) => `MachineMetadata=${of}`,
  conflicts: (of) => `Conflicts=${of}`,
  'machine-of': (of) => `MachineOf=${of}`,
  replaces: (of) => `Replaces=${of}`,
  pinned: (of) => `MachineID=${of}`,
  global: () => 'Global=true',
  'global-metadata': (of) => `Global=true\nMachineMetadata=${of}`,
  fenced: () => 'Fence=yes',
  'fenced-global': () => 'Fence=yes\nGlobal=true',
  'fenced-pinned': (of) => `Fence=yes\nMachineID=${of}`,
  'cut-off': () => 'OnPartition=stop',
  'cut-off-metadata': (of) => `OnPartition=stop\nMachineMetadata=${of}`,
  'cut-off-slow-stop': () => 'OnPartition=stop',
  'cut-off-hangs': () => 'OnPartition=stop',
  'cut-off-oneshot': () => 'OnPartition=stop',
  'cut-off-global': () => 'OnPartition=stop\nGlobal=true',
};

/** The unit file of a version. */
function textOf({ name, version, kind, of }: UnitVersion): string {
  const fleet = FLEET[kind]?.(of);
  const stopSec = kind === 'cut-off-slow-stop' ? 'TimeoutStopSec=2\n' : '';
  const install = kind === 'install' ? '[Install]\nWantedBy=multi-user.target\n' : '';
  return (
    `[Unit]\nDescription=${name} ${version}\n[Service]\nExecStart=/bin/sim ${kind}\n${stopSec}${install}` +
    (fleet === undefined ? '' : `[X-Fleet]\n${fleet}\n`)
  );
}

const behaviours = new Map<string, Behaviour>();

/** How systemd finds the unit of this text. */
export function behaviourOf(text: string): Behaviour {
  const known = behaviours.get(text);
  if (known !== undefined) return known;
  const kind = /^ExecStart=\/bin\/sim (\S+)$/m.exec(text)?.[1] as UnitKind;
  const stopSec = /^TimeoutStopSec=(\d+)$/m.exec(text)?.[1];
  const stopsCutOff = text.includes('\nOnPartition=stop\n');
  const behaviour = {
    ...NORMAL,
    ...BEHAVIOUR[kind],
    stopTimeoutMs: stopSec === undefined ? STOP_TIMEOUT_MS : Number(stopSec) * 1000,
    stopsCutOff,
    fenced: stopsCutOff || text.includes('\nFence=yes\n'),
    global: text.includes('\nGlobal=true\n'),
  };
  behaviours.set(text, behaviour);
  return behaviour;
}

const files = new Map<string, UnitFile>();

/** The checked file, as the API makes it of a request. */
export function fileOf(version: UnitVersion): UnitFile {
  return fileOfText(textOf(version));
}

/** The same of a text, such as a host has kept. */
export function fileOfText(text: string): UnitFile {
  const known = files.get(text);
  if (known !== undefined) return known;
  const parsed = parseUnitFile(text).ok;
  if (parsed === undefined) throw new Error(`no unit file: ${text}`);
  const options = optionsOf(parsed);
  const file: UnitFile = {
    text,
    hash: hashOfOptions(options),
    sha256: sha256Of(text),
    options: storedOptionsOf(options),
    description: descriptionOf(options),
  };
  if (files.size > 5_000) files.clear();
  files.set(text, file);
  return file;
}

/** The name as its parser would answer it. */
export function unitNamed(name: string): UnitName {
  return name as UnitName;
}

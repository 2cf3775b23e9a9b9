// Builds what a host knows from a few words, prints a plan as lines, and carries a plan out in memory.
import { createHash } from 'node:crypto';
import type { CarriedOut, HostPicture, Wanted } from '../../src/reconcile/host-picture.ts';
import type { HostAction, HostPlan } from '../../src/reconcile/host-plan.ts';
import type { DesiredState, UnitName, UnitTarget } from '../../src/model/unit.ts';

/** `A` is the version of the options, `#x` another text of the same options: 'launched 3 A#x'. */
export type TargetWords = `${DesiredState} ${number} ${string}`;

export interface HostWords {
  readonly keep?: Readonly<Record<string, TargetWords>>;
  readonly release?: Readonly<Record<string, 'assigned' | 'global' | 'not-allowed'>>;
  readonly leave?: readonly string[];
  readonly unreadable?: readonly string[];
  /** 'launched 3 A', then flags: `unstarted`, `ending`, `stopped`, `held=2`. */
  readonly done?: Readonly<Record<string, string>>;
  readonly elsewhere?: Readonly<Record<string, string>>;
  readonly unreadableTexts?: readonly string[];
  readonly busy?: readonly string[];
  readonly starting?: Readonly<Record<string, number>>;
  readonly moreAreStopping?: boolean;
  readonly unloadsOverdue?: boolean;
  /** Nothing was asked of systemd and the store yet. */
  readonly fresh?: boolean;
}

const hex = (kind: 'sha1' | 'sha256', text: string): string =>
  createHash(kind).update(text).digest('hex');
const name = (text: string): UnitName => text as UnitName;

function target(unit: string, words: string): UnitTarget {
  const [desiredState, generation, version = 'A'] = words.split(' ');
  return {
    name: name(unit),
    hash: hex('sha1', version.split('#')[0]!),
    sha256: hex('sha256', version),
    desiredState: desiredState as DesiredState,
    generation: Number(generation),
    options: [],
  };
}

function carriedOut(unit: string, words: string): CarriedOut {
  const flags = words.split(' ').slice(3);
  const { hash, sha256, generation, desiredState } = target(unit, words);
  const held = flags.find((flag) => flag.startsWith('held='));
  return {
    name: name(unit),
    hash,
    sha256,
    generation,
    desiredState: desiredState as 'loaded' | 'launched',
    enabled: false,
    ...(desiredState === 'launched' && !flags.includes('unstarted') ? { started: generation } : {}),
    ...(flags.includes('stopped') ? { stopped: true } : {}),
    ...(flags.includes('ending') ? { ending: true } : {}),
    ...(held === undefined ? {} : { held: Number(held.slice(5)) }),
  };
}

const RELEASE: Readonly<Record<'assigned' | 'global' | 'not-allowed', Wanted>> = {
  assigned: { kind: 'release', because: 'released', assigned: 7n },
  global: { kind: 'release', because: 'global-released' },
  'not-allowed': { kind: 'release', because: 'global-not-allowed' },
};

export function picture(words: HostWords): HostPicture {
  const wanted = new Map<UnitName, Wanted>();
  for (const [unit, text] of Object.entries(words.keep ?? {}))
    wanted.set(name(unit), { kind: 'keep', target: target(unit, text) });
  for (const [unit, kind] of Object.entries(words.release ?? {}))
    wanted.set(name(unit), RELEASE[kind]);
  for (const unit of words.leave ?? []) wanted.set(name(unit), { kind: 'leave' });
  const elsewhere = new Map<UnitName, string>();
  const texts = new Map<string, 'at-hand' | 'unreadable'>();
  if (words.fresh !== true) {
    for (const [unit, { sha256 }] of targetsOf(wanted)) {
      elsewhere.set(unit, words.elsewhere?.[unit] ?? '');
      texts.set(sha256, words.unreadableTexts?.includes(unit) ? 'unreadable' : 'at-hand');
    }
  }
  return {
    wanted,
    unreadable: new Set((words.unreadable ?? []).map(name)),
    carriedOut: new Map(
      Object.entries(words.done ?? {}).map(([unit, text]) => [name(unit), carriedOut(unit, text)]),
    ),
    elsewhere,
    texts,
    loadFailures: new Map(),
    busy: new Set((words.busy ?? []).map(name)),
    starting: new Map(
      Object.entries(words.starting ?? {}).map(([unit, generation]) => [name(unit), generation]),
    ),
    moreAreStopping: words.moreAreStopping ?? false,
    unloadsOverdue: words.unloadsOverdue ?? false,
  };
}

function targetsOf(wanted: ReadonlyMap<UnitName, Wanted>): [UnitName, UnitTarget][] {
  return [...wanted].flatMap(([unit, w]) => (w.kind === 'keep' ? [[unit, w.target]] : []));
}

/** One action as one line. */
export function line(action: HostAction): string {
  switch (action.kind) {
    case 'stop':
    case 'unload':
    case 'load':
    case 'hand-over':
      return `${action.kind} ${action.unit} (${action.because})`;
    case 'start':
    case 'adopt':
    case 'hold':
      return `${action.kind} ${action.unit} ${action.generation}`;
    case 'reload':
      return 'reload';
  }
}

/** The picture after the plan was carried out and every job has ended. */
export function after(before: HostPicture, plan: HostPlan): HostPicture {
  const wanted = new Map(before.wanted);
  const done = new Map(before.carriedOut);
  const elsewhere = new Map(before.elsewhere);
  const texts = new Map(before.texts);
  for (const unit of plan.ask.names) elsewhere.set(unit, '');
  for (const sha256 of plan.ask.texts) texts.set(sha256, 'at-hand');
  for (const action of plan.actions) {
    if (action.kind === 'reload') continue;
    const record = done.get(action.unit);
    if (action.kind === 'hand-over') {
      wanted.delete(action.unit);
    } else if (action.kind === 'unload') {
      done.delete(action.unit);
    } else if (action.kind === 'load') {
      const { hash, sha256, generation } = action.target;
      const {
        held: _held,
        stopped: _stopped,
        ...rest
      } = record ?? carriedOut(action.unit, 'loaded 0 A');
      done.set(action.unit, { ...rest, hash, sha256, generation });
    } else if (record !== undefined) {
      const { held: _held, stopped: _stopped, ...rest } = record;
      if (action.kind === 'stop')
        done.set(action.unit, { ...record, desiredState: 'loaded', stopped: true });
      else if (action.kind === 'hold')
        done.set(action.unit, { ...record, held: action.generation });
      else if (action.kind === 'start')
        done.set(action.unit, {
          ...rest,
          desiredState: 'launched',
          generation: action.generation,
          started: action.generation,
        });
      else if (action.kind === 'adopt')
        done.set(action.unit, {
          ...rest,
          generation: action.generation,
          ...(action.started === undefined ? {} : { started: action.started }),
        });
    }
  }
  return {
    ...before,
    wanted,
    carriedOut: done,
    elsewhere,
    texts,
    busy: new Set(),
    starting: new Map(),
  };
}

// Decides what one host does next: desired × carried out → ordered actions, each with its reason.
// Invariant: it acts on a change of (hash, desired state, generation) or on a mark; never because systemd's state differs or a key is gone.
import type { UnitName, UnitTarget } from '../model/unit.ts';
import { guardsOf, type Guards } from './host-guards.ts';
import type { CarriedOut, HostPicture, ReleaseReason, Wanted } from './host-picture.ts';

export type StopReason = ReleaseReason | 'desired-lowered' | 'swap';
export type LoadReason = 'new' | 'swap' | 'text-changed';

export type HostAction =
  /** Asks for the stop; the unit is left alone until it has ended. */
  | Readonly<{ kind: 'stop'; unit: UnitName; because: StopReason }>
  /** Takes its links and its file away. */
  | Readonly<{ kind: 'unload'; unit: UnitName; because: ReleaseReason }>
  /** Writes the file, links it, enables it where it has [Install], and says to systemd what its guards need. */
  | Readonly<{
      kind: 'load';
      unit: UnitName;
      target: UnitTarget;
      guards: Guards;
      because: LoadReason;
    }>
  /** One for all that was loaded and unloaded. */
  | Readonly<{ kind: 'reload' }>
  /** Notes that this generation is what runs already. */
  | Readonly<{ kind: 'adopt'; unit: UnitName; generation: number; started?: number }>
  /** Notes that the store went back: what runs stays. */
  | Readonly<{ kind: 'hold'; unit: UnitName; generation: number }>
  /** Deletes its schedule key, as it was at this revision, with its state row. */
  | Readonly<{ kind: 'hand-over'; unit: UnitName; because: ReleaseReason; revision: bigint }>
  | Readonly<{ kind: 'start'; unit: UnitName; generation: number; because: 'generation' }>;

/** Why a unit that is wanted is not (or not in this version) loaded here. */
export type HostRefusal =
  | Readonly<{ kind: 'elsewhere'; path: string }>
  | Readonly<{ kind: 'text-unreadable'; sha256: string }>
  /** Its file cannot be written or linked; tried again after a while. */
  | Readonly<{ kind: 'load-failed'; message: string }>
  | Readonly<{ kind: 'held'; generation: number; runs: number }>;

export interface HostPlan {
  /** In the order in which they are done. */
  readonly actions: readonly HostAction[];
  /** To be asked before the plan can say more: names of systemd, texts of the store. */
  readonly ask: Readonly<{ names: readonly UnitName[]; texts: readonly string[] }>;
  readonly refusals: ReadonlyMap<UnitName, HostRefusal>;
  /** What runs here and no key speaks of: reported, never touched. */
  readonly orphans: readonly UnitName[];
  /** Units that have stopped are unloaded later, together with those that are about to. */
  readonly unloadsLater: boolean;
}

/** Plans all units of this host. Same picture, same plan. */
export function planHost(picture: HostPicture): HostPlan {
  const draft = new Draft(picture);
  for (const name of [...picture.wanted.keys()].toSorted()) {
    const wanted = picture.wanted.get(name);
    if (wanted === undefined || picture.unreadable.has(name) || picture.busy.has(name)) continue;
    planUnit(draft, name, wanted);
  }
  return draft.plan();
}

function planUnit(draft: Draft, name: UnitName, wanted: Wanted): void {
  const done = draft.picture.carriedOut.get(name);
  switch (wanted.kind) {
    case 'leave':
      return;
    case 'release':
      return planRelease(draft, name, wanted, done);
    case 'keep':
      return done === undefined
        ? planNew(draft, wanted.target)
        : planKnown(draft, wanted.target, done);
  }
}

function planRelease(
  draft: Draft,
  name: UnitName,
  { because, assigned }: Wanted & { kind: 'release' },
  done: CarriedOut | undefined,
): void {
  if (done !== undefined) {
    if (done.stopped !== true) return draft.add({ kind: 'stop', unit: name, because });
    draft.unloads.push({ kind: 'unload', unit: name, because });
  }
  if (assigned === undefined) return;
  const handOver = { kind: 'hand-over', unit: name, because, revision: assigned } as const;
  if (done === undefined) draft.add(handOver);
  else draft.unloads.push(handOver);
}

function planNew(draft: Draft, target: UnitTarget): void {
  if (target.desiredState === 'inactive') return;
  const path = draft.picture.elsewhere.get(target.name);
  if (path === undefined) draft.names.push(target.name);
  else if (path !== '') draft.refusals.set(target.name, { kind: 'elsewhere', path });
  if (!draft.textAtHand(target) || path !== '') return;
  draft.load(target, 'new');
  planStart(draft, target, undefined);
}

function planKnown(draft: Draft, target: UnitTarget, done: CarriedOut): void {
  const newest = done.held ?? done.generation;
  if (target.generation < newest) return planOlder(draft, target, done);
  if (target.generation === done.held) {
    const runs = done.generation;
    draft.refusals.set(done.name, { kind: 'held', generation: target.generation, runs });
    return;
  }
  const launch = target.desiredState === 'launched';
  if (done.desiredState === 'launched' && !launch)
    return draft.add({ kind: 'stop', unit: done.name, because: 'desired-lowered' });
  if (target.hash !== done.hash) {
    if (!draft.textAtHand(target)) return;
    if (launch && done.stopped !== true)
      return draft.add({ kind: 'stop', unit: done.name, because: 'swap' });
    draft.load(target, 'swap');
  } else if (target.sha256 !== done.sha256) {
    if (!draft.textAtHand(target)) return;
    draft.load(target, 'text-changed');
  } else if (!launch && !isAdopted(target, done)) {
    draft.add({ kind: 'adopt', unit: done.name, generation: target.generation });
  }
  planStart(draft, target, done);
}

/** A generation beyond a held one counts as new, whatever its number: it is of the history that the store has now. */
function isAdopted({ generation }: UnitTarget, done: CarriedOut): boolean {
  return generation === done.generation && done.held === undefined && done.stopped !== true;
}

/** The store went back behind what was carried out: from a backup, or the unit was made anew by `adopt`. */
function planOlder(draft: Draft, target: UnitTarget, done: CarriedOut): void {
  const { name, generation } = target;
  if (target.hash !== done.hash || target.desiredState !== done.desiredState)
    return draft.add({ kind: 'hold', unit: name, generation });
  const wasStarted = isUnderWay(done, done.generation);
  draft.add({
    kind: 'adopt',
    unit: name,
    generation,
    ...(wasStarted ? { started: generation } : {}),
  });
}

/** Each generation is started once: a start of what runs is nothing to systemd, so nothing restarts. */
function planStart(draft: Draft, target: UnitTarget, done: CarriedOut | undefined): void {
  const { name: unit, generation } = target;
  if (target.desiredState !== 'launched') return;
  const isStarted = done?.desiredState === 'launched' && isUnderWay(done, generation);
  if (isStarted && done.held === undefined) return;
  if (draft.picture.starting.get(unit) === generation) return;
  draft.add({ kind: 'start', unit, generation, because: 'generation' });
}

/** That generation was started and fleet has not stopped it since: a stop that was asked may have taken place unheard. */
function isUnderWay({ started, ending }: CarriedOut, generation: number): boolean {
  return started === generation && ending !== true;
}

/** Its stops, which come first. */
export function stopsOf({ actions }: HostPlan): readonly HostAction[] {
  return actions.filter(({ kind }) => kind === 'stop');
}

/** The order of a plan: what frees comes first, what is started comes last. */
const PHASE: Readonly<Record<HostAction['kind'], number>> = {
  stop: 0,
  unload: 1,
  load: 2,
  reload: 3,
  adopt: 4,
  hold: 5,
  'hand-over': 6,
  start: 7,
};

class Draft {
  readonly picture: HostPicture;
  readonly actions: HostAction[] = [];
  /** Unloads and their hand-overs. */
  readonly unloads: HostAction[] = [];
  readonly names: UnitName[] = [];
  readonly texts = new Set<string>();
  readonly refusals = new Map<UnitName, HostRefusal>();

  constructor(picture: HostPicture) {
    this.picture = picture;
  }

  add(action: HostAction): void {
    this.actions.push(action);
  }

  load(target: UnitTarget, because: LoadReason): void {
    const guards = guardsOf(target.name, target.options);
    this.add({ kind: 'load', unit: target.name, target, guards, because });
  }

  /** Says whether the file could not be loaded a moment ago: then it waits, and says why. */
  failedToLoad({ name, sha256 }: UnitTarget): boolean {
    const failure = this.picture.loadFailures.get(name);
    if (failure?.sha256 !== sha256) return false;
    this.refusals.set(name, { kind: 'load-failed', message: failure.message });
    return true;
  }

  /** Says whether the file can be loaded; else asks for its text, or says why not. */
  textAtHand(target: UnitTarget): boolean {
    if (this.failedToLoad(target)) return false;
    const { name, sha256 } = target;
    const text = this.picture.texts.get(sha256);
    if (text === undefined) this.texts.add(sha256);
    else if (text === 'unreadable') this.refusals.set(name, { kind: 'text-unreadable', sha256 });
    return text === 'at-hand';
  }

  plan(): HostPlan {
    const { wanted, unreadable, carriedOut, moreAreStopping, unloadsOverdue } = this.picture;
    const areStopping = moreAreStopping || this.actions.some(({ kind }) => kind === 'stop');
    const unloadsLater = this.unloads.length > 0 && areStopping && !unloadsOverdue;
    if (!unloadsLater) this.actions.push(...this.unloads);
    if (this.actions.some(({ kind }) => kind === 'load' || kind === 'unload'))
      this.add({ kind: 'reload' });
    return {
      actions: this.actions.toSorted((a, b) => PHASE[a.kind] - PHASE[b.kind]), // stable: by name within a phase
      ask: { names: this.names, texts: [...this.texts] },
      refusals: this.refusals,
      orphans: [...carriedOut.keys()]
        .filter((name) => !wanted.has(name) && !unreadable.has(name))
        .toSorted(),
      unloadsLater,
    };
  }
}

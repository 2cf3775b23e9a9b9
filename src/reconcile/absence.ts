// Is a machine whose key is gone really gone? Judged before any unit is moved away from it.
// Invariant: while this process cannot tell its own trouble with the store from that of others, nobody is believed absent.
import type { MachineId } from '../model/machine.ts';

/** A new leader looks round for so long before it evicts; DESIGN §3. */
const NEW_LEADER_WAIT_MS = 2000;
/** How soon leases are asked again while it is not known whether more machines are about to vanish. */
export const PROBE_AGAIN_MS = 500;
/** The brake holds for so many times the longest ttl of those that it is on. */
const BRAKE_TTLS = 5;

/** A machine whose key is gone. Times are those of one clock that never jumps back. */
export interface Vanished {
  readonly id: MachineId;
  /** When this process saw it go, or began to look; of one that is remembered, when it was judged absent. */
  readonly vanishedAtMs: number;
  readonly ttlSec: number;
  /** Its last record said that it leaves in good order. */
  readonly orderly: boolean;
  /** A person said that it is gone: `fleetctl evict`. */
  readonly evict: boolean;
  /** It was judged absent before; it stays so until its key is back. */
  readonly believed: boolean;
  /** An earlier leader judged it absent, and its key has not been seen since: it is not one that vanishes now. */
  readonly remembered: boolean;
}

/** A machine that vanished and is back: one of the present ones. */
export interface Returned {
  /** At the latest: it was back by then. */
  readonly vanishedAtMs: number;
  readonly ttlSec: number;
  /** It is one of the silent ones. */
  readonly silent: boolean;
}

type Timed = Pick<Vanished, 'vanishedAtMs' | 'ttlSec'>;

/** Too many vanished at once: more likely it is us, or the network, than all of them. */
export interface Brake {
  readonly sinceMs: number;
  /** Then they are believed absent after all. */
  readonly untilMs: number;
  /** Sorted. */
  readonly machines: readonly MachineId[];
}

export interface AbsenceInput {
  readonly nowMs: number;
  /** Machines whose key is there. */
  readonly present: number;
  /**
   * How many of the present ones have ceased to renew their leases, asked after the last of the vanished went; undefined: not asked yet.
   * Machines that die together vanish one after the other: each when its own lease ends, within a third of the ttl.
   */
  readonly silent: number | undefined;
  readonly vanished: readonly Vanished[];
  readonly returned: readonly Returned[];
  /** Every renewal of this process's own machine lease has been answered since; undefined while one is not. */
  readonly answeredSinceMs: number | undefined;
  readonly leaderSinceMs: number;
  /** When the store was last seen to be restored, or own renewals unanswered for half of the ttl. */
  readonly discontinuityAtMs: number | undefined;
  /** What the last judgement answered. */
  readonly brake: Brake | undefined;
}

/** `unprobed`, `silent`: it is not known yet, or not decided yet, whether more than the brake allows vanish with it. */
export type Doubt = 'own-lease' | 'new-leader' | 'discontinuity' | 'brake' | 'unprobed' | 'silent';

export interface Absence {
  /** Sorted by id, as `doubted`. */
  readonly absent: readonly MachineId[];
  readonly doubted: readonly Readonly<{ id: MachineId; because: Doubt }>[];
  /** Also one that is over, as long as one of its machines is missing: to be passed in the next time. */
  readonly brake: Brake | undefined;
  /** When time alone can change a verdict; undefined where only news can. */
  readonly lookAgainMs: number | undefined;
}

/** Judges all vanished machines together. */
export function judgeAbsence(input: AbsenceInput): Absence {
  const { nowMs } = input;
  const brake = brakeFor(input);
  const braked = brake !== undefined && nowMs < brake.untilMs;
  const absent: MachineId[] = [];
  const doubted: { id: MachineId; because: Doubt }[] = [];
  const times: number[] = [];
  for (const machine of input.vanished.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const doubt = doubtOf(input, machine, braked ? brake.untilMs : undefined);
    if (doubt === undefined) absent.push(machine.id);
    else {
      doubted.push({ id: machine.id, because: doubt.because });
      if (doubt.untilMs !== undefined) times.push(doubt.untilMs);
    }
  }
  const lookAgainMs = times.length === 0 ? undefined : Math.min(...times);
  return { absent, doubted, brake, lookAgainMs };
}

function doubtOf(
  input: AbsenceInput,
  machine: Vanished,
  brakedUntilMs: number | undefined,
): { because: Doubt; untilMs: number | undefined } | undefined {
  const { nowMs, answeredSinceMs, leaderSinceMs, discontinuityAtMs } = input;
  if (machine.believed || machine.orderly || machine.evict) return undefined;
  const ttlMs = machine.ttlSec * 1000;
  if (answeredSinceMs === undefined) return { because: 'own-lease', untilMs: undefined };
  if (brakedUntilMs !== undefined && !machine.remembered)
    return { because: 'brake', untilMs: brakedUntilMs };
  // All through its ttl the store answered us, and not it.
  if (nowMs < answeredSinceMs + ttlMs)
    return { because: 'own-lease', untilMs: answeredSinceMs + ttlMs };
  if (discontinuityAtMs !== undefined) {
    const untilMs = Math.max(leaderSinceMs, discontinuityAtMs) + ttlMs;
    if (nowMs < untilMs) return { because: 'discontinuity', untilMs };
  }
  if (machine.remembered) return undefined;
  if (nowMs < leaderSinceMs + NEW_LEADER_WAIT_MS)
    return { because: 'new-leader', untilMs: leaderSinceMs + NEW_LEADER_WAIT_MS };
  if (input.silent === undefined) return { because: 'unprobed', untilMs: nowMs + PROBE_AGAIN_MS };
  if (mayBecomeTooMany(input)) return { because: 'silent', untilMs: nowMs + PROBE_AGAIN_MS };
  return undefined;
}

/** The brake would be pulled if those that are silent vanished too. Either they do, or they renew; both within their ttl. */
function mayBecomeTooMany(input: AbsenceInput): boolean {
  const { nowMs, present, silent = 0 } = input;
  const isRecent = ({ vanishedAtMs, ttlSec }: Timed): boolean =>
    nowMs - vanishedAtMs <= ttlSec * 1000;
  const missing = [...countedOf(input), ...rememberedOf(input)].filter(isRecent).length;
  const back = input.returned.filter((each) => isRecent(each) && !each.silent).length;
  return silent > 0 && isTooMany(missing + back + silent, missing + present);
}

/** The brake as of now: on until all of its machines are back or given up by a person, or its time is over. */
function brakeFor(input: AbsenceInput): Brake | undefined {
  const { nowMs } = input;
  const { kept, held, over } = heldBy(input);
  // What a person has given up, or an earlier leader, is not held, but it vanished with the others.
  const missing = [...countedOf(input), ...givenUp(input), ...rememberedOf(input)];
  const together = new Set<Timed>(largestGroup<Timed>([...missing, ...input.returned]));
  const away = missing.filter((machine) => together.has(machine));
  const toHold = away.filter(({ evict, remembered }) => !evict && !remembered);
  const isNew = toHold.some(({ id }) => kept?.machines.includes(id) !== true);
  if (isTooMany(together.size, input.present + away.length) && isNew) {
    const group = [...new Set([...(over ? [] : held), ...toHold])];
    const ttlMs = Math.max(...group.map(({ ttlSec }) => ttlSec)) * 1000;
    const machines = group.map(({ id }) => id).sort();
    return { sinceMs: nowMs, untilMs: nowMs + BRAKE_TTLS * ttlMs, machines };
  }
  return kept;
}

/** The machines that count for another brake: those that the last one could not save do not pull it again. */
function countedOf(input: AbsenceInput): readonly Vanished[] {
  const { held, over } = heldBy(input);
  const missing = missingOf(input);
  return over ? missing.filter((machine) => !held.includes(machine)) : missing;
}

/** What the brake that was on still holds. */
function heldBy(input: AbsenceInput): {
  readonly kept: Brake | undefined;
  readonly held: readonly Vanished[];
  readonly over: boolean;
} {
  const { brake, nowMs } = input;
  const held = missingOf(input).filter(({ id }) => brake?.machines.includes(id));
  const kept = held.length > 0 ? brake : undefined;
  return { kept, held, over: kept !== undefined && nowMs >= kept.untilMs };
}

function missingOf({ vanished }: AbsenceInput): readonly Vanished[] {
  return vanished.filter(({ orderly, evict, remembered }) => !orderly && !evict && !remembered);
}

function givenUp({ vanished }: AbsenceInput): readonly Vanished[] {
  return vanished.filter(({ orderly, evict, remembered }) => evict && !orderly && !remembered);
}

function rememberedOf({ vanished }: AbsenceInput): readonly Vanished[] {
  return vanished.filter(({ orderly, remembered }) => remembered && !orderly);
}

/** More than half of all, and at least two. */
function isTooMany(vanished: number, all: number): boolean {
  return vanished >= 2 && vanished * 2 > all;
}

/** The most machines that vanished within one ttl. */
function largestGroup<T extends Timed>(vanished: readonly T[]): readonly T[] {
  const sorted = vanished.toSorted((a, b) => a.vanishedAtMs - b.vanishedAtMs);
  let largest: readonly T[] = [];
  let from = 0;
  for (const [index, last] of sorted.entries()) {
    const spans = (first: T | undefined): boolean =>
      first !== undefined &&
      last.vanishedAtMs - first.vanishedAtMs > Math.max(first.ttlSec, last.ttlSec) * 1000;
    while (spans(sorted[from])) from += 1;
    if (index - from + 1 > largest.length) largest = sorted.slice(from, index + 1);
  }
  return largest;
}

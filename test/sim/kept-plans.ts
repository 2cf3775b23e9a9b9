// Plans that once failed, cut down to what they needed, and one for what chance seldom brings about. They stay what they are when the
// code changes that draws new ones.
import { readFileSync } from 'node:fs';
import type { Plan } from './plan.ts';

/** Names of files in plans/, with what each found or would find; docs/track-record.md tells of them. */
export const keptPlans: readonly (readonly [name: string, found: string])[] = [
  ['refused-though-committed', 'a request was refused although its first try was committed'],
  ['leave-with-a-full-disk', 'a unit stayed down after its host had left with a full disk'],
  ['mirrors-of-two-histories', 'a restored store stopped a global unit'],
  ['leave-interrupted', 'units that an interrupted leave had stopped stayed down'],
  ['taken-from-a-machine-that-is-back', 'a unit was taken from a machine that was back'],
  ['brake-after-the-first', 'of machines that vanished together the first lost its units'],
  ['key-under-another-lease', 'a machine let the lease go that its key hung on'],
  ['killed-in-a-leave-with-a-full-disk', 'units that a leave had stopped stayed down'],
  ['ended-before-the-timer-rang', 'what had ended by itself was started again'],
  ['a-leader-after-a-restore', 'a new leader gave up a machine that the restored store had lost'],
  ['rows-after-a-restore', 'what a host reported was missing from a restored store'],
  ['rows-of-one-that-is-back', 'rows of a machine were deleted that was back'],
  ['rows-behind-a-late-write', 'rows were missing that a late deletion took'],
  [
    'handed-over-before-the-restore',
    'a key that came back with a restore was not handed over again',
  ],
  ['old-news-behind-a-lost-lease', 'a machine acted on what was said before it was given up'],
  ['start-behind-a-stop-unheard', 'a start that nobody answered counted as done'],
  ['evict-of-one-that-is-back', 'a machine that was back would be given up'],
  ['left-before-all-was-stopped', 'a machine was gone before what it ran had stopped'],
  ['token-from-before-a-stop', 'a start waited behind a stop with a token of long ago'],
  [
    'decided-before-it-was-told-why',
    'a unit was placed and taken back for what the leader had not heard',
  ],
  ['permit-while-an-alarm-rings', 'a unit was started into a stop that nobody noted'],
  ['cut-off-between-two-timers', 'a unit would run on whose timers were taken away first'],
  ['back-before-the-others', 'machines that were back first took the units of the others'],
  ['decided-by-a-picture-from-before-a-restore', 'one unit had two placements'],
  [
    'rows-behind-a-late-write-of-the-one-before',
    'a fleetd that was dead deleted what its successor reports',
  ],
  ['two-timers-and-a-full-disk', 'what one timer had stopped counted as ended by itself'],
  ['token-that-came-late', 'a unit was started with a token below the one of its successor'],
  [
    'swapped-while-a-timer-rings',
    'a timer of the version before stopped a unit that has not the option',
  ],
  [
    'follows-what-is-destroyed',
    'a unit stayed where one that was destroyed was about to be placed',
  ],
  ['stops-on-a-full-disk', 'a unit stayed down whose stop a full disk had not noted'],
  [
    'destroyed-and-made-anew-as-an-orphan',
    'a unit was placed elsewhere while what ran of its name was being stopped',
  ],
  [
    'ended-behind-an-interrupted-leave',
    'a unit was started again that had ended by itself, and that no leave had stopped',
  ],
  ['follows-a-peer-that-changes', 'a unit was told to leave for what its peer was a moment ago'],
  ['rows-that-a-twin-took-away', 'rows were missing that a machine of the same id had deleted'],
  ['placed-beside-another-leader', 'a decision from an old picture would place a unit twice'],
  ['evicted-under-the-brake', 'the brake held what a person had given up'],
];

/** Reads one. */
export function keptPlan(name: string): Plan {
  const text = readFileSync(new URL(`plans/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(text) as Plan;
}

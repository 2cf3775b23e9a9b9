// What users were told is so: the state of each unit that the cluster has acknowledged, or those that it may be in.
// Invariant: a unit whose last request has an unknown outcome may be as before it or as after it, until a later one is acknowledged.
import type { DesiredState } from '../../src/model/unit.ts';

/** A unit as it was asked for; undefined: there is none. */
export type Wanted = Readonly<{ text: string; desiredState: DesiredState }> | undefined;

export class Ledger {
  readonly #possible = new Map<string, readonly Wanted[]>();

  /** What the unit may be; one entry where that is known. */
  possible(name: string): readonly Wanted[] {
    return this.#possible.get(name) ?? [undefined];
  }

  acknowledged(name: string, now: Wanted): void {
    this.#possible.set(name, [now]);
  }

  /** The request may have been carried out or not. */
  unknown(name: string, perhaps: Wanted): void {
    const known = this.possible(name);
    if (!known.some((one) => isSame(one, perhaps))) this.#possible.set(name, [...known, perhaps]);
  }

  /** What was found at rest: it stands from now on. Answers false where it could not have come to that. */
  settle(name: string, found: Wanted): boolean {
    const isPossible = this.possible(name).some((one) => isSame(one, found));
    this.#possible.set(name, [found]);
    return isPossible;
  }
}

function isSame(a: Wanted, b: Wanted): boolean {
  return a?.text === b?.text && a?.desiredState === b?.desiredState;
}

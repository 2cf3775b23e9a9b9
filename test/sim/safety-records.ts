// What the checks remember between events.
import type { Assignment } from '../../src/model/unit.ts';
import type { SimMachine } from './machine.ts';

/** What the store was told of a start. */
export interface Told {
  readonly generation: number;
  readonly hash: string;
  readonly by: SimMachine;
  readonly boot: number;
}

export interface Copies {
  readonly before: ReadonlyMap<string, Assignment>;
  readonly placedOn: string | undefined;
}

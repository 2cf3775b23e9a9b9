// Up to which revision the store had come, at which time on our own clock: what tells without anybody's wall clock when a key was made.
// Invariant: bounded; what was noted of a store that has gone back is forgotten.
import type { Revision } from './kv.ts';

/** With a note at each renewal, five ttls; more where renewals have failed. */
const NOTES_MAX = 16;

export interface SeenRevision {
  /** Clock time. */
  readonly atMs: number;
  readonly revision: Revision;
}

export class SeenRevisions {
  #notes: SeenRevision[];
  #reversions = 0;

  constructor(notes: readonly SeenRevision[] = []) {
    this.#notes = [...notes];
  }

  /** By time, and so by revision. */
  get notes(): readonly SeenRevision[] {
    return this.#notes;
  }

  /** One before the last is of a member that lags, and says nothing. `reversions`: as the store counts how often it has gone back. */
  note(atMs: number, revision: Revision, reversions = 0): void {
    if (reversions !== this.#reversions) this.#notes = [];
    this.#reversions = reversions;
    const last = this.#notes.at(-1);
    if (last !== undefined && revision < last.revision) return;
    this.#notes.push({ atMs, revision });
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
  }

  /** By when the store had reached it, at the latest: Infinity where that is not known yet. */
  reachedAt(revision: Revision): number {
    return this.#notes.find((note) => note.revision >= revision)?.atMs ?? Infinity;
  }
}

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

  constructor(notes: readonly SeenRevision[] = []) {
    this.#notes = [...notes];
  }

  /** By time, and so by revision. */
  get notes(): readonly SeenRevision[] {
    return this.#notes;
  }

  /** One before the last is of a member that lags, and says nothing. */
  note(atMs: number, revision: Revision): void {
    const last = this.#notes.at(-1);
    if (last !== undefined && revision < last.revision) return;
    this.#notes.push({ atMs, revision });
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
  }

  /** The store has gone back. */
  forget(): void {
    this.#notes = [];
  }

  /** When it was first known that the store had reached it: Infinity for not yet, -Infinity for before all that was noted. */
  reachedAt(revision: Revision): number {
    const at = this.#notes.findIndex((note) => note.revision >= revision);
    if (at === 0) return -Infinity;
    return this.#notes[at]?.atMs ?? Infinity;
  }
}

// The engine's reasons for not placing a unit, in sentences.
import type { Pending } from '../model/refusal.ts';

/** One sentence a line. */
export function pendingLines(pending: Pending): readonly string[] {
  return [JSON.stringify(pending.counts)];
}

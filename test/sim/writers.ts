// Who may write what.
import type { Place } from './contents.ts';
import type { Actor } from './store.ts';

/** Which parts may write what: the table of DESIGN §2. */
const WRITERS: Readonly<Record<Place['kind'], readonly string[]>> = {
  unit: ['api'],
  placed: ['api', 'engine', 'agent'],
  schedule: ['api', 'engine', 'agent'],
  global: ['api', 'engine'],
  machine: ['agent', 'store'],
  host: ['api', 'engine'],
  metadata: ['api'],
  file: ['api', 'engine'],
  state: ['agent', 'engine'],
  pending: ['api', 'engine'],
  orphan: ['agent', 'engine', 'api'],
  leader: ['engine', 'store'],
  brake: ['engine'],
  history: ['engine'],
  format: ['agent'],
  fence: ['agent'],
};

/** What is wrong with this writer of that key; undefined where nothing is. */
export function wrongWriter(place: Place, actor: Actor | undefined): string | undefined {
  const role = actor?.role ?? 'store';
  if (!WRITERS[place.kind].includes(role)) return `${role} writes a ${place.kind} record`;
  const machine = actor?.process.machine;
  if (role !== 'agent' || !('machine' in place) || place.machine === machine?.id) return undefined;
  return `${machine?.name} writes a record of another machine`;
}

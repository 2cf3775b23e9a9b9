// What a change of a key tells a reader of events; undefined for keys that concern no reader.
import type { WatchEvent } from '../store/kv.ts';
import { readRecord, type Registry } from '../registry/registry.ts';
import { pendingLines } from './pending-lines.ts';
import { v2State, v2Unit } from './render.ts';
import type { V2Event } from './types.ts';

/** The event for a reader; decodes only what `wants` lets pass. A record that cannot be read is passed over. */
export function eventOf(
  registry: Registry,
  event: WatchEvent,
  wants: (name: string) => boolean,
): V2Event | undefined {
  const { units, placements, pendings, states } = registry.keys;
  const key = event.kind === 'put' ? event.kv.key : event.key;
  const prefix = [units, placements, pendings, states].find((one) => key.startsWith(one));
  if (prefix === undefined) return undefined;
  const [name = '', machineID = ''] = key.slice(prefix.length).split('/');
  if (!wants(name)) return undefined;
  if (event.kind === 'delete') {
    if (prefix === states) return { kind: 'state', name, machineID };
    return { kind: prefix === units ? 'unit' : prefix === placements ? 'placed' : 'pending', name };
  }
  const { kv } = event;
  if (prefix === units) {
    const unit = readRecord(registry, 'unit', kv);
    return unit && { kind: 'unit', name, unit: v2Unit(unit) };
  }
  if (prefix === placements) {
    const placed = readRecord(registry, 'placement', kv);
    return placed && { kind: 'placed', name, machineID: placed.machine, releasing: placed.release };
  }
  if (prefix === pendings) {
    const pending = readRecord(registry, 'pending', kv);
    return pending && { kind: 'pending', name, pending, lines: pendingLines(pending) };
  }
  const state = readRecord(registry, 'state', kv);
  return state && { kind: 'state', name, machineID, state: v2State({ kind: 'state', state }) };
}

// What a change of a key tells a reader of events; undefined for keys that concern no reader.
import type { WatchEvent } from '../store/kv.ts';
import { readRecord, type Registry } from '../registry/registry.ts';
import { pendingSentences } from '../scheduler/explain.ts';
import { v2State, v2Unit } from './render.ts';
import type { V2Event } from './types.ts';

/** The event for a reader; decodes only what `wants` lets pass. A record that cannot be read is passed over. */
export function eventOf(
  registry: Registry,
  event: WatchEvent,
  wants: (name: string) => boolean,
): V2Event | undefined {
  const { units, placements, pendings, states, orphans } = registry.keys;
  const key = event.kind === 'put' ? event.kv.key : event.key;
  if (key.startsWith(orphans)) return orphanEvent(registry, event, key, wants);
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
    return pending && { kind: 'pending', name, pending, lines: pendingSentences(pending) };
  }
  const state = readRecord(registry, 'state', kv);
  return state && { kind: 'state', name, machineID, state: v2State({ kind: 'state', state }) };
}

/** A row that an orphan has, or has no more; the machine may report the unit as its own instead. */
function orphanEvent(
  registry: Registry,
  event: WatchEvent,
  key: string,
  wants: (name: string) => boolean,
): V2Event | undefined {
  const [machineID = '', name = ''] = key.slice(registry.keys.orphans.length).split('/');
  if (!wants(name)) return undefined;
  const told = { kind: 'state', name, machineID, orphan: true } as const;
  if (event.kind === 'delete') return told;
  const state = readRecord(registry, 'orphan', event.kv);
  return state && { ...told, state: v2State({ kind: 'orphan', state }) };
}

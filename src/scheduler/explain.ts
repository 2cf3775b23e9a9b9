// Refusals and pending records → sentences for a person: what is required, and what is there.
// Invariant: no decision is made here; every value comes from the record.
import type { Capability, MachineId } from '../model/machine.ts';
import type { Pending, Refusal, RefusalKind } from '../model/refusal.ts';
import { SHORT_ID_DIGITS } from './machine-filters.ts';

/** One machine's refusal: `machine 85c0c595 has no metadata role (needs role=web or role=db)`. */
export function refusalSentence(machine: MachineId, refusal: Refusal): string {
  return `machine ${short(machine)} ${clause(refusal)}`;
}

/** Why a unit waits, one sentence a line; the last counts the machines that are not named. */
export function pendingSentences(pending: Pending): readonly string[] {
  if (pending.reason === 'circle')
    return [
      `MachineOf= goes in a circle, ${(pending.circle ?? []).join(' → ')}: each waits for the next, none can be the first`,
    ];
  if (pending.reason === 'orphan') return orphanSentences(pending);
  if (pending.reason !== undefined) return [REASONS[pending.reason]];
  const named = pending.machines.map(({ machine, refusal }) => refusalSentence(machine, refusal));
  const counts = Object.entries(pending.counts) as [RefusalKind, number][];
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  if (named.length === 0) return ['no machine was found that may run it'];
  const summary = `${machines(total)} ${total === 1 ? 'refuses' : 'refuse'}: ${counts
    .map(([kind, count]) => `${count} by ${KINDS[kind]}`)
    .join(', ')}`;
  if (total < 2) return named;
  const lacking = lackedByAll(pending, total);
  return lacking === undefined ? [summary, ...named] : [lacking];
}

/** `3 machines have no docker`, where that is all that there is to say. */
function lackedByAll({ counts, machines: named }: Pending, total: number): string | undefined {
  const [first] = named;
  if (counts.runtime !== total || first?.refusal.kind !== 'runtime') return undefined;
  return `${machines(total)} have no ${first.refusal.required}`;
}

/** Not placed beside what runs already; taken up where that may be. */
function orphanSentences({ name, orphans = [] }: Pending): readonly string[] {
  const [only, ...others] = orphans.map(short);
  if (others.length === 0)
    return [
      `machine ${only} runs it already, unknown to the store (an orphan), and may not take it up`,
      `stop it there (systemctl stop ${name}), and it is placed elsewhere; or end it everywhere: fleetctl destroy ${name}`,
    ];
  return [
    `machines ${[only, ...others].join(', ')} run it already, unknown to the store (orphans)`,
    `stop it on all but one of them (systemctl stop ${name}), and it is taken up there; or end it everywhere: fleetctl destroy ${name}`,
  ];
}

const REASONS: Readonly<
  Record<Exclude<Pending['reason'], undefined | 'circle' | 'orphan'>, string>
> = {
  'no-machines': 'no machine is in the cluster',
  internal:
    'planning it failed with a fault of fleet; the log of the leading fleetd has the details',
  releasing: 'its last machine has not stopped it yet',
  unreadable: 'its records or its [X-Fleet] options cannot be understood',
};

const KINDS: Readonly<Record<RefusalKind, string>> = {
  'machine-id': 'MachineID=',
  metadata: 'MachineMetadata=',
  'machine-of': 'MachineOf=',
  conflict: 'Conflicts=',
  replaces: 'Replaces=',
  'host-name': 'its host name',
  leaving: 'leaving the cluster',
  capability: 'what they can do',
  runtime: 'Runtime=',
};

const CAPABILITIES: Readonly<Record<Capability, string>> = {
  fence: 'runs a fleetd that knows no Fence=',
  'cut-off':
    'does not promise OnPartition=stop (its fleetd is too old, or its agent_ttl below 10s)',
};

function clause(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'machine-id':
      return `is not the required machine ${refusal.required}`;
    case 'metadata': {
      const { key, actual } = refusal;
      const needs = refusal.required.map((value) => `${key}=${value}`).join(' or ');
      const has = actual === undefined ? `no metadata ${key}` : `metadata ${key}=${actual}`;
      return `has ${has} (needs ${needs})`;
    }
    case 'machine-of':
      return refusal.peerOn === undefined
        ? `does not run ${refusal.peer}, which must be there and is not placed`
        : `does not run ${refusal.peer}, which must be there and is on machine ${short(refusal.peerOn)}`;
    case 'conflict':
      return `runs ${refusal.with} (${refusal.declaredBy} has Conflicts=${refusal.pattern})`;
    case 'replaces':
      return replacesClause(refusal);
    case 'host-name':
      return `has the host name '${refusal.hostname}', which cannot stand in '${refusal.value}'`;
    case 'leaving':
      return 'is leaving the cluster';
    case 'capability':
      return CAPABILITIES[refusal.required];
    case 'runtime':
      return `has no ${refusal.required}`;
  }
}

function replacesClause({
  with: other,
  circle,
}: Extract<Refusal, Readonly<{ kind: 'replaces' }>>): string {
  if (circle === undefined) return `runs ${other}, which replaces it`;
  const so = `does not take it while ${other} runs`;
  if (circle.length === 2) return `${so}: the two replace each other`;
  return `${so}: it replaces that, and moves when that moves (${circle.join(' → ')})`;
}

function short(id: MachineId): string {
  return id.slice(0, SHORT_ID_DIGITS);
}

function machines(count: number): string {
  return count === 1 ? '1 machine' : `${count} machines`;
}

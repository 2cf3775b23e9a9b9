// What a decision allocates, in bytes of V8's own count: garbage is what a plan of many units costs most, and no clock is asked for it.
import { getHeapStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { planEngine } from '../../../src/reconcile/engine-plan.ts';
import { ClusterPicture } from '../../../src/scheduler/cluster.ts';
import { machineId, machineRecord, unitRecord, type UnitWords } from '../../support/cluster.ts';

const MACHINES = 5_000;
const UNITS = 2_000;

/** `bytes` a decision at most: half as much again as was measured, 4,200 to 11,000. */
const rows: readonly { name: string; words: UnitWords; bytes: number }[] = [
  { name: 'that may run anywhere', words: {}, bytes: 6_500 },
  { name: 'with metadata', words: { metadata: ['disk=ssd'] }, bytes: 7_200 },
  { name: 'with a conflict', words: { conflicts: ['other-*.service'] }, bytes: 16_500 },
  { name: 'with a peer', words: { of: ['peer.service'] }, bytes: 14_500 },
];

describe('a plan of many units', () => {
  it.for(rows)('$name', ({ words, bytes }) => {
    const picture = new ClusterPicture();
    for (let i = 1; i <= MACHINES; i += 1) {
      const metadata = { disk: i % 2 === 0 ? 'ssd' : 'spinning' };
      picture.applyMachine(machineId(`m${i}`), machineRecord(`m${i}`, metadata));
    }
    add(picture, 'peer', 0, {});
    plan(picture);
    // Compiled by the first half, measured by the second.
    for (let i = 0; i < UNITS; i += 1) add(picture, 'warm', i, words);
    plan(picture);
    for (let i = 0; i < UNITS; i += 1) add(picture, 'u', i, words);
    const before = getHeapStatistics().total_allocated_bytes;
    const decisions = plan(picture);
    const each = (getHeapStatistics().total_allocated_bytes - before) / decisions;
    expect(decisions).toBe(UNITS);
    expect(each).toBeLessThan(bytes);
  });
});

function add(picture: ClusterPicture, prefix: string, i: number, words: UnitWords): void {
  const unit = unitRecord(i === 0 ? `${prefix}.service` : `${prefix}${i}.service`, words);
  picture.applyUnit(unit.name, unit, 1n);
}

function plan(picture: ClusterPicture): number {
  return planEngine(picture, picture.takeDirty(Infinity), Infinity).actions.length;
}

// The report loop beside a store that carries a write out late, and plans that come again and again.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostReporter, type HostReporterDeps } from '../../../agent/host-reporter.ts';
import { FleetError } from '../../../src/model/errors.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import type { CarriedOut } from '../../../src/reconcile/host-picture.ts';
import type { HostPlan } from '../../../src/reconcile/host-plan.ts';
import { decode } from '../../../src/registry/codec.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import { HostReport } from '../../../src/registry/report.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import type { Kv, Txn } from '../../../src/store/kv.ts';
import { machineId } from '../../support/cluster.ts';
import { handClock, type HandClock } from '../../support/hand-clock.ts';

const A = 'a.service' as UnitName;
const NO_PLAN: HostPlan = { actions: [], orphans: [], refusals: new Map() } as unknown as HostPlan;
const START_PLAN = { ...NO_PLAN, actions: [{ kind: 'start', unit: A }] } as unknown as HostPlan;
const never = new AbortController().signal;
const keys = keysUnder('/t/');

let clock: HandClock;
let store: MemoryStore;
let reporter: HostReporter;
let end: AbortController;
/** What systemd says of the unit. */
let active: string;
/** More jobs are to end. */
let hasMoreJobs: boolean;
/** The next write is not answered, and carried out by `land`. */
let isLate: boolean;
let late: Txn[];

beforeEach(() => {
  clock = handClock();
  store = new MemoryStore({ clock: systemClock });
  [active, isLate, late, end] = ['active', false, [], new AbortController()];
  hasMoreJobs = false;
  const machine = machineId('m1');
  const done = { name: A, hash: 'h', sha256: 's', generation: 1, desiredState: 'launched' };
  const record = { ...done, started: 1, job: 'done' } as unknown as CarriedOut;
  const carriedOut = { records: new Map([[A, record]]), save: () => Promise.resolve() };
  const systemd = {
    changed: (signal: AbortSignal) => clock.sleep(2 ** 40, signal),
    states: () => Promise.resolve(new Map([[A, { ...LOADED, activeState: active }]])),
    result: () => Promise.resolve(undefined),
    failures: () => Promise.resolve(new Map()),
  };
  const deps = {
    systemd,
    clock,
    log: silentLog,
    machine,
    incarnation: 'boot',
    unitDir: {},
    carriedOut,
    report: new HostReport(lateKv(store), keys, machine),
    view: {
      wanted: () => new Map([[A, { kind: 'keep', target: done }]]),
      plan: () => NO_PLAN,
      refusals: () => new Map(),
      isRunning: () => false,
      hasMoreJobs: () => hasMoreJobs,
    },
  };
  reporter = new HostReporter(deps as unknown as HostReporterDeps);
  reporter.run(end.signal).catch(() => undefined);
  reporter.planned(NO_PLAN);
});
afterEach(async () => {
  end.abort(new Error('over'));
  await store.close();
});

const LOADED = { loadState: 'loaded', subState: 'running', fragmentPath: '', unitFileState: '' };

function lateKv(kv: Kv): Kv {
  return new Proxy(kv, {
    get(target, name) {
      if (name !== 'txn') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (txn: Txn, signal: AbortSignal) => {
        if (!isLate || txn.then.every(({ kind }) => kind === 'get'))
          return await target.txn(txn, signal);
        isLate = false;
        late.push(txn);
        throw new FleetError('STORE_UNAVAILABLE', 'no answer', { details: { ambiguous: true } });
      };
    },
  });
}

async function land(): Promise<void> {
  for (const txn of late.splice(0)) await store.txn(txn, never);
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) await clock.pass(10);
}

async function row(): Promise<string | undefined> {
  const { kvs } = await store.range(keys.states, {}, never);
  return kvs.map(({ key, value }) => decode('state', key, value).activeState)[0];
}

describe('HostReporter', () => {
  it.for([5_000, 26_000, 29_000, 35_000])(
    'mends within 36 s what a write without an answer makes of a row, %d ms behind its start',
    async (atMs) => {
      await pass(atMs);
      expect(await row()).toBe('active');
      [active, isLate] = ['failed', true];
      reporter.touch(A);
      await pass(50);
      active = 'active';
      await pass(6_000);
      await land();
      expect(await row()).toBe('failed');
      await pass(30_000);
      expect(await row()).toBe('active');
    },
  );

  it.for([
    { more: true, seen: 'active', what: 'waits a little for those that follow' },
    { more: false, seen: 'failed', what: 'reports many ends at once when none is to follow' },
  ])('$what', async ({ more, seen }) => {
    await pass(10_000);
    [active, hasMoreJobs] = ['failed', more];
    for (let n = 0; n < 10; n += 1) reporter.touch(`u${n}.service` as UnitName);
    reporter.touch(A);
    await pass(20);
    expect(await row()).toBe(seen);
    await pass(40);
    expect(await row()).toBe('failed');
  });

  it('reports a unit that one plan after the other starts', async () => {
    await pass(10_000);
    active = 'failed';
    for (let plans = 0; plans < 4; plans += 1) {
      reporter.planned(START_PLAN);
      await pass(100);
    }
    expect(await row()).toBe('failed');
  });

  it('reports an end at once that came right before the plan that starts the unit again', async () => {
    await pass(10_000);
    active = 'failed';
    reporter.touch(A);
    reporter.planned(START_PLAN);
    await pass(50);
    expect(await row()).toBe('failed');
  });
});

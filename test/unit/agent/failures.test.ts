import { describe, expect, it } from 'vitest';
import { withFailures } from '../../../agent/failures.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import type { Look } from '../../../src/reconcile/host-rows.ts';
import { FleetError } from '../../../src/model/errors.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { picture } from '../../support/host-picture.ts';

const A = 'a.service' as UnitName;
const B = 'b.service' as UnitName;
const { signal } = new AbortController();

/** A systemd with the answers of `Result` in their order; an error is thrown. */
class Answering extends FakeSystemd {
  readonly asked: string[] = [];
  readonly #answers: (string | Error)[];

  constructor(...answers: (string | Error)[]) {
    super();
    this.#answers = answers;
  }

  override result(name: UnitName): Promise<string | undefined> {
    this.asked.push(name);
    const answer = this.#answers.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }
}

function looks(activeState = 'failed'): Map<UnitName, Look> {
  const { carriedOut } = picture({
    done: { 'a.service': 'launched 1 A', 'b.service': 'launched 1 B' },
  });
  const state = { loadState: 'loaded', activeState: 'active', subState: 'x' };
  return new Map([
    [A, { done: carriedOut.get(A)!, state: { ...state, activeState } }],
    [B, { done: carriedOut.get(B)!, state }],
  ]);
}

describe('withFailures', () => {
  it('withFailures asks of what is failed, and once while nothing is carried out', async () => {
    const systemd = new Answering('signal', 'timeout');
    const now = looks();
    const first = await withFailures(systemd, now, new Map(), signal);
    expect(first.get(A)?.failure).toBe('signal');
    expect(first.get(B)).not.toHaveProperty('failure');
    const second = await withFailures(systemd, now, first, signal);
    expect(second.get(A)?.failure).toBe('signal');
    expect(systemd.asked).toEqual([A]);
    const startedAnew = await withFailures(systemd, looks(), second, signal); // other records
    expect(startedAnew.get(A)?.failure).toBe('timeout');
  });

  it('withFailures forgets the reason of what is no longer failed', async () => {
    const systemd = new Answering('signal', 'watchdog');
    const failed = looks();
    const first = await withFailures(systemd, failed, new Map(), signal);
    const { done } = first.get(A)!;
    const up = looks('active');
    const second = await withFailures(systemd, up.set(A, { ...up.get(A)!, done }), first, signal);
    expect(second.get(A)).not.toHaveProperty('failure');
    expect((await withFailures(systemd, failed, second, signal)).get(A)?.failure).toBe('watchdog');
  });

  it.for([[new FleetError('DBUS_TIMEOUT', 'late')], ['success']] as const)(
    'withFailures goes on without an answer (%s), and asks again',
    async ([answer]) => {
      const systemd = new Answering(answer, 'exit-code');
      const now = looks();
      const first = await withFailures(systemd, now, new Map(), signal);
      expect(first.get(A)).not.toHaveProperty('failure');
      expect((await withFailures(systemd, now, first, signal)).get(A)?.failure).toBe('exit-code');
    },
  );
});

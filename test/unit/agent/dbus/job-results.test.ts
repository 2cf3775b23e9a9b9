import { describe, expect, it } from 'vitest';
import { JobResults } from '../../../../agent/dbus/job-results.ts';
import { FleetError } from '../../../../src/model/errors.ts';

const job = { path: '/job/1', unit: 'a.service', kind: 'start' } as const;

describe('JobResults', () => {
  it('settles a job that ends after the reply', async () => {
    const results = new JobResults();
    results.calling();
    const ended = results.track(job);
    results.ended('/job/1', 'done');
    expect(await ended).toBe('done');
    expect(results.unfinished()).toEqual([]);
  });

  it('settles a job whose end came before the reply', async () => {
    const results = new JobResults();
    results.calling();
    results.ended('/job/1', 'failed');
    expect(await results.track(job)).toBe('failed');
  });

  it('does not keep the end of a job that no call can claim', () => {
    const results = new JobResults();
    results.ended('/job/1', 'failed');
    results.calling();
    results.gaveUp();
    results.calling();
    void results.track(job);
    expect(results.unfinished()).toHaveLength(1);
  });

  it('forgets early ends when the last call has given up', () => {
    const results = new JobResults();
    results.calling();
    results.calling();
    results.ended('/job/1', 'done');
    results.gaveUp();
    results.gaveUp();
    results.calling();
    void results.track(job);
    expect(results.unfinished()).toHaveLength(1);
  });

  it('settles both of two calls that share a job', async () => {
    const results = new JobResults();
    results.calling();
    results.calling();
    const both = Promise.all([results.track(job), results.track(job)]);
    results.ended('/job/1', 'done');
    expect(await both).toEqual(['done', 'done']);
  });

  it('rejects a job that is lost', async () => {
    const results = new JobResults();
    results.calling();
    const ended = results.track(job);
    results.lost('/job/1', new FleetError('DBUS_CLOSED', 'gone'));
    await expect(ended).rejects.toMatchObject({ code: 'DBUS_CLOSED' });
  });
});

// The Systemd port's adapter against a real systemd: over a bus and over systemd's own socket.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSystemd } from '../../agent/dbus/systemd.ts';
import type { DbusSystemd } from '../../agent/dbus/systemd.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { eventually } from '../support/eventually.ts';
import { privateSystemdMissing, startPrivateSystemd } from '../support/private-systemd.ts';
import type { PrivateSystemd } from '../support/private-systemd.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.log(`skipped, systemd: ${missing}`);

let signal: AbortSignal;
const unit = (name: string): UnitName => name as UnitName;
const SLEEP = '[Service]\nExecStart=/bin/sleep infinity\n';
const HANG = `[Service]\nType=notify\nTimeoutStartSec=infinity\nExecStartPre=/bin/sleep infinity\nExecStart=/bin/sleep infinity\n`;

let host: PrivateSystemd;

function write(files: Readonly<Record<string, string>>): readonly string[] {
  mkdirSync(`${host.dir}/units`, { recursive: true });
  return Object.entries(files).map(([name, text]) => {
    const path = `${host.dir}/units/${name}`;
    writeFileSync(path, text);
    return path;
  });
}

async function load(systemd: DbusSystemd, files: Readonly<Record<string, string>>): Promise<void> {
  await systemd.link(write(files), signal);
  await systemd.reload(signal);
}

async function ended(job: Promise<{ ended: Promise<string> }>): Promise<string> {
  return (await job).ended;
}

async function activeState(systemd: DbusSystemd, name: string): Promise<string | undefined> {
  return (await systemd.states([unit(name)], signal)).get(unit(name))?.activeState;
}

beforeEach(() => {
  signal = AbortSignal.timeout(20_000);
});
beforeAll(async () => {
  if (missing === undefined) host = await startPrivateSystemd();
});
afterAll(async () => {
  await host?.stop();
});

describe.skipIf(missing !== undefined).each(['bus', 'private'] as const)(
  'openSystemd over the %s socket',
  (kind) => {
    let systemd: DbusSystemd;
    const name = (rest: string): UnitName => unit(`${kind}-${rest}`);
    const open = (): DbusSystemd =>
      openSystemd({
        address: kind === 'bus' ? host.address : host.privateAddress,
        clock: systemClock,
      });

    beforeAll(() => (systemd = open()));
    afterAll(() => systemd.close());

    it('links, reloads and starts a unit, and says when the job has ended', async () => {
      const hello = name('hello.service');
      await load(systemd, { [hello]: SLEEP });
      expect(await systemd.properties(hello, signal)).toEqual({
        loadState: 'loaded',
        activeState: 'inactive',
        subState: 'dead',
        fragmentPath: `${host.dir}/units/${hello}`,
        unitFileState: 'linked-runtime',
      });
      expect(await ended(systemd.start(hello, signal))).toBe('done');
      expect((await systemd.states([hello], signal)).get(hello)).toEqual({
        loadState: 'loaded',
        activeState: 'active',
        subState: 'running',
      });
      expect(host.systemctl('is-active', hello)).toBe('active\n');
      expect(await ended(systemd.stop(hello, signal))).toBe('done');
      await systemd.disable([hello], signal);
      await systemd.reload(signal);
      expect(await systemd.properties(hello, signal)).toBeUndefined();
    });

    it('starts 100 units with one link and one reload', async () => {
      const names = Array.from({ length: 100 }, (_, i) => name(`batch${i}.service`));
      await load(systemd, Object.fromEntries(names.map((each) => [each, SLEEP])));
      const results = await Promise.all(names.map((each) => ended(systemd.start(each, signal))));
      expect(new Set(results)).toEqual(new Set(['done']));
      const states = await systemd.states(names, signal);
      expect([...states.values()].filter((state) => state.activeState === 'active')).toHaveLength(
        100,
      );
      await Promise.all(names.map((each) => ended(systemd.stop(each, signal))));
      await systemd.disable(names, signal);
    });

    it('answers failed and the Result exit-code for a unit that fails to start', async () => {
      const bad = name('bad.service');
      await load(systemd, { [bad]: '[Service]\nType=oneshot\nExecStart=/bin/false\n' });
      expect(await ended(systemd.start(bad, signal))).toBe('failed');
      expect(await systemd.result(bad, signal)).toBe('exit-code');
      await systemd.resetFailed(bad, signal);
      expect(await activeState(systemd, bad)).toBe('inactive');
    });

    it('runs a oneshot to its end', async () => {
      const once = name('once.service');
      await load(systemd, { [once]: '[Service]\nType=oneshot\nExecStart=/bin/true\n' });
      expect(await ended(systemd.start(once, signal))).toBe('done');
      expect(await activeState(systemd, once)).toBe('inactive');
    });

    it('wakes when a timer starts its service, and when a unit ends by itself', async () => {
      const [timer, tick, short] = [
        name('tick.timer'),
        name('tick.service'),
        name('short.service'),
      ];
      await load(systemd, {
        [tick]: '[Service]\nType=oneshot\nExecStart=/bin/sleep 0.2\n',
        [timer]: '[Timer]\nOnActiveSec=300ms\nAccuracySec=1ms\n',
        [short]: '[Service]\nExecStart=/bin/sleep 0.2\n',
      });
      expect(await ended(systemd.start(timer, signal))).toBe('done');
      expect(await systemd.result(timer, signal)).toBe('success');
      const ran = (): boolean =>
        host.systemctl('show', '--value', '-p', 'ExecMainExitTimestampMonotonic', tick) !== '0\n';
      while (!ran()) await systemd.changed(signal);
      await ended(systemd.stop(timer, signal));
      await ended(systemd.start(short, signal));
      while ((await activeState(systemd, short)) !== 'inactive') await systemd.changed(signal);
    });

    it('sleeps in changed() when only its own asking loads and unloads units', async () => {
      const idle = name('idle.service');
      await load(systemd, { [idle]: SLEEP });
      await systemd.states([idle], signal);
      const pause = AbortSignal.timeout(500);
      await systemd.changed(signal); // what led here
      let woken = 0;
      await expect(
        (async () => {
          for (;;) {
            await systemd.states([idle], signal);
            await systemd.changed(pause);
            woken += 1;
          }
        })(),
      ).rejects.toThrow();
      expect(woken).toBeLessThan(5);
    });

    it('takes a stop, a disable and a resetFailed of an unknown unit as done', async () => {
      const unknown = name('unknown.service');
      expect(await ended(systemd.stop(unknown, signal))).toBe('done');
      await systemd.disable([unknown], signal);
      await systemd.resetFailed(unknown, signal);
      expect(await systemd.properties(unknown, signal)).toBeUndefined();
      expect(await systemd.pendingJob(unknown, signal)).toBeUndefined();
      await expect(systemd.start(unknown, signal)).rejects.toMatchObject({
        code: 'DBUS_CALL_FAILED',
        details: { errorName: 'org.freedesktop.systemd1.NoSuchUnit' },
      });
    });

    it('disables the known ones of a batch with unknown names, also those whose file is gone', async () => {
      const [known, gone] = [name('known.service'), name('gone.service')];
      await load(systemd, { [known]: SLEEP, [gone]: SLEEP });
      rmSync(`${host.dir}/units/${gone}`);
      await systemd.disable([unit('no1.service'), known, unit('no2.service'), gone], signal);
      const links = readdirSync(`${host.dir}/run/systemd/user`);
      expect(links).not.toContain(known);
      expect(links).not.toContain(gone);
    });

    it('shows where a unit from elsewhere comes from', async () => {
      const elsewhere = name('elsewhere.service');
      writeFileSync(`${host.dir}/config/systemd/user/${elsewhere}`, SLEEP);
      await systemd.reload(signal);
      expect(await systemd.properties(elsewhere, signal)).toMatchObject({
        fragmentPath: `${host.dir}/config/systemd/user/${elsewhere}`,
        unitFileState: 'static',
      });
    });

    it('enables what has an [Install] section, and disables it', async () => {
      const wanted = name('wanted.service');
      await systemd.link(
        write({ [wanted]: `${SLEEP}[Install]\nWantedBy=default.target\n` }),
        signal,
      );
      await systemd.enable([wanted], signal);
      await systemd.reload(signal);
      expect((await systemd.properties(wanted, signal))?.unitFileState).toBe('enabled-runtime');
      expect(host.systemctl('show', '-p', 'Wants', 'default.target')).toContain(wanted);
      await systemd.disable([wanted], signal);
      await systemd.reload(signal);
      expect(host.systemctl('show', '-p', 'Wants', 'default.target')).not.toContain(wanted);
    });

    it('tells the type of a pending job', async () => {
      const hang = name('pending.service');
      await load(systemd, { [hang]: HANG });
      const job = await systemd.start(hang, signal);
      expect(await systemd.pendingJob(hang, signal)).toBe('start');
      expect(await ended(systemd.stop(hang, signal))).toBe('done');
      expect(await job.ended).toBe('canceled');
      expect(await systemd.pendingJob(hang, signal)).toBeUndefined();
    });

    it('starts a 65th unit within 2 s while 64 hang in start, and can stop those', async () => {
      const hanging = Array.from({ length: 64 }, (_, i) => name(`hang${i}.service`));
      const free = name('free.service');
      await load(systemd, {
        ...Object.fromEntries(hanging.map((each) => [each, HANG])),
        [free]: SLEEP,
      });
      const jobs = await Promise.all(hanging.map((each) => systemd.start(each, signal)));
      const asked = performance.now();
      const start = systemd.start(free, signal);
      expect(systemd.waitingStarts).toBe(1);
      expect(await ended(start)).toBe('done');
      expect(performance.now() - asked).toBeLessThan(2000);
      expect(systemd.waitingStarts).toBe(0);
      await Promise.all([...hanging, free].map((each) => ended(systemd.stop(each, signal))));
      expect(new Set(await Promise.all(jobs.map((job) => job.ended)))).toEqual(
        new Set(['canceled']),
      );
    });

    it('answers 200 calls at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 200 }, () => systemd.states([unit('dbus.service')], signal)),
      );
      expect(answers.every((states) => states.size === 1)).toBe(true);
    });

    it('gives up a call when its signal aborts', async () => {
      const controller = new AbortController();
      const call = systemd.properties(unit('dbus.service'), controller.signal);
      controller.abort(new Error('enough'));
      await expect(call).rejects.toThrow('enough');
    });

    it('keeps its jobs through a daemon-reexec', async () => {
      const slow = name('slow.service');
      await load(systemd, {
        [slow]: '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n',
      });
      const job = await systemd.start(slow, signal);
      host.systemctl('daemon-reexec');
      expect(await job.ended).toBe('done');
      expect(await activeState(systemd, slow)).toBe('active');
    });

    it('settles every call and reconnects when the bus is killed in mid-call', async () => {
      if (kind === 'private') return; // there is no bus to kill
      const slow = name('survivor.service');
      await load(systemd, {
        [slow]: '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n',
      });
      const job = await systemd.start(slow, signal);
      const busPid = host.systemctl('show', '-p', 'MainPID', '--value', 'dbus.service').trim();
      const calls = Array.from({ length: 300 }, () => systemd.states([slow], signal));
      process.kill(Number(busPid), 'SIGKILL');
      const settled = await Promise.allSettled(calls);
      for (const call of settled) {
        if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'DBUS_CLOSED' });
      }
      expect(await activeState(systemd, 'dbus.service')).toBe('active');
      expect(await job.ended).toBe('done');
      expect(await activeState(systemd, slow)).toBe('active');
    });

    it('rejects with DBUS_TIMEOUT when systemd is frozen, and goes on when it thaws', async () => {
      const hasty = openSystemd({
        address: kind === 'bus' ? host.address : host.privateAddress,
        clock: systemClock,
        timeoutMs: 300,
      });
      await hasty.states([unit('dbus.service')], signal);
      const busPid = host.systemctl('show', '-p', 'MainPID', '--value', 'dbus.service').trim();
      const manager = Number(
        /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${busPid}/status`, 'utf8'))![1],
      );
      process.kill(manager, 'SIGSTOP');
      try {
        await expect(hasty.states([unit('dbus.service')], signal)).rejects.toMatchObject({
          code: 'DBUS_TIMEOUT',
        });
      } finally {
        process.kill(manager, 'SIGCONT');
      }
      await eventually(() => hasty.states([unit('dbus.service')], signal).then(() => true));
      await hasty.close();
    });

    it('rings an alarm at its time, with nobody connected, and takes others away', async () => {
      const rang = `${host.dir}/rang-${kind}`;
      const first = open();
      const atMs = systemClock.now() + 1_000;
      const commands = [['/bin/false'], ['/bin/cp', '/proc/uptime', rang]];
      await first.setAlarms(
        [
          { name: `alarm-${kind}-1`, atMs, commands },
          { name: `alarm-${kind}-2`, atMs: atMs + 60_000, commands: [['/bin/true']] },
          { name: `alarm-${kind}-3`, atMs: atMs - 60_000, commands: [['/bin/touch', `${rang}-3`]] },
        ],
        signal,
      );
      await first.close();
      await eventually(() => existsSync(`${rang}-3`));
      // Two are set, and ring not before their time.
      await eventually(async () => !(await systemd.isRinging(`alarm-${kind}-`, signal)));
      expect(existsSync(rang)).toBe(false);
      // There, and written: cp does one after the other.
      await eventually(() => existsSync(`${rang}-3`) && readFileSync(rang, 'utf8') !== '');
      const rangAtMs = Number(readFileSync(rang, 'utf8').split(' ')[0]) * 1000;
      const suspendedMs = systemClock.bootMs() - systemClock.now();
      expect(rangAtMs - suspendedMs).toBeGreaterThan(atMs - 30); // /proc/uptime is in steps of 10 ms
      // systemd takes an alarm that rang away when its last command has ended, which is after the file is there.
      const left = async () => (await systemd.alarms(`alarm-${kind}-`, signal)).join(' ');
      await eventually(async () => (await left()) === `alarm-${kind}-2`);
      await systemd.clearAlarms([`alarm-${kind}-2`, `alarm-${kind}-none`], signal);
      // systemd answers when the stop is a job, and carries it out behind that.
      await eventually(async () => (await systemd.alarms('alarm-', signal)).length === 0);
    });

    it('knows that an alarm rings, also when it was taken away meanwhile', async () => {
      const commands = [['/bin/sleep', '1.5']];
      const alarm = { name: `rings-${kind}-1`, atMs: systemClock.now() - 1_000, commands };
      await systemd.setAlarms([alarm], signal);
      await eventually(() => systemd.isRinging(`rings-${kind}-`, signal));
      await systemd.clearAlarms([alarm.name], signal);
      await eventually(async () => (await systemd.alarms(`rings-${kind}-`, signal)).length === 0);
      expect(await systemd.isRinging(`rings-${kind}-`, signal)).toBe(true);
      await eventually(async () => !(await systemd.isRinging(`rings-${kind}-`, signal)));
    });

    it('knows how long a service may take to stop', async () => {
      await load(systemd, {
        [name('short.service')]: `${SLEEP}TimeoutStopSec=2500ms\n`,
        [name('endless.service')]: `${SLEEP}TimeoutStopSec=infinity\n`,
      });
      expect(await systemd.stopTimeoutMs(name('short.service'), signal)).toBe(2_500);
      expect(await systemd.stopTimeoutMs(name('endless.service'), signal)).toBeUndefined();
      expect(await systemd.stopTimeoutMs(name('any.socket'), signal)).toBeUndefined();
    });

    it('rejects with DBUS_CLOSED after close', async () => {
      const other = open();
      await other.states([unit('dbus.service')], signal);
      await other.close();
      await expect(other.states([unit('dbus.service')], signal)).rejects.toMatchObject({
        code: 'DBUS_CLOSED',
      });
    });
  },
);

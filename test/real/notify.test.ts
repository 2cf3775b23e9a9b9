// notify.ts and listen-fds.ts in a service of a real systemd.
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { privateSystemdMissing, startPrivateSystemd } from '../support/private-systemd.ts';
import type { PrivateSystemd } from '../support/private-systemd.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.log(`skipped, notify: ${missing}`);

const PROBE = fileURLToPath(new URL('../support/notify-probe.ts', import.meta.url));

describe.skipIf(missing !== undefined)('a service that notifies', () => {
  let host: PrivateSystemd;
  beforeAll(async () => {
    host = await startPrivateSystemd();
    const units = `${host.dir}/config/systemd/user`;
    mkdirSync(units, { recursive: true });
    writeFileSync(
      `${units}/probe.service`,
      `[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=600ms\nExecStart=${process.execPath} ${PROBE}\n`,
    );
    writeFileSync(
      `${units}/probe.socket`,
      `[Socket]\nListenStream=${host.dir}/probe.sock\nFileDescriptorName=api\n`,
    );
    host.systemctl('daemon-reload');
  });
  afterAll(() => host.stop());

  const show = (property: string): string =>
    host.systemctl('show', '--value', '-p', property, 'probe.service').trim();

  it('gets its sockets, is ready when it says so, and keeps its watchdog', async () => {
    host.systemctl('start', 'probe.socket');
    const answer = JSON.parse(await text(connect(`${host.dir}/probe.sock`))) as unknown;
    expect(answer).toEqual({ fds: [{ fd: 3, name: 'api' }], leftovers: [], watchdogMs: 300 });
    await eventually(() => show('ActiveState') === 'active');
    expect(show('StatusText')).toBe('all is well');
    const first = Number(show('WatchdogTimestampMonotonic'));
    await eventually(() => Number(show('WatchdogTimestampMonotonic')) > first + 1_000_000);
    expect(show('NRestarts')).toBe('0');
    host.systemctl('stop', 'probe.socket', 'probe.service');
    expect(show('Result')).toBe('success');
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { V2Daemon } from '../../src/api/types.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const HERE: Omit<V2Daemon, 'version'> = { machineID: machineId(1), systemd: 'system' };

let fleet: Fleet;
beforeEach(() => {
  fleet = new Fleet();
});
afterEach(() => fleet.stop());

/** a.service runs on machine 1, b.service on machine 2; machine 1 answers. */
async function begin(daemon: Omit<V2Daemon, 'version'> = HERE): Promise<void> {
  const { api } = await fleet.start({ daemon });
  for (const [name, n] of [
    ['a.service', 1],
    ['b.service', 2],
  ] as const) {
    await api.machine(machineId(n), { primaryIp: `10.0.0.${n}` });
    await api.call('PUT', `/fleet/v2/units/${name}`, { text: TEXT, desiredState: 'launched' });
    await api.place(name, machineId(n));
    await api.report(name, machineId(n), { started: 1, job: 'done' });
  }
}

const commands = () => fleet.spawned.map(({ command }) => command.join(' '));
const SSH =
  'ssh -o UserKnownHostsFile=/k -o StrictHostKeyChecking=ask -o ConnectTimeout=10 core@10.0.0.2 --';

describe('fleetctl status', () => {
  it('asks systemctl here, and through SSH elsewhere', async () => {
    await begin();
    expect(await fleet.run('--known-hosts-file=/k', 'status', 'a', 'b')).toEqual({
      status: 0,
      stdout: '\n',
      stderr: '',
    });
    expect(commands()).toEqual([
      'systemctl status -l --no-pager -- a.service',
      `${SSH} systemctl status -l --no-pager -- b.service`,
    ]);
  });

  it('accepts and ignores --no-block', async () => {
    await begin();
    expect((await fleet.run('status', '--no-block', 'a')).status).toBe(0);
  });

  it('writes the SSH options out', async () => {
    await begin();
    await fleet.run(
      '--strict-host-key-checking=false',
      '--ssh-username=me',
      '--ssh-timeout=3',
      'status',
      '--ssh-port=2222',
      'b',
    );
    expect(commands()).toEqual([
      'ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ConnectTimeout=3 -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -p 2222 me@10.0.0.2 -- systemctl status -l --no-pager -- b.service',
    ]);
  });

  it("passes the remote command's status on: the worst of all", async () => {
    await begin();
    let calls = 0;
    const spawn = () => Promise.resolve([3, 0][(calls += 1) - 1] ?? 0);
    expect((await fleet.begin(['status', 'a', 'b'], { spawn }).ended).status).toBe(3);
  });

  it('asks a systemd of a user in its runtime directory', async () => {
    await begin({ ...HERE, systemd: 'user', runtimeDirectory: '/tmp/run' });
    await fleet.run('status', 'a');
    expect(commands()).toEqual(['systemctl --user status -l --no-pager -- a.service']);
    expect(fleet.spawned[0]?.env).toMatchObject({
      XDG_RUNTIME_DIR: '/tmp/run',
      DBUS_SESSION_BUS_ADDRESS: undefined,
    });
  });

  it('says which units are not there, and goes on', async () => {
    await begin();
    await fleet.api.call('PUT', '/fleet/v2/units/c.service', { text: TEXT });
    const { status, stderr } = await fleet.run('status', 'no', 'c', 'a');
    expect(status).toBe(1);
    expect(stderr).toBe(
      "fleetctl: unit 'no.service' does not exist\n  See: fleetctl list-unit-files\n" +
        "fleetctl: unit 'c.service' is on no machine\n  See why: fleetctl explain c.service\n",
    );
    expect(commands()).toEqual(['systemctl status -l --no-pager -- a.service']);
  });

  it('says that the machine is away', async () => {
    await begin();
    await fleet.api.remove(fleet.api.keys.machine(machineId(2)));
    const { status, stderr } = await fleet.run('status', 'b');
    expect(status).toBe(1);
    expect(stderr).toContain(`machine '${machineId(2)}' is not present`);
  });
});

describe('fleetctl journal', () => {
  it('asks journalctl here, with its options', async () => {
    await begin();
    await fleet.run('journal', 'a');
    await fleet.run('journal', '--lines=50', '-f', '--output=cat', '--sudo', 'a');
    expect(commands()).toEqual([
      'journalctl --unit a.service --no-pager -n 10 --output short',
      'sudo journalctl --unit a.service --no-pager -n 50 --output cat -f',
    ]);
  });

  it('quotes words for the shell on the far side', async () => {
    await begin();
    await fleet.run('--known-hosts-file=/k', 'journal', '--output', "it's; rm", 'b');
    expect(commands()).toEqual([
      `${SSH} journalctl --unit b.service --no-pager -n 10 --output 'it'\\''s; rm'`,
    ]);
  });

  it('of a user is asked by --user-unit', async () => {
    await begin({ ...HERE, systemd: 'user' });
    await fleet.run('journal', 'a');
    expect(commands()).toEqual([
      'journalctl --user-unit a.service --no-pager -n 10 --output short',
    ]);
  });

  it('reads the journal of a systemd that has its own', async () => {
    await begin({ ...HERE, systemd: 'user', journalDirectory: '/tmp/journal' });
    await fleet.run('journal', '-f', 'a');
    expect(commands()).toEqual([
      'journalctl --directory /tmp/journal --user-unit a.service --no-pager -n 10 --output short -f',
    ]);
  });
});

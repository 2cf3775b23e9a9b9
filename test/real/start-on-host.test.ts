// `npm start` where a systemd runs already: the system's for root, a user's own for a user.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { noLab, withLab, type Lab } from '../support/lab.ts';
import { ofEachKind } from '../support/of-each-kind.ts';

const SAYS = '/tmp/says';

describe.skipIf(noLab() !== undefined)('npm start on a host', () => {
  it.for(
    ofEachKind(1, [
      {
        who: 'ann',
        run: [
          'runuser',
          '-u',
          'ann',
          '--',
          'env',
          'XDG_RUNTIME_DIR=/run/user/1001',
          'HOME=/home/ann',
        ],
        systemctl: ['systemctl', '--user'],
        runtime: '/run/user/1001',
        state: '/home/ann/.local/state/fleet-standalone',
      },
      {
        who: 'root',
        run: ['env'],
        systemctl: ['systemctl'],
        runtime: '/run',
        state: '/var/lib/fleet-standalone',
      },
    ]),
  )(
    'runs the example in the systemd of $who, and leaves nothing in it after Ctrl-C',
    async ({ who, run, systemctl, runtime, state }) => {
      await withLab({ hosts: 1, etcd: 'none', fleet: false, name: 'sta' }, async (lab) => {
        if (who === 'ann') await startUserManager(lab);
        const out = (...command: readonly string[]): Promise<string> =>
          lab.out('h1', ...run, ...command);
        const before = await out('find', runtime, '-maxdepth', '1');

        const start = 'cd /opt/fleet && exec node lab/start.ts';
        const pid = await out('sh', '-c', `(${start}) > ${SAYS} 2>&1 & echo $!`);
        await eventually(async () => expect(await out('cat', SAYS)).toContain('Ctrl-C here'), {
          timeoutMs: 30_000,
        });
        expect(await out(...systemctl, 'is-active', 'hello.service')).toBe('active');
        const fleetctl = ['node', '/opt/fleet/cli/main.ts'];
        expect(await out(...fleetctl, 'list-units')).toMatch(
          /^hello\.service\s.*active\s+running/m,
        );
        await eventually(async () =>
          expect(await out(...fleetctl, 'journal', 'hello.service')).toContain('Hello, World!'),
        );
        expect(await out('ls', state)).toContain('store.sqlite');

        await out('kill', '-INT', pid);
        await eventually(async () =>
          expect(await out('sh', '-c', `kill -0 ${pid} 2>&1 || true`)).not.toBe(''),
        );
        expect(await out(...systemctl, 'list-units', '--all', '--no-legend', 'hello*')).toBe('');
        const files = [...systemctl, 'list-unit-files', '--no-legend', 'hello*'];
        expect((await lab.exec('h1', ...run, ...files)).stdout).toBe('');
        expect(await out('find', runtime, '-maxdepth', '1')).toBe(before);
      });
    },
  );

  it('says in one line why a user without a systemd cannot run it, and what to do', async () => {
    await withLab({ hosts: 1, etcd: 'none', fleet: false, name: 'sta' }, async (lab) => {
      const start = 'cd /opt/fleet && exec node lab/start.ts';
      const ended = await lab.exec('h1', 'runuser', '-u', 'nobody', '--', 'sh', '-c', start);
      expect(ended.status).toBe(1);
      expect(ended.stderr).toMatch(/^npm start: .*does not run: log in anew .*as root\n$/);
      expect(ended.stdout).toBe('');
    });
  });
});

/** What a login would do: logind and PAM's part of it are not on the lab's hosts. */
async function startUserManager(lab: Lab): Promise<void> {
  await lab.out('h1', 'useradd', '--create-home', '--uid', '1001', 'ann');
  const dropIn = '/run/systemd/system/user@1001.service.d/runtime.conf';
  const text = '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n';
  await lab.out('h1', 'mkdir', '-p', '/run/systemd/system/user@1001.service.d');
  await lab.write('h1', dropIn, text);
  await lab.out('h1', 'systemctl', 'daemon-reload');
  await lab.out('h1', 'systemctl', 'start', 'user@1001.service');
}

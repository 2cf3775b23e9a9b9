import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { machineId } from '../support/api.ts';
import { Fleet, runProcess, type Outcome, type Running } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { Sshd, sshMissing } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';

if (sshMissing !== undefined) process.stdout.write(`skipped: SSH: ${sshMissing}\n`);

const UNIT = `[Service]\nExecStart=/bin/sleep 1000\n\n[X-Fleet]\nMachineID=${machineId(3)}\n`;

/** Machine 1 is at hand; 2 and 3 are reached through SSH, at 127.0.0.2 and 127.0.0.3. b.service runs on 3. */
describe.skipIf(sshMissing !== undefined)('fleetctl and real SSH', () => {
  const dir = tempDir();
  const scratch = join(dir, 'tmp');
  const sshd = new Sshd(dir);
  let fleet: Fleet;
  let knownHosts: string;

  beforeAll(async () => {
    mkdirSync(scratch);
    await sshd.start();
    sshd.program('systemctl', 'echo "Active: active"; echo "ran: systemctl $*"; exit 3');
    sshd.program('journalctl', 'echo "ran: journalctl $*"');
    sshd.program('sudo', 'echo sudo; exec "$@"');
    const daemon = { machineID: machineId(1), systemd: 'system' } as const;
    fleet = (await new Fleet().start({ daemon })).lead();
    await fleet.host(2, {}, '127.0.0.2', { podman: '4.3.1', docker: '20.10.24' });
    await fleet.host(3, {}, '127.0.0.3', { podman: '4.3.1' });
    writeFileSync(join(dir, 'b.service'), UNIT);
    const { status } = await run(['start', join(dir, 'b.service')]);
    expect(status).toBe(0);
  });
  afterAll(async () => {
    await sshd.stop();
    await fleet.stop();
  });
  beforeEach(() => {
    knownHosts = join(dir, `keys-${performance.now()}`, 'known_hosts');
  });

  function begin(words: readonly string[], input?: string): Running {
    const env = {
      FLEETCTL_ENDPOINT: `unix://${fleet.api.path}`,
      FLEETCTL_SSH_USERNAME: sshd.user,
      FLEETCTL_SSH_PORT: String(sshd.port),
      FLEETCTL_KNOWN_HOSTS_FILE: knownHosts,
      FLEETCTL_REQUEST_TIMEOUT: '20', // the machine is small, and busy
      SSH_AUTH_SOCK: sshd.agent,
      TMPDIR: scratch,
    };
    return runProcess(words, env, input);
  }
  async function run(words: readonly string[], input?: string): Promise<Outcome> {
    const outcome = await begin(words, input).ended;
    expect(readdirSync(scratch), 'nothing is left behind').toEqual([]);
    return outcome;
  }
  const keys = () => (existsSync(knownHosts) ? readFileSync(knownHosts, 'utf8') : '');
  const through = (host: string) => `--tunnel=${host}:${sshd.port}`;

  describe('host keys', () => {
    const up = ['ssh', machineId(2), 'echo', 'up'];

    it('an unknown one is asked about, and a yes from a pipe is kept', async () => {
      const first = await run(up, 'yes\n');
      expect(first).toMatchObject({ status: 0, stdout: 'up\n' });
      expect(first.stderr).toContain('Are you sure you want to continue connecting');
      expect(keys()).toContain('ssh-ed25519');
      expect(await run(up)).toEqual({ status: 0, stdout: 'up\n', stderr: '' });
    });

    it.for([
      ['a no', 'no\n'],
      ['what is neither', 'what\nelse\nyes\n'],
      ['the end of input', ''],
    ] as const)('%s refuses it', async ([, input]) => {
      const { status, stdout, stderr } = await run(up, input);
      expect({ status, stdout }).toEqual({ status: 255, stdout: '' });
      expect(stderr).toContain('Host key verification failed.');
      expect(keys()).toBe('');
    });

    it('what stands after the yes is for the command', async () => {
      const { stdout } = await run(['ssh', machineId(2), 'cat'], 'yes\nand\nmore');
      expect(stdout).toBe('and\nmore');
    });

    it('a replaced one is refused until the file forgets it', async () => {
      await run(up, 'yes\n');
      await sshd.replaceHostKey();
      const refused = await run(up, 'yes\n');
      expect(refused).toMatchObject({ status: 255, stdout: '' });
      expect(refused.stderr).toContain('IDENTIFICATION HAS CHANGED');
      writeFileSync(knownHosts, '');
      expect(await run(up, 'yes\n')).toMatchObject({ status: 0, stdout: 'up\n' });
    });

    it('nothing is asked and kept without --strict-host-key-checking', async () => {
      const outcome = await run(['--strict-host-key-checking=false', ...up]);
      expect(outcome).toEqual({ status: 0, stdout: 'up\n', stderr: '' });
      expect(keys()).toBe('');
    });
  });

  describe('ssh, status and journal', () => {
    const open = '--strict-host-key-checking=false';

    it('the exit status is that of the command', async () => {
      expect((await run([open, 'ssh', machineId(2), 'exit 7'])).status).toBe(7);
    });

    it('words are for the shell there', async () => {
      const words = ['--machine', '0002', 'echo', '--full', '$FLEET_TEST_SSHD', '-l'];
      expect((await run([open, 'ssh', ...words])).stdout).toBe('--full yes -l\n');
    });

    it('the agent is forwarded only when it is asked for', async () => {
      const agent = async (...options: string[]) =>
        (await run([open, 'ssh', ...options, machineId(2), 'ssh-add -l'])).status;
      expect([await agent(), await agent('-A'), await agent('--forward-agent')]).toEqual([2, 0, 0]);
    });

    it('go where the unit is', async () => {
      expect((await run([open, 'ssh', 'b', 'echo', 'foo'])).stdout).toBe('foo\n');
      expect(await run([open, 'status', 'b'])).toEqual({
        status: 3,
        stdout: 'Active: active\nran: systemctl status -l --no-pager -- b.service\n',
        stderr: '',
      });
      expect((await run([open, 'journal', '--sudo', 'b'])).stdout).toBe(
        'sudo\nran: journalctl --unit b.service --no-pager -n 10 --output short\n',
      );
    });
  });

  describe('load-image', () => {
    const load = ['--strict-host-key-checking=false', 'load-image'];
    const image = join(dir, 'image.tar');
    const LOADED = 'read -r first; cat >/dev/null; echo "Loaded image: $first"';
    beforeAll(() => {
      writeFileSync(image, `localhost/a:1\n${'x'.repeat(1_000_000)}`);
      sshd.program('podman', LOADED);
      sshd.program('docker', LOADED);
      sshd.program('sudo', 'shift; exec "$@"'); // -n
    });

    /** Without the words about how far it is, which come where it takes long. */
    const result = async (...words: readonly string[]): Promise<Outcome> => {
      const outcome = await run([...load, ...words]);
      return { ...outcome, stderr: outcome.stderr.replaceAll(/^sent .*\n/gm, '') };
    };

    it('sends the file to every runtime of every machine', async () => {
      const { status, stdout, stderr } = await result(image);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout.trim().split('\n').toSorted()).toEqual([
        '00020000.../127.0.0.2: docker has loaded localhost/a:1',
        '00020000.../127.0.0.2: podman has loaded localhost/a:1',
        '00030000.../127.0.0.3: podman has loaded localhost/a:1',
      ]);
    });

    it('leaves out, aloud, who has not the runtime; who was named fails', async () => {
      const all = await result('--runtime=docker', image);
      expect(all).toMatchObject({
        status: 0,
        stderr: '00030000.../127.0.0.3 has no docker: left out\n',
      });
      const words = [...load, '--runtime=docker', image, machineId(2), machineId(3)];
      expect((await run(words)).status).toBe(1);
      const none = await run([...load, '--runtime=docker', image, machineId(3)]);
      expect(none.status).toBe(1);
      expect(none.stderr).toContain('no machine can load it: there is no docker');
    });

    it('one failure stops no other, and makes the status 1', async () => {
      sshd.program('docker', 'echo "Error: no space" >&2; exit 5');
      const { status, stdout, stderr } = await result(image);
      sshd.program('docker', LOADED);
      expect({ status, lines: stdout.trim().split('\n').length }).toEqual({ status: 1, lines: 2 });
      expect(stderr).toBe(
        '00020000.../127.0.0.2: docker: Error: no space\nfleetctl: 1 of 3 loads failed\n',
      );
    });

    it('without a terminal no key is asked about: it says how to get to know it', async () => {
      const { status, stderr } = await run(['load-image', image, machineId(3)], 'yes\n');
      expect(status).toBe(1);
      expect(stderr).toContain('SSH: Host key verification failed. Try: fleetctl ssh 00030000');
    });

    it('an interrupt ends the loads, and leaves nothing', async () => {
      const loading = join(dir, 'loading');
      const wait = 'while echo 2>/dev/null; do sleep 0.1; done';
      sshd.program('podman', `trap '' PIPE; : >'${loading}'; ${wait}; rm '${loading}'`);
      const running = begin([...load, '--runtime=podman', image, machineId(2)]);
      await eventually(() => existsSync(loading), { timeoutMs: 30_000 });
      running.interrupt();
      expect((await running.ended).status).toBe(130);
      await eventually(() => !existsSync(loading));
    });

    it.for([
      [['nowhere.tar'], 1, "there is no file 'nowhere.tar'"],
      [['/dev/null'], 1, "'/dev/null' is a device, and no file"],
      [['/tmp'], 1, "'/tmp' is a directory, and no file"],
      [[image, 'zz'], 1, "no machine that is present has an id that begins with 'zz'"],
      [['--runtime=rkt', image], 2, "--runtime is 'rkt', and must be 'podman' or 'docker'"],
      [[], 2, "missing required argument 'FILE'"],
    ] as const)('%j ends with %i', async ([words, status, message]) => {
      const outcome = await run(['load-image', ...words]);
      expect(outcome.status).toBe(status);
      expect(outcome.stderr).toContain(message);
    });
  });

  describe('--tunnel', () => {
    it('starts ten units through one login', async () => {
      const units = Array.from({ length: 10 }, (_, i) => `hello@${i + 1}.service`);
      writeFileSync(join(dir, 'hello@.service'), UNIT);
      const before = sshd.logins;
      const words = [through('127.0.0.2'), 'start', ...units.map((name) => join(dir, name))];
      const { status, stdout, stderr } = await run(words, 'yes\n');
      expect(stderr).not.toContain('Error');
      expect({ status, lines: stdout.split('\n').length - 1 }).toEqual({ status: 0, lines: 10 });
      expect(sshd.logins - before).toBe(1);
      expect(keys().trim().split('\n')).toHaveLength(1);
    });

    it('goes to a port of the far side too', async () => {
      const { port } = await fleet.api.api.listen({ host: '127.0.0.1', port: 0 });
      const endpoint = `--endpoint=http://127.0.0.1:${port}`;
      const words = [through('127.0.0.2'), endpoint, 'list-machines', '--no-legend'];
      const { status, stdout } = await run(words, 'yes\n');
      expect({ status, lines: stdout.split('\n').length - 1 }).toEqual({ status: 0, lines: 2 });
    });

    it('is the way to the other machines', async () => {
      sshd.program('where', 'echo "$SSH_CONNECTION"');
      const { stdout, stderr } = await run(
        [through('127.0.0.2'), 'ssh', 'b', 'where'],
        'yes\nyes\n',
      );
      expect(stderr).toContain('[127.0.0.3]');
      expect(stdout).toContain(' 127.0.0.3 ');
      expect(keys().trim().split('\n')).toHaveLength(2);
      expect((await run([through('127.0.0.2'), 'status', 'b'])).stdout).toContain('Active: active');
    });

    it('says when nobody answers there, and when there is no API', async () => {
      const nobody = await run(['--tunnel=127.0.0.2:1', 'list-machines']);
      expect(nobody.status).toBe(1);
      expect(nobody.stderr).toContain("fleetctl: no SSH connection to '127.0.0.2:1'\n");
      const words = [through('127.0.0.2'), '--endpoint=unix:///nowhere/s', 'list-machines'];
      const { status, stderr } = await run(words, 'yes\n');
      expect(status).toBe(1);
      expect(stderr.match(/the socket '\/nowhere\/s': connect ENOENT/g)).toHaveLength(1);
      expect(stderr).toContain("no fleet API at unix:///nowhere/s through '127.0.0.2");
    });

    it('ends with 130 on SIGINT while it waits, and leaves nothing', async () => {
      fleet.fates.set('hangs.service', 'hangs');
      writeFileSync(join(dir, 'hangs.service'), UNIT);
      const words = [through('127.0.0.2'), 'start', join(dir, 'hangs.service')];
      const running = begin(words, 'yes\n');
      await eventually(() => fleet.deeds.includes('start hangs.service'), { timeoutMs: 30_000 });
      running.interrupt();
      expect((await running.ended).status).toBe(130);
      expect(readdirSync(scratch)).toEqual([]);
      await eventually(() => processesSaying(scratch).length === 0);
    });
  });
});

/** Command lines of processes that have this in them. */
function processesSaying(text: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(text) ? [line] : [];
      } catch {
        return []; // it has ended
      }
    });
}

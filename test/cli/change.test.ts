import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const OTHER = '[Service]\nExecStart=/bin/sleep 2000\n';
const GLOBAL = `${TEXT}[X-Fleet]\nGlobal=true\n`;
const ON = '00010000.../10.0.0.1';

let fleet: Fleet;
let dir: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  fleet = (await new Fleet().start()).lead();
  await fleet.host(1);
});
afterEach(async () => {
  await fleet.stop();
  rmSync(dir, { recursive: true });
});

function file(name: string, text = TEXT): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const printed = (stdout: string) => ({ status: 0, stdout, stderr: '' });

describe('fleetctl, from submit to destroy', () => {
  it('prints the line of each verb when it is so', async () => {
    const path = file('hello.service');
    expect(await fleet.run('submit', path)).toEqual(printed('Unit hello.service inactive\n'));
    expect(await fleet.run('load', 'hello')).toEqual(
      printed(`Unit hello.service loaded on ${ON}\n`),
    );
    expect(await fleet.run('start', 'hello')).toEqual(
      printed(`Unit hello.service launched on ${ON}\n`),
    );
    expect(await fleet.run('start', 'hello')).toEqual(
      printed(`Unit hello.service launched on ${ON}\n`),
    );
    expect(await fleet.run('stop', 'hello')).toEqual(
      printed(`Unit hello.service loaded on ${ON}\n`),
    );
    expect(await fleet.run('unload', 'hello')).toEqual(printed('Unit hello.service inactive\n'));
    expect(await fleet.run('destroy', 'hello')).toEqual(printed('Destroyed hello.service\n'));
    expect(fleet.deeds).toEqual(['start hello.service', 'stop hello.service']);
    expect(await fleet.run('list-unit-files', '--no-legend')).toEqual(printed(''));
  });

  it('start submits, loads and starts a file in one go', async () => {
    expect(await fleet.run('start', file('a.service'))).toEqual(
      printed(`Unit a.service launched on ${ON}\n`),
    );
    expect(await fleet.run('destroy', 'a')).toEqual(printed('Destroyed a.service\n'));
  });

  it('names a machine that has come while it waited, and reads the machines once more for that, however many units', async () => {
    const text = `${TEXT}[X-Fleet]\nMachineMetadata=disk=new\n`;
    const paths = ['a', 'b', 'c'].map((name) => file(`${name}.service`, text));
    const begun = fleet.begin(['--debug', 'start', ...paths]);
    await eventually(() => begun.printed.stderr.includes('c.service waits for a machine'));
    await fleet.host(2, { disk: 'new' });
    const { status, stdout, stderr } = await begun.ended;
    const line = (name: string): string => `Unit ${name}.service launched on 00020000.../10.0.0.2`;
    expect(stdout.trimEnd().split('\n').toSorted()).toEqual(['a', 'b', 'c'].map(line));
    expect(status).toBe(0);
    expect(stderr.match(/GET \/fleet\/v2\/machines /g)).toHaveLength(2);
  });

  it('load lowers a launched unit to loaded', async () => {
    await fleet.run('start', file('a.service'));
    expect(await fleet.run('load', 'a')).toEqual(printed(`Unit a.service loaded on ${ON}\n`));
    expect(fleet.deeds).toEqual(['start a.service', 'stop a.service']);
  });

  it('submit changes nothing of a unit that is launched', async () => {
    await fleet.run('start', file('a.service'));
    expect((await fleet.run('submit', 'a')).status).toBe(0);
    expect((await fleet.api.get('/fleet/v2/units/a.service')).json.desiredState).toBe('launched');
  });

  it('makes instances from a submitted template, and from a template file beside the path', async () => {
    await fleet.run('submit', file('web@.service'));
    expect(await fleet.run('start', 'web@1')).toEqual(
      printed(`Unit web@1.service launched on ${ON}\n`),
    );
    file('db@.service');
    expect(await fleet.run('start', join(dir, 'db@2.service'))).toEqual(
      printed(`Unit db@2.service launched on ${ON}\n`),
    );
    expect((await fleet.run('cat', 'db@2')).stdout).toBe(TEXT);
  });

  it('counts one unit once, however it is named', async () => {
    const path = file('a.service');
    expect(await fleet.run('start', path, 'a', 'a.service')).toEqual(
      printed(`Unit a.service launched on ${ON}\n`),
    );
  });

  it('--no-block only asks', async () => {
    fleet.fates.set('a.service', 'hangs');
    expect(await fleet.run('start', '--no-block', file('a.service'))).toEqual(
      printed('Triggered unit a.service start\n'),
    );
    expect(await fleet.run('stop', '--no-block', 'a')).toEqual(
      printed('Triggered unit a.service stop\n'),
    );
    expect(await fleet.run('destroy', '--no-block', 'a')).toEqual(printed('Destroyed a.service\n'));
  });

  it('asks only, of a global unit', async () => {
    await fleet.host(2);
    expect(await fleet.run('start', file('g.service', GLOBAL))).toEqual(
      printed('Triggered global unit g.service start\n'),
    );
    await eventually(async () => {
      const { stdout } = await fleet.run('list-units', '--no-legend', '--fields', 'unit,active');
      expect(stdout).toBe('g.service\tactive\ng.service\tactive\n');
    });
    expect(await fleet.run('stop', 'g')).toEqual(printed('Triggered global unit g.service stop\n'));
    expect(await fleet.run('destroy', 'g')).toEqual(printed('Destroyed g.service\n'));
    expect((await fleet.run('list-units', '--no-legend')).stdout).toBe('');
  });
});

describe('fleetctl with units that are not there, or not so', () => {
  it.for(['stop', 'unload', 'destroy', 'restart'])('%s of a unknown unit exits 0', async (verb) => {
    expect(await fleet.run(verb, 'no')).toEqual(printed('Unit no.service does not exist\n'));
  });

  it.for(['stop', 'unload', 'destroy', 'restart', 'status'])(
    '%s of a glob that matches none exits 0',
    async (verb) => {
      expect(await fleet.run(verb, 'no@*')).toEqual(printed('No unit matches no@*\n'));
    },
  );

  it('stop of a unit that waits for a machine ends at once', async () => {
    const text = '[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineMetadata=disk=floppy\n';
    await fleet.run('start', '--no-block', file('floppy.service', text));
    const stopped = await fleet.run('stop', 'floppy');
    expect({ status: stopped.status, stdout: stopped.stdout }).toEqual({
      status: 0,
      stdout: 'Unit floppy.service stopped, and on no machine\n',
    });
  });

  it('stop of an inactive unit exits 1, and the others are stopped', async () => {
    await fleet.run('submit', file('a.service'));
    await fleet.run('start', file('b.service'));
    expect(await fleet.run('stop', 'a', 'b')).toEqual({
      status: 1,
      stdout: `Unit b.service loaded on ${ON}\n`,
      stderr:
        "fleetctl: unable to stop unit 'a.service': it is inactive\n  Load it first: fleetctl load a.service\n",
    });
  });

  it('start of what is neither a unit nor a file exits 1', async () => {
    expect(await fleet.run('start', join(dir, 'no@1'))).toEqual({
      status: 1,
      stdout: '',
      stderr: `fleetctl: there is no unit 'no@1.service' in the cluster, and no file '${join(dir, 'no@1.service')}'\n  Give the path of a unit file, or submit the template 'no@.service' first.\n`,
    });
  });

  it('start of a malformed file says what is wrong with it', async () => {
    const { status, stdout, stderr } = await fleet.run('start', file('bad.service', 'x\n'));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^fleetctl: the file of unit 'bad.service' is refused: line 1/);
  });

  it('start of a template exits 1', async () => {
    const { status, stderr } = await fleet.run('start', file('t@.service'));
    expect(status).toBe(1);
    expect(stderr).toContain("'t@.service' is a template and cannot be launched");
  });

  it('quoted globs speak of the units that match', async () => {
    await fleet.run('start', file('web@1.service'), file('web@2.service'), file('db.service'));
    const { status, stdout } = await fleet.run('stop', 'web@*');
    expect(status).toBe(0);
    expect(stdout.split('\n').toSorted()).toEqual([
      '',
      `Unit web@1.service loaded on ${ON}`,
      `Unit web@2.service loaded on ${ON}`,
    ]);
    expect((await fleet.run('destroy', 'd?')).stdout).toBe('Destroyed db.service\n');
  });

  it('a malformed glob is wrong usage', async () => {
    expect((await fleet.run('stop', 'web[')).status).toBe(2);
  });
});

describe('fleetctl with a local file that differs', () => {
  const WARNING =
    'WARNING: Unit a.service in registry differs from the local file. Add --replace to override.\n';

  it('warns, and leaves the unit as it was submitted', async () => {
    await fleet.run('submit', file('a.service'));
    expect(await fleet.run('start', file('a.service', OTHER))).toEqual({
      status: 0,
      stdout: `Unit a.service launched on ${ON}\n`,
      stderr: WARNING,
    });
    expect((await fleet.run('cat', 'a')).stdout).toBe(TEXT);
  });

  it('does not warn of another comment', async () => {
    await fleet.run('submit', file('a.service'));
    expect((await fleet.run('submit', file('a.service', `# why\n${TEXT}`))).stderr).toBe('');
  });

  it.for([
    { verb: 'submit', state: 'submit', replaced: true },
    { verb: 'submit', state: 'load', replaced: false },
    { verb: 'submit', state: 'start', replaced: false },
    { verb: 'load', state: 'submit', replaced: true },
    { verb: 'load', state: 'load', replaced: true },
    { verb: 'load', state: 'start', replaced: false },
    { verb: 'start', state: 'submit', replaced: true },
    { verb: 'start', state: 'load', replaced: true },
    { verb: 'start', state: 'start', replaced: true },
  ])('$verb --replace after $state: replaced $replaced', async ({ verb, state, replaced }) => {
    await fleet.run(state, file('a.service'));
    const { status, stderr } = await fleet.run(verb, '--replace', file('a.service', OTHER));
    expect(status).toBe(replaced ? 0 : 1);
    if (!replaced) expect(stderr).toContain(`${verb} --replace does not touch it`);
    expect((await fleet.run('cat', 'a')).stdout).toBe(replaced ? OTHER : TEXT);
  });

  it('start --replace waits for the new version', async () => {
    await fleet.run('start', file('a.service'));
    await fleet.run('start', '--replace', file('a.service', OTHER));
    expect(fleet.deeds).toEqual(['start a.service', 'stop a.service', 'start a.service']);
  });
});

describe('fleetctl restart', () => {
  it('stops and starts one after the other', async () => {
    await fleet.run('start', file('a.service'), file('b.service'));
    fleet.deeds.length = 0;
    expect(await fleet.run('restart', join(dir, 'a.service'), 'b')).toEqual(
      printed(`Unit a.service launched on ${ON}\nUnit b.service launched on ${ON}\n`),
    );
    expect(fleet.deeds).toEqual(
      ['a', 'b'].flatMap((n) => [`stop ${n}.service`, `start ${n}.service`]),
    );
  });

  it('ends at the first that fails', async () => {
    await fleet.run('start', file('a.service'), file('b.service'));
    fleet.fates.set('a.service', 'failed');
    fleet.deeds.length = 0;
    const { status, stderr } = await fleet.run('restart', 'a', 'b');
    expect(status).toBe(1);
    expect(stderr).toContain('Not restarted: b.service\n');
    expect(fleet.deeds).toEqual(['stop a.service', 'start a.service']);
  });

  it('says that nothing starts a unit whose stop it did not wait for', async () => {
    await fleet.run('start', file('a.service'), file('b.service'));
    fleet.fates.set('a.service', 'stays');
    expect(await fleet.run('restart', '--timeout', '0.2', 'a', 'b')).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'Not restarted: b.service\n' +
        'fleetctl: gave up after 0.2 s: a.service waits for its end on 00010000\n' +
        '  It stops by itself, and is not started again; then: fleetctl start a.service\n',
    });
  });

  it('says the same when it is interrupted', async () => {
    await fleet.run('start', file('a.service'));
    fleet.fates.set('a.service', 'stays');
    const restart = fleet.begin(['restart', 'a']);
    await eventually(async () => {
      const { json } = await fleet.api.get('/fleet/v2/units/a.service');
      expect(json.desiredState).toBe('loaded');
    });
    restart.interrupt();
    expect((await restart.ended).status).toBe(130);
    expect(restart.printed.stderr).toBe(
      'Unit a.service is being stopped\n' +
        '  It stops by itself, and is not started again; then: fleetctl start a.service\n',
    );
  });

  it('stops a global unit on every machine before it starts it', async () => {
    await fleet.host(2);
    await fleet.run('start', file('g.service', GLOBAL));
    await eventually(() => expect(fleet.deeds).toHaveLength(2));
    expect(await fleet.run('restart', 'g')).toEqual(
      printed('Triggered global unit g.service restart\n'),
    );
    await eventually(() =>
      expect(fleet.deeds.slice(4)).toEqual(['start g.service', 'start g.service']),
    );
    expect(fleet.deeds.slice(2, 4)).toEqual(['stop g.service', 'stop g.service']);
  });

  it('of an inactive unit exits 1', async () => {
    await fleet.run('submit', file('a.service'));
    expect((await fleet.run('restart', 'a')).status).toBe(1);
  });
});

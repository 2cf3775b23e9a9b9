// Quadlet files on their way into the cluster.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ApiFixture, machineId, type Reply } from '../../support/api.ts';

const CONTAINER = '[Container]\nImage=localhost/busybox\n';
const SERVICE = '[Service]\nExecStart=/bin/true\n';

let fixture: ApiFixture;
beforeEach(async () => {
  fixture = await new ApiFixture().start();
  await fixture.machine(machineId(1));
});
afterEach(() => fixture.stop());

const put = (name: string, text: string): Promise<Reply> =>
  fixture.call('PUT', `/fleet/v2/units/${name}`, { text });

it('a Quadlet file is kept byte for byte, also with a blank behind a \\ that goes on', async () => {
  const text = '# mine\n[Container]\r\nImage=localhost/a\nExec=one \\ \n  two\n';
  expect((await put('web.container', text)).status).toBe(201);
  const { json } = await fixture.get('/fleet/v2/units/web.container');
  expect(json.text).toBe(text);
  const v1 = await fixture.get('/fleet/v1/units/web.container');
  expect(v1.json.options.map(({ name }: { name: string }) => name)).toEqual(['Image', 'Exec']);
  expect((await put('web.service', `[Service]\nExecStart=/bin/a \\ \n  b\n`)).status).toBe(400);
});

it.for([
  ['web.container', 'web.service', CONTAINER, SERVICE],
  ['web.service', 'web.container', SERVICE, CONTAINER],
  ['web.container', 'web.kube', CONTAINER, '[Kube]\nYaml=/pod.yml\n'],
  ['data.volume', 'data-volume.service', '[Volume]\n', SERVICE],
  ['data-volume@.service', 'data@.volume', SERVICE, '[Volume]\n'],
  ['a-network.container', 'a.network', CONTAINER, '[Network]\n'],
] as const)(
  '%s keeps %s out: on a host both are one service',
  async ([one, other, text, otherText]) => {
    expect((await put(one, text)).status).toBe(201);
    const { status, json } = await put(other, otherText);
    expect([status, json.error.code]).toEqual([409, 409]);
    expect(json.error.message).toContain(`'${one}'`);
    expect((await put(one, `${text}# again\n`)).status).toBe(201);
    expect((await fixture.call('DELETE', `/fleet/v2/units/${one}`)).status).toBe(204);
    expect((await put(other, otherText)).status).toBe(201);
  },
);

it('one of two that are created at once is refused', async () => {
  const answers = await Promise.all([put('web.container', CONTAINER), put('web.service', SERVICE)]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
});

it.for([
  [
    'web.container',
    '[Container]\nImage=a\nImagee=b\n',
    "line 3, column 1: unsupported key 'Imagee' in group 'Container'",
  ],
  ['web.container', '[Container]\n', 'line 1, column 1: no Image or Rootfs key specified'],
  [
    'web.container',
    `${CONTAINER}ServiceName=x\n`,
    "line 3, column 1: 'ServiceName=' cannot be used in the cluster",
  ],
  [
    'web.container',
    `${CONTAINER}Pod=p.pod\n[X-Fleet]\nRuntime=docker\n`,
    "line 3, column 1: docker cannot express 'Pod=': it has no pods",
  ],
  ['web.pod', '[Pod]\n[X-Fleet]\nRuntime=docker\n', "docker has nothing like a '.pod' file"],
  ['web.container', `${CONTAINER}[X-Fleet]\nRuntime=lxc\n`, "'lxc' is no runtime"],
  ['web.service', `${SERVICE}[X-Fleet]\nRuntime=docker\n`, "'Runtime=' is for Quadlet files"],
] as const)('%s of %j is refused with its place', async ([name, text, message]) => {
  const { status, json } = await put(name, text);
  expect(status).toBe(400);
  expect(json.error.message).toContain(message);
});

it('a file that refers to others is taken before they are', async () => {
  const text =
    '[Container]\nImage=app.build\nVolume=data.volume:/data\nNetwork=net.network\nPod=p.pod\n';
  expect((await put('web.container', text)).status).toBe(201);
});

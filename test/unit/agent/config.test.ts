import { describe, expect, it } from 'vitest';
import { parseConfig, type Config, type ConfigSources } from '../../../agent/config.ts';
import { parseGoDuration } from '../../../agent/go-duration.ts';
import { isFleetError } from '../../../src/model/errors.ts';

const read = (text: string, more: Partial<ConfigSources> = {}) =>
  parseConfig({ text, env: {}, uid: 0, standalone: false, ...more });
const problemsOf = (text: string, more: Partial<ConfigSources> = {}): unknown => {
  try {
    read(text, more);
  } catch (error) {
    if (isFleetError(error, 'CONFIG_INVALID')) return error.details['problems'];
    throw error;
  }
  return [];
};

const values: readonly { name: string; text: string; then: Partial<Config> }[] = [
  {
    name: 'has the defaults of the original',
    text: '',
    then: {
      etcdServers: ['http://127.0.0.1:2379', 'http://127.0.0.1:4001'],
      etcdKeyPrefix: '/_coreos.com/fleet/',
      etcdRequestTimeoutMs: 1000,
      engineReconcileIntervalMs: 2000,
      agentTtlSec: 30,
      unitsDirectory: '/run/fleet/units',
      systemdUser: false,
      tokenLimit: 100,
      verbosity: 0,
    },
  },
  {
    name: 'takes etcd_servers as a JSON list',
    text: 'etcd_servers=["http://a:1", "http://b:2"]',
    then: { etcdServers: ['http://a:1', 'http://b:2'] },
  },
  {
    name: 'takes etcd_servers between commas',
    text: 'etcd_servers = http://a:1,http://b:2',
    then: { etcdServers: ['http://a:1', 'http://b:2'] },
  },
  {
    name: 'takes etcd_servers between commas, all in quotes',
    text: 'etcd_servers="http://a:1,http://b:2"',
    then: { etcdServers: ['http://a:1', 'http://b:2'] },
  },
  {
    name: 'takes etcd_servers between commas, each in quotes',
    text: `etcd_servers="http://a:1", 'http://b:2'`,
    then: { etcdServers: ['http://a:1', 'http://b:2'] },
  },
  {
    name: 'keeps what ini would cut: ; and # and a backslash in a password',
    text: 'etcd_password=a;b#c\\d',
    then: { etcdPassword: 'a;b#c\\d' },
  },
  {
    name: 'passes over comments',
    text: '# verbosity=3\n; verbosity=4\nverbosity=1',
    then: { verbosity: 1 },
  },
  {
    name: 'takes the last of two lines of one key',
    text: 'public_ip=1.2.3.4\npublic_ip=5.6.7.8',
    then: { publicIp: '5.6.7.8' },
  },
  {
    name: 'drops quotes around a value',
    text: 'public_ip="1.2.3.4"',
    then: { publicIp: '1.2.3.4' },
  },
  {
    name: 'reads metadata: spaces dropped, quotes allowed, the last value of a key wins',
    text: `metadata="region = us-west , az=a, az=b"`,
    then: { metadata: { region: 'us-west', az: 'b' } },
  },
  {
    name: 'rounds agent_ttl up to whole seconds',
    text: 'agent_ttl=2500ms',
    then: { agentTtlSec: 3 },
  },
  {
    name: 'has no agent_ttl below two seconds',
    text: 'agent_ttl=1',
    then: { agentTtlSec: 2 },
  },
  {
    name: 'lets TCP listen on loopback',
    text: 'listen=127.0.0.1:49153,[::1]:49153',
    then: { listen: ['127.0.0.1:49153', '[::1]:49153'] },
  },
  {
    name: 'lets TCP listen anywhere when insecure',
    text: 'listen=0.0.0.0:49153\ninsecure=true',
    then: { listen: ['0.0.0.0:49153'], insecure: true },
  },
  {
    name: 'puts the units below the runtime directory',
    text: 'runtime_directory=/tmp/r/',
    then: { runtimeDirectory: '/tmp/r', unitsDirectory: '/tmp/r/units' },
  },
];

describe('parseConfig', () => {
  it.for(values)('parseConfig $name', ({ text, then }) => {
    expect(read(text).config).toMatchObject(then);
  });

  it('parseConfig lets the environment beat the file', () => {
    const env = { FLEET_METADATA: 'hostname=h1', FLEET_AGENT_TTL: '3s', OTHER: 'x' };
    const { config } = read('metadata=a=b\nagent_ttl=40s', { env });
    expect(config).toMatchObject({ metadata: { hostname: 'h1' }, agentTtlSec: 3 });
  });

  it('parseConfig warns of unknown, ignored and sectioned keys, and goes on', () => {
    const { warnings } = read('nonsense=1\nenable_grpc=true\n[section]\nx=1\n');
    expect(warnings).toHaveLength(3);
  });

  it.for([
    ['verbosity=much', "'verbosity': 'much'"],
    ['agent_ttl=soon', "'agent_ttl': 'soon'"],
    ['disable_engine=perhaps', "'disable_engine': 'perhaps'"],
    ['units_directory=here', "'units_directory': 'here'"],
    ['metadata=novalue', "'metadata': 'novalue'"],
    ['listen=0.0.0.0:80', "'listen' names '0.0.0.0:80': not loopback"],
    ['listen=localhost', "'listen' names 'localhost': not like"],
    ['listen=127.0.0.1:0', "'listen' names '127.0.0.1:0': not like"],
    ['listen=::1:80', "'listen' names '::1:80': not like"],
    ['etcd_servers=10.0.0.1:2379', "'etcd_servers' names '10.0.0.1:2379': not like"],
    ['etcd_servers=http://a:1,b:2', "'etcd_servers' names 'b:2': not like"],
    ['token_limit=0', "'token_limit': '0'"],
  ] as const)('parseConfig refuses %s', ([text, problem]) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(problem)]);
  });

  it('parseConfig names all problems at once', () => {
    expect(problemsOf('verbosity=x\nagent_ttl=y')).toHaveLength(2);
  });

  it('parseConfig refuses --standalone beside etcd_servers', () => {
    expect(problemsOf('etcd_servers=http://a:1', { standalone: true })).toHaveLength(1);
  });

  it("parseConfig gives a user the user's manager and directories", () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/7', XDG_STATE_HOME: '/home/u/.state' };
    expect(read('', { env, uid: 7 }).config).toMatchObject({
      systemdUser: true,
      stateDirectory: '/home/u/.state/fleet',
      runtimeDirectory: '/run/user/7/fleet',
      socket: '/run/user/7/fleet.sock',
    });
  });
});

describe('parseGoDuration', () => {
  it.for([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['10', 10_000],
    ['1.0', 1_000],
    ['', undefined],
    ['-1s', undefined],
    ['1 s', undefined],
    ['s', undefined],
    ['1d', undefined],
  ] as const)('parseGoDuration reads %s', ([text, ms]) => {
    expect(parseGoDuration(text)).toBe(ms);
  });
});

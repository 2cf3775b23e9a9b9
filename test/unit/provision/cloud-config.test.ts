import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ProvisionPlan } from '../../../src/provision/plan.ts';
import { plannedFiles } from '../../../src/provision/planned-files.ts';
import { problemText } from '../../../src/provision/problems.ts';
import { readProvisionFile, type ReadResult } from '../../../src/provision/read.ts';

const addresses = { private_ipv4: '10.0.0.7', public_ipv4: '203.0.113.7' };

function read(text: string): ReadResult {
  return readProvisionFile(text, {
    addresses,
    fleetProblem: (key, value) => (value === 'wrong' ? `'${key}' is wrong` : undefined),
  });
}

function plan(body: string): ProvisionPlan {
  const result = read(`#cloud-config\n${body}`);
  expect(result.problems).toEqual([]);
  return result.plan!;
}

function files(body: string): Record<string, string> {
  return Object.fromEntries(
    plannedFiles(plan(body)).map(({ path, mode, user, group, contents }) => [
      path,
      `${mode.toString(8)} ${user}:${group} ${Buffer.from(contents).toString('utf8')}`,
    ]),
  );
}

describe('a cloud-config', () => {
  it('may hold nothing', () => {
    expect(plannedFiles(plan(''))).toEqual([]);
  });

  it('sets fleetd up by a drop-in, with a password apart', () => {
    const all = files(
      'coreos:\n  fleet:\n    public-ip: $public_ipv4\n    metadata: name=%H,say="x"\n    etcd_password: a"$b\n',
    );
    expect(all).toEqual({
      '/etc/systemd/system/fleet.service.d/20-provision.conf':
        '644 root:root [Service]\n' +
        'Environment="FLEET_METADATA=name=%H,say=\\"x\\""\nEnvironment="FLEET_PUBLIC_IP=203.0.113.7"\nEnvironmentFile=/etc/fleet/provision.env\n',
      '/etc/fleet/provision.env': '600 root:root FLEET_ETCD_PASSWORD="a\\"\\$b"\n',
    });
  });

  it('reads modes as octal, however they are written', () => {
    const all = files(
      'write_files:\n' +
        ['0700', "'0755'", '"644"', '0o600']
          .map((mode, i) => `  - {path: /f${i}, permissions: ${mode}}\n`)
          .join(''),
    );
    expect(Object.values(all).map((line) => line.split(' ')[0])).toEqual([
      '700',
      '755',
      '644',
      '600',
    ]);
  });

  it('decodes contents', () => {
    const packed = gzipSync('packed').toString('base64');
    const all = files(
      `write_files:\n  - {path: /a, content: aGVsbG8=, encoding: b64}\n` +
        `  - {path: /b, content: ${packed}, encoding: gzip+base64, owner: core}\n`,
    );
    expect(all).toEqual({ '/a': '644 root:root hello', '/b': '644 core:root packed' });
  });

  it('puts addresses in where they stand, and keeps them behind a backslash', () => {
    const all = files(
      'write_files:\n  - path: /a\n    content: |\n      $private_ipv4 \\$private_ipv4 $private\n',
    );
    expect(all['/a']).toBe('644 root:root 10.0.0.7 $private_ipv4 $private\n');
  });

  it('puts units and drop-ins where systemd and networkd look', () => {
    const all = files(
      [
        'coreos:',
        '  units:',
        '    - {name: a.service, content: A, drop-ins: [{name: x.conf, content: X}]}',
        '    - {name: b.service, content: B, runtime: yes}',
        '    - {name: 10-eth.network, content: N, runtime: true}',
      ].join('\n'),
    );
    expect(Object.keys(all)).toEqual([
      '/etc/systemd/system/a.service',
      '/etc/systemd/system/a.service.d/x.conf',
      '/run/systemd/system/b.service',
      '/run/systemd/network/10-eth.network',
    ]);
  });

  it('makes coreos.etcd2 the environment of etcd.service', () => {
    const all = files(
      'coreos:\n  etcd2:\n    name: n1\n    listen-client-urls: http://$private_ipv4:2379\n',
    );
    expect(all['/etc/systemd/system/etcd.service.d/20-provision.conf']).toContain(
      'Environment="ETCD_LISTEN_CLIENT_URLS=http://10.0.0.7:2379"\nEnvironment="ETCD_NAME=n1"\n',
    );
  });

  it('gives the keys at its top to core, and makes core where no user of that name is listed', () => {
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me';
    const [core] = plan(`ssh_authorized_keys: [${key}]\nusers: [{name: ops}]\n`).users;
    expect(core).toMatchObject({ name: 'core', sshKeys: [key], groups: [] });
    const own = plan(`ssh_authorized_keys: [${key}]\nusers: [{name: core, groups: [fleet]}]\n`);
    expect(own.users).toMatchObject([{ name: 'core', sshKeys: [key], groups: ['fleet'] }]);
  });

  it('lists units for the cluster, an instance with the text of its template', () => {
    const { submit } = plan(
      [
        'fleet:',
        '  units:',
        '    - {name: w@.service, command: submit, content: "[Service]\\nExecStart=/bin/true\\n"}',
        '    - {name: w@1.service}',
      ].join('\n'),
    );
    expect(submit.map(({ name, desiredState }) => [name, desiredState])).toEqual([
      ['w@.service', 'inactive'],
      ['w@1.service', 'launched'],
    ]);
    expect(submit[1]!.text).toBe(submit[0]!.text);
  });

  it('takes what an alias repeats and a merge brings', () => {
    const { units } = plan(
      'coreos:\n  units:\n    - &a {name: a.service, command: start}\n    - {<<: *a, name: b.service}\n',
    );
    expect(units.map(({ name, command }) => `${command} ${name}`)).toEqual([
      'start a.service',
      'start b.service',
    ]);
  });
});

describe('what is wrong with a cloud-config is said with its place', () => {
  it.for([
    { body: 'hostnam: x', says: ["2:1: error: unknown key 'hostnam'. Did you mean 'hostname'?"] },
    {
      body: 'coreos:\n  fleet: {metdata: a=b, agent-ttl: wrong}',
      says: ["3:11: error: unknown key 'metdata'. Did you mean 'metadata'?"],
    },
    {
      body: 'coreos: {fleet: {agent-ttl: wrong}}',
      says: ["2:29: error: 'agent_ttl' is wrong"],
    },
    {
      body: 'coreos: {update: {group: stable}, locksmith: {}}',
      says: [/^2:10: warning: 'coreos.update' is not carried out/, /^2:35: warning: 'coreos.loc/],
    },
    { body: 'runcmd: [x]\nruncmds: []', says: [/2:1: warning: 'runcmd'/, /3:1: error: unknown/] },
    {
      body: 'users: [{name: a, coreos-ssh-import-url: x}, {name: b, coreos-ssh-import-url: y}]',
      says: [/^2:19: warning: 'users\[0\].coreos-ssh-import-url' is not carried out/],
    },
    { body: 'users: [{name: a, passwd: secret}]', says: [/2:27: error: .* must be a hash/] },
    { body: 'a: [', says: [/^2:5: error: flow sequence/] },
    { body: 'write_files:\n  - path: /x\n      content: y', says: [/^3:11: error: .*align it$/] },
    { body: 'users:\n\t- name: a', says: ['3:1: error: a tab indents this line: write spaces'] },
    { body: 'write_files: [{path: /x}, {path: /x}]', says: ["2:34: error: '/x' is written twice"] },
    { body: 'hostname: a\nhostname: b', says: ['3:1: error: this key stands here twice'] },
    { body: 'hostname: !!int 3', says: [/2:11: error: .*tag/] },
    {
      body: 'write_files:\n  - path: etc/x\n  - path: /a/../b\n  - {path: /x, permissions: 999}',
      says: [/^3:11: error: .* absolute/, /^4:11: error: .* absolute/, /^5:29: error: .*octal/],
    },
    {
      body: 'write_files: [{path: /x, encoding: b64, content: "%"}, {path: /x}]',
      says: [/2:50: error: .*is not base64/, "2:63: error: '/x' is written twice"],
    },
    {
      body: 'write_files:\n  - {path: /etc/systemd/system/a.service}\ncoreos: {units: [{name: a.service, content: x}]}',
      says: [/1:1: error: two parts of the file are to stand at/],
    },
    {
      body: 'coreos:\n  units: [{name: a, command: go}, {name: b.service, mask: yes, enable: yes}]',
      says: [/3:18: error: .*unit's name/, /3:30: error: .*must be one of start,/],
    },
    {
      body: 'coreos: {units: [{name: b.service, mask: yes, enable: yes}]}',
      says: [/2:18: error: 'b.service' cannot be enabled and masked/],
    },
    {
      body: 'coreos: {fleet: {public-ip: $private_ipv6}}',
      says: [/2:29: error: .* --private-ipv6/],
    },
    {
      body: 'fleet:\n  units:\n    - name: a.service\n      content: |\n        [Service]\n        ExecStart=/x\n        [X-Fleet]\n        Globl=true\n',
      says: [/^9:1: error: .*Globl/],
    },
    {
      body: 'fleet:\n  units: [{name: w@.service, content: x}, {name: b.service}]',
      says: [/3:18: error: a template/, /error/, /3:50: error: 'b.service' has no content/],
    },
  ])('$body', ({ body, says }) => {
    const { problems } = read(`#cloud-config\n${body}`);
    const lines = problems.map((problem) => problemText('F', problem).replace('F:', ''));
    expect(lines.length, lines.join('\n')).toBeGreaterThanOrEqual(says.length);
    for (const said of says)
      expect(lines).toContainEqual(typeof said === 'string' ? said : expect.stringMatching(said));
  });

  it.for([
    ['#!/bin/sh', /a script/],
    ['Content-Type: multipart/mixed', /several parts/],
    ['hostname: a', /neither/],
    [`#cloud-config\n#${'x'.repeat(1024 * 1024)}`, /more than 1048576 bytes/],
    ['#cloud-config\n- a', /the file must be a map of keys/],
  ] as const)('%s', ([text, said]) => {
    expect(read(text).problems).toMatchObject([{ message: expect.stringMatching(said) }]);
  });

  it('no bomb of aliases is unpacked', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const item = i === 0 ? 'x' : `*a${i - 1}`;
      return `l${i}: &a${i} [${Array.from({ length: 10 }, () => item).join(', ')}]`;
    });
    expect(read(`#cloud-config\n${levels.join('\n')}`).problems).toMatchObject([
      { message: 'the file has more than 20000 values' },
    ]);
  });
});

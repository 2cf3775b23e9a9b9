import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { plannedFiles } from '../../../src/provision/planned-files.ts';
import { problemText } from '../../../src/provision/problems.ts';
import { readProvisionFile, type ReadResult } from '../../../src/provision/read.ts';

function read(content: object): ReadResult {
  const text = JSON.stringify({ ignition: { version: '3.4.0' }, ...content });
  return readProvisionFile(text, { addresses: {}, fleetProblem: () => undefined });
}

describe('an Ignition file', () => {
  it('becomes files, directories, links, accounts and units', () => {
    const { plan, problems } = read({
      passwd: {
        users: [{ name: 'ops', uid: 900, system: true, groups: ['fleet'] }],
        groups: [{ name: 'g', gid: 901 }],
      },
      storage: {
        directories: [{ path: '/srv/d', mode: 448, user: { name: 'ops' }, group: { id: 5 } }],
        files: [
          { path: '/srv/a', mode: 384, contents: { source: 'data:,a%20b' }, user: { id: 900 } },
          { path: '/srv/b', overwrite: true, contents: { source: 'data:text/plain;base64,aGk=' } },
          { path: '/srv/c', append: [{ source: 'data:,more' }] },
        ],
        links: [{ path: '/srv/l', target: 'a', hard: null }],
      },
      systemd: {
        units: [
          {
            name: 'x.service',
            enabled: true,
            contents: 'X',
            dropins: [{ name: 'a.conf', contents: 'D' }],
          },
          { name: 'y.service', mask: true },
        ],
      },
    });
    expect(problems).toEqual([]);
    expect(plan!.users).toMatchObject([{ name: 'ops', uid: 900, system: true, groups: ['fleet'] }]);
    expect(plan!.groups).toEqual([{ name: 'g', gid: 901, system: false }]);
    expect(plan!.directories).toEqual([{ path: '/srv/d', mode: 0o700, user: 'ops', group: '5' }]);
    expect(plan!.links).toEqual([{ path: '/srv/l', target: 'a', hard: false, overwrite: false }]);
    expect(plan!.units).toMatchObject([
      { name: 'x.service', enable: true, command: 'start' },
      { name: 'y.service', mask: true },
    ]);
    const shown = plannedFiles(plan!).map(
      ({ path, mode, user, contents, append, keepOther }) =>
        `${path} ${mode.toString(8)} ${user} ${Buffer.from(contents).toString()} ${append} ${keepOther}`,
    );
    expect(shown).toEqual([
      '/srv/a 600 900 a b false true',
      '/srv/b 644 0 hi false false',
      '/srv/c 644 0 more true false',
      '/etc/systemd/system/x.service 644 root X false false',
      '/etc/systemd/system/x.service.d/a.conf 644 root D false false',
    ]);
  });

  it.for([
    [{ ignition: { version: '2.3.0' } }, /'ignition.version' must be a version from 3/],
    [{ ignition: { version: '3.0.0', config: { merge: [] } } }, /'ignition.config.merge' is not/],
    [{ storage: { disks: [] } }, /error: 'storage.disks' is not carried out/],
    [{ kernelArguments: {} }, /warning: 'kernelArguments' is not carried out/],
    [{ storage: { fils: [] } }, /unknown key 'fils'. Did you mean 'files'\?/],
    [{ storage: { files: [{ path: '/a', mode: 0o10000 }] } }, /must be a mode/],
    [
      { storage: { files: [{ path: '/a', mode: '0644' }] } },
      /must be a whole number|must be a number/,
    ],
    [{ storage: { files: [{ path: '/a', contents: { source: 'http://x' } }] } }, /is not fetched/],
    [{ storage: { files: [{ path: '/a', contents: { source: 'data:,%g' } }] } }, /hex digits/],
    [
      {
        storage: {
          files: [
            {
              path: '/a',
              contents: {
                source: 'data:,a',
                verification: { hash: `sha256-${hash('sha256', 'b')}` },
              },
            },
          ],
        },
      },
      /is not the sum/,
    ],
    [{ storage: { files: [{ path: '/a' }], links: [{ path: '/a', target: 'b' }] } }, /two parts/],
  ] as const)('%j', ([content, said]) => {
    const lines = read(content).problems.map((problem) => problemText('F', problem));
    expect(lines).toEqual([expect.stringMatching(said)]);
  });

  it('that is no JSON is refused with its place', () => {
    const text = '{"ignition": {"version": "3.0.0"},\n "storage": {"files": [}}';
    const { problems } = readProvisionFile(text, { addresses: {}, fleetProblem: () => undefined });
    expect(problems[0]).toMatchObject({ severity: 'error', line: 2 });
  });
});

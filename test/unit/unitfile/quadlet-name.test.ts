// What a Quadlet file's name says: which service it is on a host, beside which units it cannot be, and what can run it.
import { describe, expect, it } from 'vitest';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { namesakesOf, runtimesFor, systemdNameOf } from '../../../src/unitfile/quadlet-name.ts';

const service = (name: string): string => systemdNameOf(checkUnitName(name));
const namesakes = (name: string): readonly string[] => namesakesOf(checkUnitName(name)).toSorted();

describe('systemdNameOf', () => {
  it.for([
    ['web.container', 'web.service'],
    ['web@.container', 'web@.service'],
    ['web@a.b@c.container', 'web@a.b@c.service'],
    ['data.volume', 'data-volume.service'],
    ['data@1.volume', 'data-volume@1.service'],
    ['a.b.network', 'a.b-network.service'],
    ['app.kube', 'app.service'],
    ['web.service', 'web.service'],
    ['web.timer', 'web.timer'],
  ] as const)('%s runs as %s', ([name, expected]) => {
    expect(service(name)).toBe(expected);
  });
});

describe('namesakesOf', () => {
  it.for([
    ['web.container', ['web.kube', 'web.service']],
    ['web.service', ['web.container', 'web.kube']],
    ['data.volume', ['data-volume.container', 'data-volume.kube', 'data-volume.service']],
    ['data-volume@1.service', ['data-volume@1.container', 'data-volume@1.kube', 'data@1.volume']],
    ['-pod.service', ['-pod.container', '-pod.kube']],
    ['web.timer', []],
  ] as const)('%s is the same service as %j', ([name, expected]) => {
    expect(namesakes(name)).toEqual([...expected]);
  });

  it('is mutual, and of one service', () => {
    for (const name of ['web.container', 'data-volume.service', 'net@1.network', 'a-pod.kube'])
      for (const other of namesakes(name)) {
        expect(namesakes(other)).toContain(name);
        expect(service(other)).toBe(service(name));
      }
  });
});

describe('runtimesFor', () => {
  it.for([
    ['web.container', undefined, ['podman', 'docker', 'rkt']],
    ['web.container', 'docker', ['docker']],
    ['data.volume', 'auto', ['podman', 'docker']],
    ['app.pod', undefined, ['podman']],
    ['web.service', undefined, undefined],
  ] as const)('%s with Runtime=%s needs one of %j', ([name, asked, expected]) => {
    expect(runtimesFor(checkUnitName(name), asked)).toEqual(expected);
  });
});

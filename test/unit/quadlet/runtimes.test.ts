// What the runtimes make of the same file, and what they say they cannot.
import { describe, expect, it } from 'vitest';
import { RUNTIMES, type Runtime } from '../../../src/model/container-runtime.ts';
import { convertQuadlet } from '../../../src/quadlet/convert.ts';
import { SectionReader } from '../../../src/quadlet/section.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';
import { splitWords } from '../../../src/quadlet/words.ts';
import { problemLine } from '../../../src/unitfile/problem.ts';
import { bareHost } from '../../support/quadlet-laws.ts';

const CONTAINER = '[Container]\nImage=registry.example/library/busybox\n';

function service(runtime: Runtime, name: string, text: string): SectionReader {
  const file = parseUnitFile(text, 'podman').ok!;
  const { ok, problems } = convertQuadlet(name, file, bareHost(runtime));
  if (ok === undefined) throw new Error(problems.map(problemLine).join('; '));
  return new SectionReader(parseUnitFile(ok.text).ok, 'Service');
}

function refusals(runtime: Runtime, name: string, text: string): readonly string[] {
  const converted = convertQuadlet(name, parseUnitFile(text).ok!, bareHost(runtime));
  return (converted.problems ?? []).map(problemLine);
}

describe('docker', () => {
  it('runs in the foreground under one name, and leaves nothing behind', () => {
    const read = service('docker', 'web.container', `${CONTAINER}Exec=sleep 9\n`);
    const of = (key: string): string | undefined => read.last(key)?.value;
    const remove = '-/usr/bin/docker rm -f -v systemd-%N';
    expect(of('Type')).toBe('exec');
    expect(of('ExecStartPre')).toBe(remove); // what a power cut left
    expect(of('ExecStart')).toBe(
      '/usr/bin/docker run --name systemd-%N --rm registry.example/library/busybox sleep 9',
    );
    expect(of('ExecStop')).toBe('-/usr/bin/docker stop systemd-%N');
    expect(of('ExecStopPost')).toBe(remove);
  });

  it.for([
    ['AddCapability=CAP_NET_ADMIN', '--cap-add cap_net_admin'],
    ['Environment="A=b c"', '--env "A=b c"'],
    ['ReadOnly=yes', '--read-only --tmpfs /run --tmpfs /tmp --tmpfs /var/tmp'],
    ['ReadOnly=yes\nTmpfs=/tmp:size=1m', '--tmpfs /run --tmpfs /var/tmp'],
    ['ReadOnly=yes\nReadOnlyTmpfs=no', '--read-only registry.example'],
    ['Network=host', '--network host'],
    ['Network=net.network', '--network systemd-net'],
    ['Volume=data.volume:/data:ro', '-v systemd-data:/data:ro'],
    ['Mount=type=bind,src=/a,dst=/b', '--mount type=bind,source=/a,dst=/b'],
    ['User=1\nGroup=2', '--user 1:2'],
    ['Unknown=', undefined],
  ] as const)('%j is %j', ([line, words]) => {
    const text = `${CONTAINER}${line}\n`;
    if (words === undefined) expect(refusals('docker', 'a.container', text)).toHaveLength(1);
    else expect(service('docker', 'a.container', text).last('ExecStart')?.value).toContain(words);
  });

  it.for([
    ['Pod=a.pod', 'it has no pods'],
    ['Notify=yes', 'it passes no notifications on'],
    ['PodmanArgs=--x', 'they are arguments of podman'],
    ['Network=a\nNetwork=b', 'a container begins in one network'],
    ['Network=a:ip=10.0.0.1', 'a network has no options of its own'],
    ['Volume=/a:/b:U', "it has no option 'U' of a volume"],
    ['Mount=type=image,source=a,destination=/b', "it has no mounts of type 'image'"],
    ['Mount=type=bind,source=/a,destination=/b,relabel=shared', "it has no field 'relabel'"],
    ['Entrypoint=["a","b"]', 'its entry point is one word'],
    ['Pull=newer', "it has 'always', 'missing', 'never'"],
    ['LogDriver=passthrough', 'are drivers of both'],
    ['GroupAdd=keep-groups', "'keep-groups' is podman's"],
    ['Timezone=local', 'TZ'],
  ] as const)('refuses %s by name', ([line, reason]) => {
    const [first = '', ...others] = refusals('docker', 'a.container', `${CONTAINER}${line}\n`);
    expect(others).toEqual([]);
    expect(first).toMatch(/^line \d+, column 1: docker cannot express '\w+='/);
    expect(first).toContain(reason);
  });

  it('makes a network once, with words of its own shell', () => {
    const start = service('docker', 'net.network', '[Network]\nSubnet=10.1.0.0/24\n').last(
      'ExecStart',
    );
    expect(start?.value).toContain('network inspect');
    expect(start?.value).toMatch(
      /sh \/usr\/bin\/docker network inspect systemd-net \/usr\/bin\/docker network create --subnet 10.1.0.0\/24 systemd-net$/,
    );
  });

  it.for(['pod', 'kube', 'artifact'])('has nothing like a .%s file', (type) => {
    expect(refusals('docker', `a.${type}`, '[Unit]\n')).toEqual([
      `line 1, column 1: docker has nothing like a '.${type}' file`,
    ]);
  });
});

describe('rkt', () => {
  it('runs a pod that a file knows by its id', () => {
    const text = `${CONTAINER}Entrypoint=/bin/sh\nExec=-c "sleep 9"\nVolume=/a:/b:ro\nEnvironment=A=b\n`;
    const read = service('rkt', 'web.container', text);
    expect(read.last('ExecStart')?.value).toBe(
      '/usr/bin/rkt --insecure-options=image run --uuid-file-save=%t/%N.rkt --set-env=A=b ' +
        '--volume=volume-0,kind=host,source=/a,readOnly=true --mount=volume=volume-0,target=/b ' +
        'docker://registry.example/library/busybox --exec /bin/sh -- -c "sleep 9"',
    );
    expect(read.last('ExecStopPost')?.value).toBe('-/usr/bin/rkt rm --uuid-file=%t/%N.rkt');
  });

  it.for([
    ['Exec=true', "it cannot replace an image's command alone"],
    ['PublishPort=80:80', 'by the names that the image'],
    ['Volume=data:/data', 'on paths of the host only'],
    ['Network=net.network', 'networks of CNI'],
    ['Pod=a.pod', 'a Quadlet pod is one of podman'],
  ] as const)('refuses %s by name', ([line, reason]) => {
    expect(refusals('rkt', 'a.container', `${CONTAINER}${line}\n`).join()).toContain(reason);
  });
});

describe('a hostile value', () => {
  const lines = [
    String.raw`Label=a=b\x0aExecStartPre=/evil`,
    String.raw`Environment="A=b\n[Service]\nExecStartPre=/evil"`,
    String.raw`Exec=true \012ExecStartPre=/evil`,
    String.raw`Volume="/a\nExecStartPre=/evil":/b`,
    'Exec=true ; /evil',
    'Annotation=a="b\\\\',
    'Entrypoint=/bin/a" ; /evil',
    'HostName=a\u2028ExecStartPre=/evil',
  ];
  it.for(RUNTIMES.flatMap((runtime) => lines.map((line) => [runtime, line] as const)))(
    'of %s stays in its word: %j',
    ([runtime, line]) => {
      const file = parseUnitFile(`${CONTAINER}Entrypoint=/bin/a\n${line}\n`).ok!;
      const { ok } = convertQuadlet('web@a\\x2fb.container', file, bareHost(runtime));
      if (ok === undefined) return; // refused
      const made = new SectionReader(parseUnitFile(ok.text).ok, 'Service').assignments;
      expect(made.filter(({ value }) => /^.?\/evil/.test(value))).toEqual([]);
      const [start = '', ...more] = made
        .filter(({ key }) => key === 'ExecStart')
        .map(({ value }) => value);
      expect(more).toEqual([]);
      expect(splitWords(start, 'retain').words).not.toContain(';');
    },
  );

  it.for(RUNTIMES)('an image that %s would read as an option is refused', (runtime) => {
    const text = '[Container]\nImage=--privileged\n';
    expect(refusals(runtime, 'a.container', text).join()).toContain('would be read as an option');
  });
});

describe('a fenced unit', () => {
  it.for([
    ['podman', '--env FLEET_GENERATION'],
    ['docker', '--env FLEET_GENERATION'],
    ['rkt', '--set-env=FLEET_GENERATION=${FLEET_GENERATION}'],
  ] as const)('of %s shows its processes the token', ([runtime, words]) => {
    for (const line of ['Fence=yes', 'OnPartition=stop']) {
      const text = `${CONTAINER}[X-Fleet]\n${line}\n`;
      expect(service(runtime, 'a.container', text).last('ExecStart')?.value).toContain(words);
    }
    const plain = service(runtime, 'a.container', CONTAINER).last('ExecStart');
    expect(plain?.value).not.toContain('FLEET_GENERATION');
  });
});

describe('podman, beyond its own expectations', () => {
  it.for([
    ['Exec=sh -c "echo %h $HOME"', 'sh -c "echo %h $HOME"'],
    [String.raw`Exec=find / -exec ls {} \;`, String.raw`find / -exec ls {} \;`],
    ['Network=other.container', '--network container:systemd-other'],
    ['AddDevice=-/dev/none', '-d registry.example'],
    ['Label=regex=^foo(\\?.*)?$', '--label "regex=^foo(\\\\?.*)?$"'],
  ] as const)('%j is %j', ([line, words]) => {
    const read = service('podman', 'a.container', `${CONTAINER}${line}\n`);
    expect(read.last('ExecStart')?.value).toContain(words);
  });

  it.for([
    ['data.volume', '[Volume]\nLabel=a=b\n', 'volume', '--label a=b systemd-data'],
    ['net.network', '[Network]\nInternal=yes\n', 'network', '--internal systemd-net'],
  ] as const)('before 4.4 looks before it makes %s', ([name, text, noun, words]) => {
    const start = (version: string): string | undefined => {
      const host = { ...bareHost('podman'), version };
      const made = convertQuadlet(name, parseUnitFile(text).ok!, host).ok?.text ?? '';
      return new SectionReader(parseUnitFile(made).ok, 'Service').last('ExecStart')?.value;
    };
    expect(start('4.4.0')).toBe(`/usr/bin/podman ${noun} create --ignore ${words}`);
    expect(start('10.0')).toBe(start('4.4.0'));
    expect(start('4.3.1')).toMatch(/^\/bin\/sh -c /);
    expect(start('4.3.1')).toContain(
      `sh /usr/bin/podman ${noun} exists systemd-${name.split('.')[0]!} /usr/bin/podman ${noun} create ${words}`,
    );
  });

  it('a container joins its pod by itself', () => {
    const file = parseUnitFile(`${CONTAINER}Pod=p.pod\n`).ok!;
    const text = convertQuadlet('a.container', file, bareHost('podman')).ok?.text ?? '';
    const all = parseUnitFile(text).ok;
    expect(new SectionReader(all, 'Unit').last('BindsTo')?.value).toBe('p-pod.service');
    expect(new SectionReader(all, 'Install').last('WantedBy')?.value).toBe('p-pod.service');
    expect(text).toContain('--pod systemd-p');
  });

  it.for([
    ['Environment="A=b', 'line 3, column 13: Environment: a quote is not closed'],
    ['EnvironmentFile=./env', "line 3, column 17: EnvironmentFile: the path './env' is relative"],
    ['ExposeHostPort=x', "line 3, column 16: invalid port format 'x'"],
    ['Mount=type=bind,source,destination=/a', 'the source parameter does not include a value'],
    ['[Pod]', "line 3, column 1: the section '[Pod]' means nothing in a '.container' file"],
  ] as const)('refuses %s with its place', ([line, message]) => {
    expect(refusals('podman', 'a.container', `${CONTAINER}${line}\n`).join()).toContain(message);
  });
});

// Hosts with Debian's podman and docker for tests, and what tests ask of them.
// Invariant: the image is made on the host, of its own busybox: no registry is asked.
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { machines, startLab, type Lab } from './lab.ts';

/** The name of the image. */
export const IMAGE = 'localhost/busybox:latest';
/** For what a slow runtime does on a busy machine. */
export const SLOW = { timeoutMs: 60_000, everyMs: 200 };

/** The packages of lab/lab.sh, and the runtimes. Another list is another image of the lab's hosts. */
const PACKAGES =
  'systemd systemd-sysv dbus iproute2 iputils-ping procps nftables iptables busybox-static libatomic1 libstdc++6 ' +
  'openssh-server sudo podman docker.io runc crun ca-certificates catatonit containernetworking-plugins';
/** A root directory with busybox in it, as an archive on standard output. */
const ROOT =
  'cd "$(mktemp -d)" && mkdir bin tmp run var && cp /bin/busybox bin/ && for each in sh sleep echo cat kill; do ln -s busybox bin/$each; done && tar -cf - .';

export type ContainerLab = Lab & {
  down(): Promise<void>;
  /** A property of a unit of systemd on the host. */
  show(host: string, unit: string, property: string): Promise<string>;
  /** What fleetctl prints on h1; it must end well. */
  fleet(...args: readonly string[]): Promise<string>;
  /** Writes the file on h1 and hands it to that command. */
  submit(name: string, text: string, verb?: string): Promise<string>;
  /** Makes the image for the runtime on the host. */
  makeImage(host: string, runtime: 'podman' | 'docker'): Promise<void>;
};

/** Boots them, and waits until all are members. `ttl` is agent_ttl. */
export async function startContainerLab(hosts: number, ttl = '3s'): Promise<ContainerLab> {
  process.env['LAB_PKGS'] = PACKAGES;
  const lab = await startLab({ hosts, name: 'ctr', ttl });
  await machines(lab, 'h1', hosts);
  const fleet: ContainerLab['fleet'] = async (...args) => {
    const { status, stdout, stderr } = await lab.fleetctl('h1', ...args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr });
    return stdout;
  };
  return {
    ...lab,
    show: (host, unit, property) =>
      lab.out(host, 'systemctl', 'show', '--value', '-p', property, unit),
    fleet,
    submit: async (name, text, verb = 'start') => {
      await lab.write('h1', `/root/${name}`, text);
      return await fleet(verb, `/root/${name}`);
    },
    makeImage: async (host, runtime) => {
      await lab.out(host, 'sh', '-c', `${ROOT} | ${runtime} import - ${IMAGE}`);
    },
  };
}

/** Waits until the unit is active there. */
export function isUp(lab: ContainerLab, host: string, unit: string): Promise<true> {
  return eventually(async () => (await lab.show(host, unit, 'ActiveState')) === 'active', SLOW);
}

// Sockets that systemd passes to fleetd (sd_listen_fds(3)).
// Invariant: the variables are gone afterwards, so that no child takes the sockets for its own.

export interface ListenFd {
  /** For `server.listen({ fd })`. Node has marked it close-on-exec. */
  readonly fd: number;
  /** FileDescriptorName= of the socket unit, its name by default; 'unknown' where systemd did not say. */
  readonly name: string;
}

/** SD_LISTEN_FDS_START of sd-daemon.h. */
const FIRST_FD = 3;
const FDS_MAX = 1024;

/** The sockets passed to the process `pid`, in order; takes the variables out of `env`. */
export function takeListenFds(
  env: Record<string, string | undefined>,
  pid: number,
): readonly ListenFd[] {
  const { LISTEN_PID: forPid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (forPid !== String(pid)) return []; // meant for a parent
  if (count === undefined || !/^\d{1,4}$/.test(count) || Number(count) > FDS_MAX) return [];
  const named = names === undefined ? [] : names.split(':');
  return Array.from({ length: Number(count) }, (_, i) => ({
    fd: FIRST_FD + i,
    name: named[i] ?? 'unknown',
  }));
}

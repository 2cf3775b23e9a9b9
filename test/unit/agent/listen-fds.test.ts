import { expect, it } from 'vitest';
import { takeListenFds } from '../../../agent/listen-fds.ts';
import { openNotifier } from '../../../agent/notify.ts';

it.for([
  {
    name: 'two sockets with names',
    env: { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b' },
    expected: ['3 a', '4 b'],
  },
  {
    name: 'a socket without a name',
    env: { LISTEN_PID: '7', LISTEN_FDS: '1' },
    expected: ['3 unknown'],
  },
  { name: "another process's sockets", env: { LISTEN_PID: '8', LISTEN_FDS: '1' }, expected: [] },
  { name: 'no sockets', env: {}, expected: [] },
  { name: 'a count that is none', env: { LISTEN_PID: '7', LISTEN_FDS: '-1' }, expected: [] },
])('takeListenFds answers $expected for $name and clears the variables', ({ env, expected }) => {
  const mine: Record<string, string | undefined> = { ...env, HOME: '/' };
  expect(takeListenFds(mine, 7).map(({ fd, name }) => `${fd} ${name}`)).toEqual(expected);
  expect(mine).toEqual({ HOME: '/' });
});

it.for([
  { env: { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, expected: 15_000 },
  { env: { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '30000000' }, expected: 15_000 },
  {
    env: { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' },
    expected: undefined,
  },
  { env: { NOTIFY_SOCKET: '/x' }, expected: undefined },
  { env: { WATCHDOG_USEC: '30000000' }, expected: undefined },
])('openNotifier asks for a watchdog every $expected ms given $env', ({ env, expected }) => {
  const mine: Record<string, string | undefined> = { ...env };
  expect(openNotifier(mine, 7).watchdogMs).toBe(expected);
  expect(mine).toEqual({});
});

it('openNotifier answers false where nobody listens', async () => {
  expect(await openNotifier({}, 7).ready('', AbortSignal.timeout(1000))).toBe(false);
});

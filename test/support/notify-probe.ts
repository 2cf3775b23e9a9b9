// A service for tests: takes its sockets, says that it is ready, keeps its watchdog; answers a connection with what it has seen.
import { createServer } from 'node:net';
import { takeListenFds } from '../../agent/listen-fds.ts';
import { openNotifier } from '../../agent/notify.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const fds = takeListenFds(process.env, process.pid);
const notifier = openNotifier(process.env, process.pid);
const { signal } = new AbortController();
const server = createServer((socket) => {
  const leftovers = Object.keys(process.env).filter((key) =>
    /^(LISTEN|NOTIFY|WATCHDOG)_/.test(key),
  );
  socket.end(JSON.stringify({ fds, leftovers, watchdogMs: notifier.watchdogMs }));
});
const [first] = fds;
if (first !== undefined) server.listen({ fd: first.fd });
await notifier.ready('all is well', signal);
process.once('SIGTERM', () => {
  void notifier.stopping(signal).finally(() => process.exit(0));
});
for (;;) {
  await notifier.watchdog(signal);
  await systemClock.sleep(notifier.watchdogMs ?? 1000, signal);
}

// Ports for programs that cannot choose one by themselves.
// Invariant: none that the kernel gives to a connection, which could take it before the program listens, or while it starts again.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';

const FIRST = 12_000;

/** Different ports of 127.0.0.1 on which nobody listens. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer();
    try {
      await once(server.listen(somePort(), '127.0.0.1'), 'listening');
      servers.push(server);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Any that is free (0) where all are for connections. */
function somePort(): number {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const end = Number(range.split('\t')[0]);
  return end - FIRST < 1000 ? 0 : randomInt(FIRST, end);
}

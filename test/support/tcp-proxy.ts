// A TCP proxy on loopback that a test can open, cut, or turn into a black hole in the middle of a connection.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

/** open: passes bytes. blackhole: keeps connections and passes nothing. closed: ends connections and takes no new ones. */
type ProxyMode = 'open' | 'blackhole' | 'closed';

export interface TcpProxy {
  readonly port: number;
  /** Bytes that came back from the target so far, over all connections. */
  readonly bytesToClient: number;
  /** Connections taken so far. */
  readonly accepted: number;
  setMode(mode: ProxyMode): void;
  /** Passes what the client sends and nothing that comes back; until `setMode`. */
  swallowAnswers(): void;
  /** Ends the connection over which the next `bytes` bytes have come back, once. */
  cutAfterBytes(bytes: number): void;
  /** Ends every connection now; new ones are taken. */
  cut(): void;
  /** Lets the connections of now go silent for ever, as a router does that forgets them; new ones work. */
  strand(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TcpProxyOptions {
  /** Asked once a connection, with the port it comes from: false ends it. */
  readonly admit?: (clientPort: number) => boolean;
}

interface Link {
  readonly client: Socket;
  readonly target: Socket;
  stranded: boolean;
}

/** Starts a proxy from a free loopback port to `target` ('host:port' or a port). */
export async function startTcpProxy(
  target: string | number,
  options: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const [host, port] = typeof target === 'number' ? ['127.0.0.1', target] : splitAddress(target);
  const links = new Set<Link>();
  let mode: ProxyMode | 'swallow' = 'open';
  let bytesToClient = 0;
  let accepted = 0;
  let bytesLeft = Number.POSITIVE_INFINITY;

  const server = createServer((client) => {
    client.on('error', () => client.destroy());
    if (mode === 'closed' || options.admit?.(client.remotePort ?? 0) === false) {
      client.destroy();
      return;
    }
    const link: Link = { client, target: createConnection(port, host), stranded: false };
    link.target.on('error', () => client.destroy());
    client.on('close', () => {
      links.delete(link);
      link.target.destroy();
    });
    link.target.on('close', () => client.destroy());
    links.add(link);
    accepted += 1;
    client.on('data', (data) => {
      if (mode !== 'blackhole' && !link.stranded) link.target.write(data);
    });
    // Memory stays bounded also where the client does not read.
    client.on('drain', () => link.target.resume());
    link.target.on('data', (data) => {
      if (mode === 'blackhole' || mode === 'swallow' || link.stranded) return;
      bytesToClient += data.length;
      bytesLeft -= data.length;
      if (!client.write(data)) link.target.pause();
      if (bytesLeft > 0) return;
      bytesLeft = Number.POSITIVE_INFINITY;
      client.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const cut = (): void => {
    for (const link of links) link.client.destroy();
  };
  const close = async (): Promise<void> => {
    cut();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return {
    port: (server.address() as AddressInfo).port,
    get bytesToClient() {
      return bytesToClient;
    },
    get accepted() {
      return accepted;
    },
    setMode(next) {
      mode = next;
      if (next === 'closed') cut();
    },
    swallowAnswers() {
      mode = 'swallow';
    },
    cutAfterBytes(bytes) {
      bytesLeft = bytes;
    },
    cut,
    strand() {
      for (const link of links) link.stranded = true;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function splitAddress(address: string): [string, number] {
  const { hostname, port } = new URL(address.includes('://') ? address : `tcp://${address}`);
  return [hostname, Number(port)];
}

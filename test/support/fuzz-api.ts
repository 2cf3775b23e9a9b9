// Throws requests and bytes at a real API until an answer breaks a law: each is JSON of the documented shape, none is a fault of ours, and none hangs.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { ApiErrorBody } from '../../src/api/types.ts';
import { httpStatus } from '../../src/api/status.ts';
import type { ApiFixture } from './api.ts';
import { anyBytes, anyRequest, type FuzzRequest } from './api-requests.ts';
import { randomFrom, type Random } from './random.ts';

/** ms in which an answer must be there, or a connection closed that the client has ended. */
const ANSWER_MAX_MS = 10_000;
const AT_ONCE = 32;
const TOKENS_KEPT = 50;

export interface FuzzResult {
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** What broke a law, with what was sent; the first few. */
  readonly broken: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

/** Sends `count` requests of this seed, a tenth of them as raw bytes. */
export async function fuzzApi(
  fixture: ApiFixture,
  { seed, count }: Readonly<{ seed: number; count: number }>,
): Promise<FuzzResult> {
  const random = randomFrom(seed);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const statuses: Record<string, number> = {};
  const tokens: string[] = [];
  const broken: string[] = [];
  let sent = 0;
  let slowestMs = 0;
  const worker = async (): Promise<void> => {
    while (sent < count && broken.length < 5) {
      sent += 1;
      const began = performance.now();
      const fault = random(10) === 0 ? await rawFault() : await requestFault();
      slowestMs = Math.max(slowestMs, performance.now() - began);
      if (fault !== undefined) broken.push(fault);
    }
  };
  const requestFault = async (): Promise<string | undefined> => {
    const one = anyRequest(random, tokens);
    const answer = await send(fixture.path, agent, one);
    if (typeof answer === 'string') return `${answer}: ${shown(one)}`;
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    keepToken(random, tokens, answer);
    const fault = answerFault(one, answer);
    return fault === undefined
      ? undefined
      : `${fault}: ${shown(one)}: ${answer.text.slice(0, 500)}`;
  };
  const rawFault = async (): Promise<string | undefined> => {
    const bytes = anyBytes(random);
    const answer = await sendRaw(fixture.path, bytes);
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer ?? '') ?? [];
    statuses[`raw ${status ?? 'none'}`] = (statuses[`raw ${status ?? 'none'}`] ?? 0) + 1;
    if (answer === undefined)
      return `stuck connection: ${JSON.stringify(bytes.toString('latin1'))}`;
    const isFault = /^HTTP\/1\.1 5(?!03)/m.test(answer);
    return isFault ? `${answer}: ${JSON.stringify(bytes.toString('latin1'))}` : undefined;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  agent.destroy();
  const faults = fixture.logged.filter(({ message }) => message.includes('fault'));
  broken.push(
    ...faults.map(({ fields }) => `logged: ${String((fields as { err?: Error }).err?.stack)}`),
  );
  return { requests: sent, statuses, slowestMs, broken };
}

/** What is wrong with an answer; undefined when nothing is. */
function answerFault(
  { method, path }: FuzzRequest,
  { status, type, text }: Answer,
): string | undefined {
  if (status >= 500 && status !== 503) return `status ${status}`;
  if (status === 503 && !text.includes('API_BUSY')) return 'status 503 with a store in reach';
  if (method === 'HEAD' || status === 204) return undefined;
  const isEvents = type === 'text/event-stream';
  const isMetrics = path.startsWith('/metrics') && status === 200;
  if (isEvents || isMetrics) return undefined;
  if (type !== 'application/json') return `content-type '${type ?? ''}'`;
  if (status < 400) {
    if (text !== '') JSON.parse(text);
    return undefined;
  }
  const { error } = JSON.parse(text) as ApiErrorBody;
  if (error.code !== status) return `error.code ${error.code} with status ${status}`;
  if (typeof error.message !== 'string' || error.message === '' || /[\n\r]/.test(error.message))
    return 'no message of one line';
  if (error.message.length > 3_000) return `a message of ${error.message.length} characters`;
  if (status !== 404 && !/'[^']*'|body|header|method|bytes|nextPageToken/.test(error.message))
    return 'a refusal that names nothing';
  if (path.startsWith('/fleet/v2') && !Object.hasOwn(httpStatus, error.status ?? ''))
    return `error.status '${error.status ?? ''}'`;
  return undefined;
}

function keepToken(random: Random, tokens: string[], { text }: Answer): void {
  const [, token] = /"nextPageToken":"([^"]+)"/.exec(text) ?? [];
  if (token === undefined) return;
  if (tokens.length < TOKENS_KEPT) tokens.push(token);
  else tokens[random(TOKENS_KEPT)] = token;
}

/** Sends one request; a text says what went wrong instead of an answer. */
function send(socketPath: string, agent: Agent, one: FuzzRequest): Promise<Answer | string> {
  const { method, path, headers, body } = one;
  return new Promise((resolve) => {
    const outgoing = request({ socketPath, agent, method, path, headers }, (response) => {
      const status = response.statusCode ?? 0;
      const type = response.headers['content-type'];
      if (type === 'text/event-stream') {
        end({ status, type, text: '' });
        outgoing.destroy();
        return;
      }
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('end', () => end({ status, type, text }));
      response.once('error', () => end({ status, type, text }));
    });
    const timer = setTimeout(() => end('no answer in time'), ANSWER_MAX_MS);
    const end = (answer: Answer | string): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      // A server that refuses a body may close before all of it was sent; anything else is to be answered.
      // What is no request it answers without knowing the method: to HEAD with a body too.
      const mayEnd =
        (body?.length ?? 0) > 60_000 || error.code === 'ECONNRESET' || method === 'HEAD';
      end(
        mayEnd
          ? { status: 0, type: 'application/json', text: '' }
          : `request failed (${error.message})`,
      );
    });
    outgoing.end(body);
  });
}

/** Sends bytes and ends the sending side; answers all that came back, undefined where the server keeps the connection. */
function sendRaw(socketPath: string, bytes: Buffer): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(undefined);
    }, ANSWER_MAX_MS);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => undefined); // 'close' comes after it
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.end(bytes);
  });
}

function shown({ method, path, headers, body }: FuzzRequest): string {
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 300)} ${body?.toString('latin1').slice(0, 300) ?? ''}`;
}

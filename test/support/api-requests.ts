// Requests of every kind that somebody might send to the API: nearly right ones, wrong ones, and bytes that are no HTTP.
import { pick, type Random } from './random.ts';

/** A request as it is sent; `body` is sent as it is. */
export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const MACHINE = 'a'.repeat(32);
const NAMES = [
  'a.service',
  'c.service',
  'd.socket',
  'e.target',
  'b.timer',
  'app@.service',
  'app@1.service',
  String.raw`a-b\x2dc.mount`,
  '.hidden.service',
  'a',
  '.',
  '..',
  '.service',
  '@.service',
  'a@b@c.service',
  '../../etc/passwd',
  '../a.service',
  'a/b.service',
  'a.service\0',
  'a\nb.service',
  'a b.service',
  'ü.service',
  '😀.service',
  '%n.service',
  '__proto__',
  'constructor',
  `${'x'.repeat(247)}.service`,
  `${'x'.repeat(248)}.service`,
  'x'.repeat(5_000),
] as const;
/** So many of them are good. */
const GOOD_NAMES = 8;
/** Parts of paths that do not come from encoding a name. */
const RAW_PARTS = [
  '%',
  '%zz',
  '%00',
  '%2e%2e%2f',
  '%ff%fe',
  '%2F',
  '',
  '//',
  ';',
  '?',
  '#',
  '*',
  '+',
];
/** More of what reads bodies. */
const ROUTES = [
  'PUT /fleet/v1/units/NAME',
  'PUT /fleet/v1/units/NAME',
  'PUT /fleet/v1/units/NAME',
  'PUT /fleet/v2/units/NAME',
  'PUT /fleet/v2/units/NAME',
  'PUT /fleet/v2/units/NAME',
  'PUT /v1-alpha/units/NAME',
  'PATCH /fleet/v1/machines',
  'PATCH /fleet/v1/machines',
  'DELETE /fleet/v1/units/NAME',
  'DELETE /fleet/v2/units/NAME',
  'GET /fleet/v1/units',
  'GET /fleet/v1/units/NAME',
  'GET /fleet/v1/state',
  'GET /fleet/v1/state/NAME',
  'GET /fleet/v1/machines',
  'GET /fleet/v1/discovery',
  'GET /fleet/v2/units',
  'GET /fleet/v2/units/NAME',
  'GET /fleet/v2/units/NAME/explain',
  'GET /fleet/v2/states',
  'GET /fleet/v2/machines',
  'GET /fleet/v2/events',
  'GET /fleet/v2/version',
  'GET /fleet/v2/daemon',
  'POST /fleet/v2/machines/NAME/evict',
  'POST /fleet/v2/units/NAME/adopt',
  'POST /fleet/v2/units',
  'POST /fleet/v2/units',
  `POST /fleet/v2/machines/${MACHINE}/evict`,
  'GET /fleet/v2/openapi.json',
  'GET /metrics',
  'GET /',
  'GET /fleet/v3/units',
];
const METHODS = ['GET', 'PUT', 'DELETE', 'PATCH', 'POST', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY'];
const PARAMETERS = ['limit', 'nextPageToken', 'unitName', 'machineID', 'prefix', 'name', 'after'];
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '1000',
  '1001',
  '1e3',
  '999999999999999999',
  '9223372036854775807',
  '9223372036854775808',
  '99999999999999999999999',
  'NaN',
  '\0',
  '[]',
  '%',
  'a.service',
  MACHINE,
  'x'.repeat(2_000),
  '../',
  'ü',
];
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json-patch+json',
  'text/plain',
  '',
  'x/y;;',
  'application/json\t',
];
const STRINGS = [
  '',
  'launched',
  'loaded',
  'inactive',
  'LAUNCHED',
  '[Service]\nExecStart=/bin/true\n',
  '[Service\n',
  '[X-Fleet]\nGlobal=maybe\n',
  '[X-Fleet]\nConflicts=*\nMachineOf=a.service\n',
  '\0',
  '\uD800',
  '\r\n\r\n',
  '__proto__',
  'a.service',
  'Service',
  'X-Fleet',
  'ExecStart',
  `/${MACHINE}/metadata/role`,
  `/${MACHINE}/metadata/../../x`,
  '/metadata/',
  'x'.repeat(300),
  '\u2028',
] as const;

const MANY = { section: 'Service', name: 'ExecStart', value: '/bin/true' };

/** A JSON value of any shape; large ones now and then. */
function anyJson(random: Random, depth = 0): unknown {
  const kinds = depth > 3 ? 5 : 8;
  switch (random(kinds)) {
    case 0:
      return null;
    case 1:
      return pick(random, [0, -1, 1.5, 1e308, 2 ** 53, true, false]);
    case 2:
    case 3:
    case 4:
      return anyString(random);
    case 5:
      return Array.from({ length: random(4) }, () => anyJson(random, depth + 1));
    case 6:
      return random(200) === 0 ? Array.from({ length: 20_000 }, () => 1) : [];
    default:
      return Object.fromEntries(
        Array.from({ length: random(4) }, () => [anyString(random), anyJson(random, depth + 1)]),
      );
  }
}

function anyString(random: Random): string {
  if (random(400) === 0) return 'x'.repeat(300_000);
  if (random(6) === 0)
    return String.fromCharCode(...Array.from({ length: random(20) }, () => random(0x10000)));
  return pick(random, STRINGS);
}

/** `right` most of the time. */
function mostly(random: Random, right: unknown): unknown {
  return random(6) === 0 ? anyJson(random) : right;
}

function unitOptions(random: Random): unknown {
  const option = (): unknown => ({
    section: mostly(random, pick(random, ['Unit', 'Service', 'X-Fleet', 'Install'])),
    name: mostly(
      random,
      pick(random, ['Description', 'ExecStart', 'Global', 'Conflicts', 'MachineOf', 'Nosuch']),
    ),
    ...(random(8) === 0 ? {} : { value: mostly(random, anyString(random)) }),
  });
  if (random(300) === 0) return Array.from({ length: 100_000 }, () => MANY);
  return Array.from({ length: random(6) }, option);
}

function nearlyRightBody(random: Random): unknown {
  const all: Record<string, unknown> = {
    name: pick(random, random(3) === 0 ? NAMES : ['']),
    options: unitOptions(random),
    text: mostly(random, `[Unit]\nDescription=${random(50)}\n[Service]\nExecStart=/bin/true\n`),
    desiredState: mostly(random, pick(random, ['inactive', 'loaded', 'launched'])),
    ifHash: anyString(random),
    currentState: 'launched',
    nosuch: anyJson(random),
  };
  const kept =
    random(4) === 0
      ? Object.keys(all)
      : pick(random, [
          ['text'],
          ['text', 'desiredState'],
          ['options', 'desiredState'],
          ['desiredState'],
          ['options', 'desiredState', 'name', 'currentState'],
        ]);
  return Object.fromEntries(
    kept.filter(() => random(12) > 0).map((key) => [key, mostly(random, all[key])]),
  );
}

function patchBody(random: Random): unknown {
  const operation = (): unknown => ({
    op: mostly(random, pick(random, ['add', 'replace', 'remove', 'test'])),
    path: mostly(
      random,
      pick(random, [
        `/${MACHINE}/metadata/role`,
        `/${MACHINE}/metadata/${'k'.repeat(2_000)}`,
        anyString(random),
      ]),
    ),
    value: mostly(random, anyString(random)),
  });
  return Array.from({ length: random(100) === 0 ? 101 : random(4) }, operation);
}

/** Requests for several units: some of them right, some not. */
function unitRequests(random: Random): unknown {
  const one = (): unknown => {
    const name = pick(random, random(3) === 0 ? NAMES : NAMES.slice(0, GOOD_NAMES));
    const put = nearlyRightBody(random) as object;
    return mostly(random, random(3) === 0 ? { name, destroy: true } : { ...put, name });
  };
  const count = random(60) === 0 ? 65 : random(5);
  return { requests: mostly(random, Array.from({ length: count }, one)) };
}

function body(random: Random, method: string): Buffer | undefined {
  if (method === 'GET' && random(10) > 0) return undefined;
  if (random(3_000) === 0) return Buffer.alloc(10 * 1024 * 1024, '"'); // ten times what is taken
  if (random(200) === 0) return Buffer.from('['.repeat(100_000));
  if (random(15) === 0) return Buffer.from(Array.from({ length: random(60) }, () => random(256)));
  const value =
    random(10) === 0
      ? anyJson(random)
      : method === 'PATCH'
        ? patchBody(random)
        : method === 'POST'
          ? unitRequests(random)
          : nearlyRightBody(random);
  let text = JSON.stringify(value);
  if (random(12) === 0) text = text.slice(0, random(text.length + 1));
  if (random(40) === 0)
    text = text.replace('{', '{"__proto__":{"text":"x"},"desiredState":"launched",');
  if (random(60) === 0) text = `\uFEFF${text}`;
  return Buffer.from(text);
}

/** A request that Node's own client agrees to send; `tokens` are page tokens that the API has given out. */
export function anyRequest(random: Random, tokens: readonly string[]): FuzzRequest {
  const [right = '', route = ''] = pick(random, ROUTES).split(' ');
  const method = random(8) === 0 ? pick(random, METHODS) : right;
  const names = random(3) === 0 ? NAMES : NAMES.slice(0, GOOD_NAMES);
  const name = random(12) === 0 ? pick(random, RAW_PARTS) : encoded(random, pick(random, names));
  let path = route.replace('NAME', name);
  if (random(30) === 0) path += pick(random, RAW_PARTS);
  const query = Array.from({ length: random(4) }, () => {
    const parameter = pick(random, PARAMETERS);
    const isToken = parameter === 'nextPageToken' && tokens.length > 0 && random(3) > 0;
    const value = isToken ? bent(random, pick(random, tokens)) : pick(random, VALUES);
    return `${parameter}=${random(10) === 0 ? pick(random, RAW_PARTS) : encodeURIComponent(value)}`;
  });
  if (query.length > 0) path += `?${query.join('&')}`;
  const headers: Record<string, string> = {};
  const type = random(6) === 0 ? pick(random, TYPES) : 'application/json';
  if (type !== '' && random(20) > 0) headers['content-type'] = type;
  if (random(15) === 0) headers['last-event-id'] = pick(random, VALUES).replaceAll(/[^ -~]/g, '');
  if (random(40) === 0) headers['expect'] = pick(random, ['100-continue', 'miracles']);
  if (random(40) === 0) headers['x-long'] = 'x'.repeat(random(20_000));
  const sent = body(random, method);
  if (sent !== undefined) headers['content-length'] = String(sent.length);
  // What Node's client would refuse to send is for `anyBytes`.
  return { method, path: path.replaceAll(/[^!-~]/g, '_'), headers, body: sent };
}

function encoded(random: Random, name: string): string {
  return random(10) === 0 ? name : encodeURIComponent(name);
}

/** A token with a character changed, now and then. */
function bent(random: Random, token: string): string {
  if (random(2) === 0) return token;
  const plain = Buffer.from(token, 'base64url').toString('utf8');
  const at = random(plain.length);
  const changed =
    plain.slice(0, at) +
    pick(random, ['9999', '\0', '/', '0', 'z', '']) +
    plain.slice(at + random(2));
  return Buffer.from(changed).toString('base64url');
}

const LINES = [
  'GET /fleet/v2/version HTTP/1.1',
  'PUT /fleet/v2/units/a.service HTTP/1.1',
  'PUT /fleet/v1/units/a.service HTTP/1.0',
  'GET http://elsewhere/fleet/v2/version HTTP/1.1',
  'GET * HTTP/1.1',
  'CONNECT a:1 HTTP/1.1',
  'PRI * HTTP/2.0',
  'PROPFIND / HTTP/1.1',
  'QUERY /fleet/v2/units HTTP/1.1',
  'GET /fleet/v2/version HTTP/3.0',
  'GET /fleet/v2/version',
  'get / http/1.1',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '',
];
const HEADERS = [
  'Host: x',
  'Host: x\r\nHost: y',
  'Content-Length: 2',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 2\r\nContent-Length: 3',
  'Content-Length: 2\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Content-Type: application/json',
  'Connection: close',
  'Connection: upgrade\r\nUpgrade: websocket',
  'Connection: upgrade\r\nUpgrade: h2c',
  'Expect: 100-continue',
  'Expect: x',
  'X: \0',
  'X: \x7f\xff',
  ' folded',
  ': empty',
  `X: ${'x'.repeat(17_000)}`,
];
const BODIES = [
  '{}',
  '2\r\n{}\r\n0\r\n\r\n',
  'zz\r\n',
  '2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n',
  'ffffffffff\r\n',
  '0\r\n\r\n',
  '\0\0\0',
];

/** Bytes for a connection: HTTP that is wrong somewhere, several requests at once, or no HTTP at all. */
export function anyBytes(random: Random): Buffer {
  if (random(10) === 0) return Buffer.from(Array.from({ length: random(400) }, () => random(256)));
  const parts = Array.from({ length: 1 + random(3) }, () => {
    const headers = Array.from({ length: random(5) }, () => pick(random, HEADERS));
    return [pick(random, LINES), ...headers, '', random(2) === 0 ? pick(random, BODIES) : ''].join(
      '\r\n',
    );
  });
  const bytes = Buffer.from(parts.join(''), 'latin1');
  for (let left = random(3); left > 0 && bytes.length > 0; left -= 1)
    bytes[random(bytes.length)] = random(256);
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
}

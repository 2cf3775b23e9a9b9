// D-Bus messages as bytes (D-Bus specification, "Message Protocol"), on dbus-next's marshallers.
// Invariant: whatever bytes come, decoding answers a message with its reply serial or throws here, never in an event handler.
import DBusBuffer from 'dbus-next/lib/dbus-buffer.js';
import compat from 'dbus-next/lib/marshall-compat.js';
import variant from 'dbus-next/lib/variant.js';
import { DBUS_MESSAGE_MAX_BYTES } from '../../src/model/limits.ts';

const METHOD_CALL = 1;
const LITTLE_ENDIAN = 0x6c; // 'l'
const BIG_ENDIAN = 0x42; // 'B'
const FIXED_BYTES = 16;

/** A method call; `destination` is ignored where there is no bus. */
export interface Call {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

/** A message that came in. */
export interface Message {
  readonly kind: 'call' | 'return' | 'error' | 'signal' | 'unknown';
  readonly replySerial: number | undefined;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly errorName: string;
  readonly sender: string;
  readonly body: readonly unknown[];
  /** Why the body could not be read: it carries a file descriptor, say. */
  readonly unreadable?: unknown;
}

/** The bytes of one method call. */
export function encodeCall(call: Call, serial: number): Buffer {
  const [bytes] = compat.marshallMessage({
    type: METHOD_CALL,
    serial,
    destination: call.destination,
    path: call.path,
    interface: call.interface,
    member: call.member,
    signature: call.signature ?? '',
    body: [...(call.body ?? [])],
  });
  return bytes;
}

/** Reads one whole message. */
export function decodeMessage(frame: Buffer): Message {
  const reader = new DBusBuffer(frame, 0, frame.readUInt8(0), undefined, { ayBuffer: true });
  const [, type, , , bodyBytes, , fields] = reader.read('yyyyuua(yv)');
  const header = headerFields(fields);
  const message = {
    kind: kinds[Number(type)] ?? ('unknown' as const),
    replySerial: typeof header[5] === 'number' ? header[5] : undefined,
    path: text(header[1]),
    interface: text(header[2]),
    member: text(header[3]),
    errorName: text(header[4]),
    sender: text(header[7]),
  };
  const signature = text(header[8]);
  if (signature === '' || bodyBytes === 0) return { ...message, body: [] };
  try {
    reader.align(3);
    return {
      ...message,
      body: compat.messageToJsFmt({ signature, body: reader.read(signature) }).body,
    };
  } catch (error) {
    return { ...message, body: [], unreadable: error };
  }
}

/** What a variant holds; anything else is answered as it is. */
export function unwrap(value: unknown): unknown {
  return value instanceof variant.Variant ? value.value : value;
}

/** Cuts a stream of bytes into whole messages. */
export class Frames {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted = FIXED_BYTES;
  #whole = false;

  /** Takes a chunk and answers the messages that are whole now; throws when the bytes are no D-Bus messages. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: Buffer[] = [];
    while (this.#bytes >= this.#wanted) {
      const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      if (all === undefined) break;
      this.#chunks = [all];
      if (!this.#whole) {
        this.#wanted = messageBytes(all);
        this.#whole = true;
        continue;
      }
      frames.push(all.subarray(0, this.#wanted));
      const rest = all.subarray(this.#wanted);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#bytes = rest.length;
      this.#wanted = FIXED_BYTES;
      this.#whole = false;
    }
    return frames;
  }
}

const kinds: Readonly<Record<number, Message['kind']>> = {
  1: 'call',
  2: 'return',
  3: 'error',
  4: 'signal',
};

function messageBytes(start: Buffer): number {
  const endian = start.readUInt8(0);
  if (endian !== LITTLE_ENDIAN && endian !== BIG_ENDIAN) {
    throw new Error(`byte ${endian} where a D-Bus message should begin`);
  }
  const at = (offset: number): number =>
    endian === LITTLE_ENDIAN ? start.readUInt32LE(offset) : start.readUInt32BE(offset);
  const total = FIXED_BYTES + Math.ceil(at(12) / 8) * 8 + at(4);
  if (total > DBUS_MESSAGE_MAX_BYTES) throw new Error(`a D-Bus message of ${total} bytes`);
  return total;
}

function headerFields(fields: unknown): readonly unknown[] {
  const header: unknown[] = [];
  if (!Array.isArray(fields)) return header;
  for (const field of fields) {
    // Each is (byte code, variant), and a variant is [tree, [value]].
    if (!Array.isArray(field) || typeof field[0] !== 'number' || !Array.isArray(field[1])) continue;
    const values: unknown = field[1][1];
    if (Array.isArray(values)) header[field[0]] = values[0];
  }
  return header;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

import { describe, expect, it } from 'vitest';
import { busAddresses } from '../../../../agent/dbus/address.ts';
import { decodeMessage, encodeCall, Frames } from '../../../../agent/dbus/wire.ts';

const call = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
  member: 'LinkUnitFiles',
  signature: 'asbb',
  body: [['/a/b.service', '/a/ü.service'], true, false],
} as const;

/** An error reply, serial 2, to call 7, in big endian: fields error name, reply serial, signature; body "no". */
const bigEndian = Buffer.concat([
  Buffer.from([0x42, 3, 0, 1, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0x1f]),
  Buffer.from([4, 1, 0x73, 0, 0, 0, 0, 3]),
  Buffer.from('a.b\0'),
  Buffer.from([0, 0, 0, 0]),
  Buffer.from([5, 1, 0x75, 0, 0, 0, 0, 7]),
  Buffer.from([8, 1, 0x67, 0, 1, 0x73, 0, 0]),
  Buffer.from([0, 0, 0, 2]),
  Buffer.from('no\0'),
]);

describe('wire', () => {
  it('decodeMessage reads what encodeCall wrote', () => {
    expect(decodeMessage(encodeCall(call, 9))).toMatchObject({
      kind: 'call',
      path: call.path,
      interface: call.interface,
      member: call.member,
      body: call.body,
    });
  });

  it('decodeMessage reads big endian', () => {
    expect(decodeMessage(bigEndian)).toMatchObject({
      kind: 'error',
      replySerial: 7,
      errorName: 'a.b',
      body: ['no'],
    });
  });

  it('decodeMessage keeps the reply serial of a message that carries a file descriptor', () => {
    const withFd = Buffer.from(bigEndian);
    withFd[withFd.lastIndexOf(0x73)] = 0x68; // the body's signature: h for s
    const message = decodeMessage(withFd);
    expect(message.replySerial).toBe(7);
    expect(message.unreadable).toBeInstanceOf(Error);
  });

  it('Frames finds the messages however the bytes are cut', () => {
    const messages = [encodeCall(call, 1), bigEndian, encodeCall(call, 2)];
    const bytes = Buffer.concat(messages);
    for (let size = 1; size <= bytes.length; size += 1) {
      const frames = new Frames();
      const found: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        found.push(...frames.push(bytes.subarray(at, at + size)));
      }
      expect(found).toEqual(messages);
    }
  });

  it.for([
    { name: 'bytes that are no message', bytes: Buffer.alloc(16, 0x20) },
    {
      name: 'a message over 128 MiB',
      bytes: Buffer.from('6c010001ffffffff0100000000000000', 'hex'),
    },
  ])('Frames throws at $name', ({ bytes }) => {
    expect(() => new Frames().push(bytes)).toThrow();
  });
});

describe('busAddresses', () => {
  it.for([
    {
      where: 'system',
      env: {},
      expected: ['/run/dbus/system_bus_socket', '/run/systemd/private (private)'],
    },
    {
      where: 'user',
      env: { XDG_RUNTIME_DIR: '/run/user/7' },
      expected: ['/run/user/7/bus', '/run/user/7/systemd/private (private)'],
    },
    {
      where: 'user',
      env: { XDG_RUNTIME_DIR: '/r', DBUS_SESSION_BUS_ADDRESS: 'unix:abstract=/tmp/x,guid=00' },
      expected: ['\0/tmp/x', '/r/systemd/private (private)'],
    },
    { where: 'unix:path=/a%20b', env: {}, expected: ['/a b'] },
  ])('answers $expected for $where', ({ where, env, expected }) => {
    const sockets = busAddresses(where, env).map(
      (each) => each.socketPath + (each.private ? ' (private)' : ''),
    );
    expect(sockets).toEqual(expected);
  });

  it.for([
    { name: 'tcp', where: 'tcp:host=localhost,port=1' },
    { name: 'no path', where: 'unix:' },
    { name: 'a user without XDG_RUNTIME_DIR', where: 'user' },
  ])('refuses $name', ({ where }) => {
    expect(() => busAddresses(where, {})).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

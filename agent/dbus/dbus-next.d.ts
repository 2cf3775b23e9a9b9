// The three modules of dbus-next's wire layer that are used; its own types cover its high-level interface only.

declare module 'dbus-next/lib/dbus-buffer.js' {
  /** Reads D-Bus values; a variant is `[tree, [value]]`, all else arrays and primitives. */
  export default class DBusBuffer {
    constructor(
      ...options: readonly [
        buffer: Buffer,
        startPos: number,
        endian: number,
        fds: undefined,
        options: { ayBuffer: boolean },
      ]
    );
    read(signature: string): unknown[];
    align(power: number): void;
  }
}

declare module 'dbus-next/lib/marshall-compat.js' {
  interface Outgoing {
    type: number;
    serial: number;
    destination?: string;
    path: string;
    interface: string;
    member: string;
    signature: string;
    body: unknown[];
  }
  const compat: {
    /** Answers the bytes and the file descriptors; changes `message.body`. */
    marshallMessage(message: Outgoing): [Buffer, unknown[]];
    /** Turns the reader's variants into `Variant`s and its dictionaries into objects. */
    messageToJsFmt(message: { signature: string; body: unknown[] }): { body: unknown[] };
  };
  export default compat;
}

declare module 'dbus-next/lib/variant.js' {
  const exports: { Variant: new (signature: string, value: unknown) => { value: unknown } };
  export default exports;
}

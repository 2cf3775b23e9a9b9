// Lines of text from one thread to another, in memory that both have: no message and no lock, so neither ever waits for the other.
// Invariant: one thread writes, one reads. A line is there whole or not at all; those that find no room are counted.

/** Bytes; a power of two, so that positions may overflow. */
const CAPACITY = 4 * 2 ** 20;
/** Bytes that are read at once, so that no large string is made. */
const PIECE = 16_384;
const LINE_END = 10;
/** Of the positions and the count, in 32-bit words. Positions are counts of bytes, modulo 2^32. */
const WRITTEN = 0;
const READ = 1;
const LOST = 2;
const HEADER_BYTES = 16;

export class LineRing {
  /** To be given to the other thread, which makes a ring of it. */
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #bytes: Buffer;
  readonly #piece = Buffer.alloc(PIECE);

  constructor(memory = new SharedArrayBuffer(HEADER_BYTES + CAPACITY)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#bytes = Buffer.from(memory, HEADER_BYTES, CAPACITY);
  }

  /** Takes one line, with its end. */
  write(line: string): void {
    const written = Atomics.load(this.#header, WRITTEN);
    const used = (written - Atomics.load(this.#header, READ)) >>> 0;
    const bytes = Buffer.from(line);
    if (bytes.length > CAPACITY - used) {
      Atomics.add(this.#header, LOST, 1);
      return;
    }
    const at = (written >>> 0) % CAPACITY;
    const untilEnd = bytes.copy(this.#bytes, at);
    bytes.copy(this.#bytes, 0, untilEnd);
    // Only now: the reader sees the whole line or none of it.
    Atomics.store(this.#header, WRITTEN, (written + bytes.length) | 0);
  }

  /**
   * Gives `write` what stands here now, whole lines, some 16 KiB at once. What comes meanwhile is for the next time: a thread that writes
   * without a pause keeps nobody here. Answers how many lines have found no room since the last time.
   */
  take(write: (lines: string) => void): number {
    const lost = Atomics.exchange(this.#header, LOST, 0);
    const written = Atomics.load(this.#header, WRITTEN);
    let read = Atomics.load(this.#header, READ);
    while (read !== written) {
      const length = this.#wholeLines(read, (written - read) >>> 0);
      write(this.#copied(read, length).toString());
      read = (read + length) | 0;
      Atomics.store(this.#header, READ, read);
    }
    return lost;
  }

  /** In bytes: of those that stand there from a position on, as many as are taken at once. */
  #wholeLines(from: number, waiting: number): number {
    if (waiting <= PIECE) return waiting;
    const end = this.#copied(from, PIECE).lastIndexOf(LINE_END);
    return end === -1 ? waiting : end + 1;
  }

  #copied(from: number, length: number): Buffer {
    const to = length <= PIECE ? this.#piece : Buffer.alloc(length);
    const at = (from >>> 0) % CAPACITY;
    const untilEnd = this.#bytes.copy(to, 0, at, at + length);
    this.#bytes.copy(to, untilEnd, 0, length - untilEnd);
    return to.subarray(0, length);
  }
}

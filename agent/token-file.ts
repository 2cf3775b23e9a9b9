// The highest fencing token that this host knows, on its disk: what it gives out after a boot, or to a store that went back, still grows.
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Disk } from './disk.ts';

const contents = z.object({ v: z.literal(1), token: z.number().int().nonnegative() });

/** One number that only grows. */
export class TokenFile {
  readonly #disk: Disk;
  readonly #path: string;
  #token: number;

  private constructor(disk: Disk, path: string, token: number) {
    this.#disk = disk;
    this.#path = path;
    this.#token = token;
  }

  /** Reads it; one that is damaged counts as none: the store has the number too. */
  static async open(path: string, disk: Disk): Promise<TokenFile> {
    await disk.makeDirectory(dirname(path));
    const text = (await disk.read(path))?.toString('utf8');
    return new TokenFile(disk, path, text === undefined ? 0 : understood(text));
  }

  /** 0 where none was ever given out here. */
  get token(): number {
    return this.#token;
  }

  /** On the disk when it ends; a lower number changes nothing. */
  async raise(token: number): Promise<void> {
    if (token <= this.#token) return;
    const next = `${this.#path}.new`;
    await this.#disk.remove(next);
    await this.#disk.create(next, JSON.stringify({ v: 1, token }));
    await this.#disk.rename(next, this.#path);
    await this.#disk.sync(dirname(this.#path));
    this.#token = token;
  }
}

function understood(text: string): number {
  try {
    return contents.parse(JSON.parse(text)).token;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return 0;
    throw error;
  }
}

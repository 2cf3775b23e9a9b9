// A directory that only this user may enter, for sockets and helpers of one call; made when it is first asked for.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** bytes; the path of a socket in it, and what ssh appends while it makes one, must fit into the 108 of unix(7). */
const PARENT_MAX = 50;

/** Removed by `remove`, with what is in it. */
export class PrivateDir {
  #path: Promise<string> | undefined;

  path(): Promise<string> {
    const parent = tmpdir().length > PARENT_MAX ? '/tmp' : tmpdir();
    this.#path ??= mkdtemp(join(parent, 'fleetctl-'));
    return this.#path;
  }

  async remove(): Promise<void> {
    if (this.#path !== undefined) await rm(await this.#path, { recursive: true, force: true });
  }
}

// Who this machine is during one boot, kept in the runtime directory: what lets a restarted fleetd go on where it was.
// Invariant: it ends with the boot and with the machine-id, and is of this machine alone: a second one with that id has another nonce.
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Disk } from './disk.ts';
import { localDisk } from './local-disk.ts';

export interface Identity {
  /** Changes per boot. */
  readonly incarnation: string;
  /** Tells this machine's registration from that of another with its id. */
  readonly nonce: string;
  /** The lease of the machine key, to be taken up again. */
  readonly lease?: string;
  /** The key was there in this boot, and has not been given back since. */
  readonly registered?: boolean;
}

/** What an identity lasts as long as. */
export interface IdentityOf {
  readonly bootId: string;
  /** The lease holds the key of this id: under another one it would keep a machine alive that is no more. */
  readonly machineId: string;
}

const contents = z.object({
  v: z.literal(1),
  bootId: z.string(),
  machineId: z.string(),
  incarnation: z.string().min(1),
  nonce: z.string().min(1),
  lease: z.string().optional(),
  registered: z.boolean().optional(),
});

/** Where it is kept, and what makes a text that was never there before: this machine's, unless given. */
export interface IdentityPorts {
  readonly disk: Disk;
  readonly newId: () => string;
}

/** The file behind it. */
export class IdentityFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #of: IdentityOf;
  #identity: Identity;
  /** What the file holds; differs from ours where it could not be written. */
  #written: Identity;

  private constructor(
    disk: Disk,
    { path, of }: { path: string; of: IdentityOf },
    identity: Identity,
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#of = of;
    this.#identity = identity;
    this.#written = identity;
  }

  /** Reads the identity of this boot under this machine-id, or makes one. */
  static async open(
    path: string,
    { bootId, machineId }: IdentityOf,
    { disk, newId }: IdentityPorts = { disk: localDisk, newId: randomUUID },
  ): Promise<IdentityFile> {
    await disk.makeDirectory(dirname(path));
    const found = understood(await disk.read(path));
    const isOurs = found !== undefined && found.bootId === bootId && found.machineId === machineId;
    const identity: Identity = isOurs
      ? {
          incarnation: found.incarnation,
          nonce: found.nonce,
          ...(found.lease === undefined ? {} : { lease: found.lease }),
          ...(found.registered === true ? { registered: true } : {}),
        }
      : { incarnation: newId(), nonce: newId() };
    const file = new IdentityFile(disk, { path, of: { bootId, machineId } }, identity);
    if (!isOurs) await file.#write();
    return file;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /**
   * Keeps for the next run of fleetd the lease, undefined when it was given back, and whether the key was there. Throws what the disk
   * throws; this run has it all the same.
   */
  async keepLease(lease: string | undefined, registered: boolean): Promise<void> {
    const { incarnation, nonce } = this.#identity;
    const identity: Identity = {
      incarnation,
      nonce,
      ...(lease === undefined ? {} : { lease }),
      ...(registered ? { registered } : {}),
    };
    this.#identity = identity;
    const written = this.#written;
    if (lease === written.lease && identity.registered === written.registered) return;
    await this.#write();
    this.#written = identity;
  }

  async #write(): Promise<void> {
    const text = JSON.stringify({ v: 1, ...this.#of, ...this.#identity });
    await this.#disk.write(`${this.#path}.new`, text);
    await this.#disk.rename(`${this.#path}.new`, this.#path);
  }
}

/** A file that is damaged is as good as none: the machine registers as after a boot. */
function understood(bytes: Buffer | undefined): z.infer<typeof contents> | undefined {
  if (bytes === undefined) return undefined;
  try {
    return contents.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

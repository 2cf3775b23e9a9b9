// The agent's port to its disk: plain files, each read and written whole. local-disk.ts is the adapter; the simulation has another.
// Invariant: what the disk refuses is an Error of Node's with `code` and `syscall`; nothing of it is a FleetError.

export interface Disk {
  /** Makes the directory, and those above it; answers its path with links followed. */
  makeDirectory(path: string): Promise<string>;
  /** Names of the plain files in a directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Its bytes; undefined where there is none, or something that is no plain file: links are not followed. */
  read(path: string): Promise<Buffer | undefined>;
  /** Writes it anew, for its owner alone; a crash may leave any part of it. */
  write(path: string, contents: string): Promise<void>;
  /** Makes a new file that all may read, on the disk when this ends; fails where there is one. */
  create(path: string, contents: string | Uint8Array): Promise<void>;
  /** Takes the place of what `to` is, at once. */
  rename(from: string, to: string): Promise<void>;
  /** One that is not there is no error. */
  remove(path: string): Promise<void>;
  /** An empty directory; one that is not there, or that holds something, stays as it is and is no error. */
  removeDirectory(path: string): Promise<void>;
  /** Renames and removals in the directory outlive a power cut when this ends. */
  sync(directory: string): Promise<void>;
}

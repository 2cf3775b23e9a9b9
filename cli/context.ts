// What a command gets: the API, the two outputs, and when to stop. Only main.ts makes one from the process.
import type { FleetClient } from '../src/api/client.ts';
import type { Clock } from '../src/runtime/clock.ts';

export interface Context {
  readonly client: FleetClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Reads a local file; undefined where there is none. */
  readonly readFile: (path: string) => Promise<Uint8Array | undefined>;
  /** This machine's id; undefined where it has none. */
  readonly localMachineId: () => Promise<string | undefined>;
}

/** A command answers the exit status. */
export type Command<Options> = (
  context: Context,
  args: readonly string[],
  options: Options,
) => Promise<number>;

// What a command gets from the outside: the process as main.ts has it, and the API. Tests hand in their own.
import type { FleetClient } from '../src/api/client.ts';
import type { Duplex } from 'node:stream';
import type { Clock } from '../src/runtime/clock.ts';
import type { Ssh } from './ssh.ts';

/** The process as fleetctl sees it. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly clock: Clock;
  /** Aborts when the person interrupts. */
  readonly signal: AbortSignal;
  /** Whether a person looks at that output, and wants colours. */
  readonly colours: Readonly<{ stdout: boolean; stderr: boolean }>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Reads a local file; undefined where there is none. */
  readonly readFile: (path: string) => Promise<Uint8Array | undefined>;
  /** Standard input is a terminal. */
  readonly stdinIsTerminal: boolean;
  /** Joins standard input and output to a unix socket, until that ends. */
  readonly joinSocket: (path: string) => Promise<void>;
  /** Runs a program with its standard input and output joined to the stream; both end together. */
  readonly join: (command: readonly string[], stream: Duplex) => void;
  /** Runs a program of this machine with our own terminal; answers its exit status. */
  readonly spawn: (
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
  ) => Promise<number>;
}

export interface Context extends Io {
  readonly client: FleetClient;
  readonly ssh: Ssh;
}

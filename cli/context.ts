// What a command gets from the outside: the process as main.ts has it, and the API. Tests hand in their own.
import type { Readable, Writable } from 'node:stream';
import type { FleetClient } from '../src/api/client.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { LocalFiles } from './local-file.ts';
import type { Ssh } from './ssh.ts';

/** The process as fleetctl sees it. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly clock: Clock;
  /** As Math.random. */
  readonly random: () => number;
  /** Aborts when the person interrupts. */
  readonly signal: AbortSignal;
  /** Whether a person looks at that output, and wants colours. */
  readonly colours: Readonly<{ stdout: boolean; stderr: boolean }>;
  /** Whether a person can be asked on it. */
  readonly stdinIsTerminal: boolean;
  /** For whole streams of bytes; what `openStdout` answers closes standard output with its own end. */
  readonly streams: Readonly<{ stdin: Readable; openStdout: () => Writable }>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** The files of this machine. */
  readonly files: LocalFiles;
  /** Runs a program of this machine with our own terminal; answers its exit status. */
  readonly spawn: (
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
  ) => Promise<number>;
  /** Starts a program of this machine that is spoken with. */
  readonly start: (
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
  ) => Child;
}

/** A program that was started. */
export interface Child {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Its exit status, when its outputs have ended too. */
  readonly ended: Promise<number>;
  /** What it has written to its standard error output. */
  said(): string;
  kill(): void;
}

export interface Context extends Io {
  readonly client: FleetClient;
  readonly ssh: Ssh;
}

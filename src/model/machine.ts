// Machines: what each says of itself, and what the cluster keeps of it when it is away.

/** 32 lowercase hex digits, machine-id(5). The only way in is `parseMachineId()`. */
export type MachineId = string & { readonly __brand: 'MachineId' };

/** What a machine says that it can do for units that ask for it; others do not get them. `fence`: Fence=, `cut-off`: OnPartition=stop. */
export type Capability = 'fence' | 'cut-off';

export type Metadata = Readonly<Record<string, string>>;

/** `c/machine/ID`: written by the machine's own agent under its lease. */
export interface Machine {
  readonly id: MachineId;
  /** Address that other machines reach it at (`public_ip`). */
  readonly primaryIp: string;
  readonly hostname: string;
  /** As configured; overrides by PATCH are kept apart in `c/metadata/`. */
  readonly metadata: Metadata;
  readonly version: string;
  readonly capacity: Readonly<{ cpus: number; memoryBytes: number }>;
  readonly capabilities: Readonly<Record<string, string>>;
  readonly ttlSec: number;
  /** Changes per boot, survives a restart of fleetd. */
  readonly incarnation: string;
  /** Changes per run of fleetd's registration: tells a restart from a second machine with the same id. */
  readonly nonce: string;
  /** It goes in good order: believed at once. */
  readonly leaving: boolean;
  /** Its key had ended with its lease, without its leave, and it was registered again, two to three ttls ago at the most. */
  readonly returned?: boolean;
}

/** `c/host/ID`: what outlives the machine's lease. Times are wall-clock milliseconds, for display. */
export interface Host {
  readonly id: MachineId;
  readonly lastSeenMs?: number;
  readonly absentSinceMs?: number;
  readonly evict?: boolean;
}

/** `c/metadata/ID/KEY`: an override; `value` is absent where the key is hidden. */
export interface MetadataOverride {
  readonly machine: MachineId;
  readonly key: string;
  readonly value?: string;
}

const MACHINE_ID = /^[0-9a-f]{32}$/;

/** Answers the machine id, or undefined when `text` is none (machine-id(5)). */
export function parseMachineId(text: string): MachineId | undefined {
  return MACHINE_ID.test(text) ? (text as MachineId) : undefined;
}

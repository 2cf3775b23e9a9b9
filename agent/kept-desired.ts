// What the store last asked of this host, on its disk: for a boot without the store. One list, and the unit files that such a boot needs.
// Invariant: the list is replaced whole, and is on the disk when a write ends; it counts for one machine in one cluster only.
import { join } from 'node:path';
import { z } from 'zod';
import { isFleetError } from '../src/model/errors.ts';
import type { Assignment, GlobalUnit } from '../src/model/unit.ts';
import { decodeValue, encode } from '../src/registry/codec.ts';
import type { Log } from '../src/runtime/log.ts';
import { sha256Of } from '../src/unitfile/hash.ts';
import type { Disk } from './disk.ts';

/** What is kept. */
export interface Desired {
  readonly assignments: readonly Assignment[];
  /** Those that run here. */
  readonly globals: readonly GlobalUnit[];
  /** Metadata by PATCH; undefined hides a key. */
  readonly overrides: ReadonlyMap<string, string | undefined>;
}

/** What a list counts for. */
export interface KeptFor {
  readonly machine: string;
  /** The prefix of the cluster's keys. */
  readonly cluster: string;
}

export interface KeptDesiredOptions extends KeptFor {
  readonly disk: Disk;
  /** `state_directory`/desired. */
  readonly directory: string;
  readonly log: Log;
}

const contents = z.object({
  v: z.literal(1),
  machine: z.string(),
  cluster: z.string(),
  assignments: z.array(z.string()),
  globals: z.array(z.string()),
  overrides: z.array(z.object({ key: z.string(), value: z.string().optional() })),
});

const LIST = 'units.json';
const NOTHING: Desired = { assignments: [], globals: [], overrides: new Map() };

/** The directory. One writer at a time. */
export class KeptDesired {
  readonly #options: KeptDesiredOptions;
  readonly #directory: string;
  /** As it is on the disk; '' for none. */
  #list: string;
  /** SHA-256 of the unit files that are there. */
  readonly #texts: Set<string>;
  #made = 0;

  private constructor(
    options: KeptDesiredOptions,
    found: { directory: string; list: string; texts: Iterable<string> },
  ) {
    this.#options = options;
    this.#directory = found.directory;
    this.#list = found.list;
    this.#texts = new Set(found.texts);
  }

  /** Opens the directory, makes it if it is not there, and clears what a crash has left half written. */
  static async open(options: KeptDesiredOptions): Promise<KeptDesired> {
    const { disk } = options;
    const directory = await disk.makeDirectory(options.directory);
    const texts: string[] = [];
    for (const name of await disk.list(directory)) {
      if (name.startsWith('.new-')) await disk.remove(join(directory, name));
      else if (/^[0-9a-f]{64}$/.test(name)) texts.push(name);
    }
    const list = (await disk.read(join(directory, LIST)))?.toString('utf8') ?? '';
    return new KeptDesired(options, { directory, list, texts });
  }

  /** What is kept; nothing where that is of another machine or cluster, or cannot be understood. */
  read(): Desired {
    const { log, machine, cluster } = this.#options;
    if (this.#list === '') return NOTHING;
    const parsed = contents.safeParse(parseJson(this.#list));
    if (!parsed.success) {
      log.warn({ err: parsed.error.message }, 'the desired state on disk does not count');
      return NOTHING;
    }
    const { data } = parsed;
    if (data.machine !== machine || data.cluster !== cluster) {
      log.warn({ machine: data.machine }, 'the desired state on disk is of another machine');
      return NOTHING;
    }
    return {
      assignments: data.assignments.flatMap((value) => this.#decoded('assignment', value)),
      globals: data.globals.flatMap((value) => this.#decoded('global', value)),
      overrides: new Map(data.overrides.map(({ key, value }) => [key, value])),
    };
  }

  has(sha256: string): boolean {
    return this.#texts.has(sha256);
  }

  /** The unit file, if it is there and whole. */
  async text(sha256: string): Promise<string | undefined> {
    if (!this.#texts.has(sha256)) return undefined;
    const bytes = await this.#options.disk.read(join(this.#directory, sha256));
    const text = bytes?.toString('utf8');
    return text !== undefined && sha256Of(text) === sha256 ? text : undefined;
  }

  /** Keeps a unit file; on the disk when the next `write` ends. */
  async addText(sha256: string, text: string): Promise<void> {
    if (this.#texts.has(sha256)) return;
    await this.#replace(sha256, text);
    this.#texts.add(sha256);
  }

  /** Makes this what is kept, with no unit files but `needed`. What is there already is not written. */
  async write(desired: Desired, needed: ReadonlySet<string>): Promise<void> {
    const { disk, machine, cluster } = this.#options;
    const list = listOf(desired, { machine, cluster });
    const unneeded = [...this.#texts].filter((sha256) => !needed.has(sha256));
    if (list === this.#list && unneeded.length === 0) return;
    await this.#replace(LIST, list);
    // The list first: what it names is there at any moment.
    for (const sha256 of unneeded) await disk.remove(join(this.#directory, sha256));
    await disk.sync(this.#directory);
    this.#list = list;
    for (const sha256 of unneeded) this.#texts.delete(sha256);
  }

  async #replace(name: string, text: string): Promise<void> {
    const { disk } = this.#options;
    this.#made += 1;
    const next = join(this.#directory, `.new-${this.#made}`);
    await disk.create(next, text);
    await disk.rename(next, join(this.#directory, name));
  }

  #decoded<K extends 'assignment' | 'global'>(
    kind: K,
    value: string,
  ): ReturnType<typeof decodeValue<K>>[] {
    try {
      return [decodeValue(kind, join(this.#directory, LIST), value)];
    } catch (error) {
      if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
      this.#options.log.warn({ code: error.code }, 'a record on disk cannot be read, ignoring it');
      return [];
    }
  }
}

/** In order of names: the same desired state is the same text. */
function listOf({ assignments, globals, overrides }: Desired, of: KeptFor): string {
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return JSON.stringify({
    v: 1,
    ...of,
    assignments: assignments.toSorted(byName).map((each) => encode('assignment', each)),
    globals: globals.toSorted(byName).map((each) => encode('global', each)),
    overrides: [...overrides]
      .map(([key, value]) => ({ key, ...(value === undefined ? {} : { value }) }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

// What this host last carried out, unit by unit: one JSON file in the runtime directory, so that it ends with the boot; none where there is nothing.
// Invariant: the file is replaced whole, by a rename; what it says was true of one moment.
import { dirname } from 'node:path';
import { z } from 'zod';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import type { UnitName } from '../src/model/unit.ts';
import { jobResult, unitName } from '../src/registry/codec.ts';
import type { Disk } from './disk.ts';
import { localDisk } from './local-disk.ts';
import { StopMarks } from './stop-marks.ts';

const record = z.object({
  name: unitName,
  hash: z.string(),
  sha256: z.string(),
  generation: z.number().int(),
  desiredState: z.enum(['loaded', 'launched']),
  enabled: z.boolean(),
  fenced: z.literal(true).optional(),
  stopsCutOff: z.literal(true).optional(),
  started: z.number().int().optional(),
  job: jobResult.optional(),
  result: z.string().optional(),
  ended: z.literal(true).optional(),
  ending: z.boolean().optional(),
  stopped: z.boolean().optional(),
  held: z.number().int().optional(),
});
const contents = z.object({ v: z.literal(1), bootId: z.string(), units: z.array(record) });

/** The records in memory, and the file behind them. */
export class CarriedOutFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bootId: string;
  readonly #marks: StopMarks;
  readonly #records: Map<UnitName, CarriedOut>;
  /** Why the file that was found does not count, where one was found. */
  readonly problem: string | undefined;
  /** A record never changes, it is replaced: its text is made once, however often the file is written. */
  readonly #texts = new WeakMap<CarriedOut, string>();
  #dirty = false;
  #saving: Promise<void> | undefined;
  #isLeaving = false;

  private constructor(
    disk: Disk,
    { path, bootId, marks }: { path: string; bootId: string; marks: StopMarks },
    found: { records: readonly CarriedOut[]; problem?: string },
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#bootId = bootId;
    this.#marks = marks;
    this.#records = new Map(
      found.records.map((each) => [each.name, marks.names.has(each.name) ? asEnding(each) : each]),
    );
    this.problem = found.problem;
  }

  /** Reads the file. One of another boot, or one that cannot be understood, counts as empty: `problem` says so. */
  static async open(path: string, bootId: string, disk: Disk = localDisk): Promise<CarriedOutFile> {
    await disk.makeDirectory(dirname(path));
    const marks = await StopMarks.open(`${path}.stops`, disk);
    const of = { path, bootId, marks };
    const text = (await disk.read(path))?.toString('utf8');
    if (text !== undefined) return new CarriedOutFile(disk, of, understood(text, bootId));
    const left = understood((await disk.read(leftOf(path)))?.toString('utf8'), bootId);
    const records = left.records.map((each) => asEnding(each));
    return new CarriedOutFile(disk, of, { ...left, records });
  }

  get records(): ReadonlyMap<UnitName, CarriedOut> {
    return this.#records;
  }

  set(one: CarriedOut): void {
    this.#records.set(one.name, one);
    this.#dirty = true;
  }

  delete(name: UnitName): void {
    if (this.#records.delete(name)) this.#dirty = true;
  }

  /** Ends when all that was set before the call is in the file. Calls that come together share one write. */
  async save(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#saving = this.#write().then(() => this.#marks.clear());
    try {
      await this.#saving;
    } catch (error) {
      this.#dirty = true;
      throw error;
    } finally {
      this.#saving = undefined;
    }
  }

  /**
   * Notes of each unit that a stop of it is asked, where that could not be saved: on a disk that is full. Throws what the disk throws;
   * `false` where some are not noted.
   */
  async markStops(names: Iterable<UnitName>): Promise<boolean> {
    let isNoted = true;
    for (const name of names) isNoted = (await this.#marks.set(name)) && isNoted;
    return isNoted;
  }

  /**
   * From now on everything is to be stopped. The file is put aside, which needs no space on the disk: a fleetd that begins anew takes what it
   * finds there for stopped, whether or not that could be noted. Throws what the disk throws.
   */
  async beginLeave(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving.catch(() => undefined);
    if (this.#isLeaving) return;
    this.#saving = this.#putAside();
    try {
      await this.#saving;
    } finally {
      this.#saving = undefined;
    }
  }

  async #putAside(): Promise<void> {
    if ((await this.#disk.read(this.#path)) !== undefined)
      await this.#disk.rename(this.#path, leftOf(this.#path));
    this.#isLeaving = true;
  }

  async #write(): Promise<void> {
    const left = leftOf(this.#path);
    // Also on a disk that is full: a list that says what is no more is worse than none.
    if (this.#records.size === 0) {
      await this.#disk.remove(left);
      return await this.#disk.remove(this.#path);
    }
    const units = Array.from(this.#records.values(), (each) => this.#textOf(each)).join(',');
    const text = `{"v":1,"bootId":${JSON.stringify(this.#bootId)},"units":[${units}]}`;
    const next = `${this.#path}.new`;
    await this.#disk.write(next, text);
    await this.#disk.rename(next, this.#isLeaving ? left : this.#path);
    if (!this.#isLeaving) await this.#disk.remove(left);
  }

  #textOf(one: CarriedOut): string {
    const known = this.#texts.get(one);
    if (known !== undefined) return known;
    const text = JSON.stringify(one);
    this.#texts.set(one, text);
    return text;
  }
}

/** Where it lies from the beginning of a leave on, until a fleetd that begins anew has written its own. */
function leftOf(path: string): string {
  return `${path}.left`;
}

function asEnding(one: CarriedOut): CarriedOut {
  return one.desiredState === 'launched' ? { ...one, ending: true } : one;
}

function understood(
  text: string | undefined,
  bootId: string,
): { records: readonly CarriedOut[]; problem?: string } {
  if (text === undefined) return { records: [] };
  const parsed = contents.safeParse(parseJson(text));
  if (!parsed.success) return { records: [], problem: 'it cannot be understood' };
  if (parsed.data.bootId !== bootId) return { records: [], problem: 'it is of another boot' };
  return { records: parsed.data.units.map((each) => withoutUndefined(each)) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** zod's optional keys may be undefined in its types; a record leaves them out. */
function withoutUndefined(found: z.infer<typeof record>): CarriedOut {
  const { fenced, stopsCutOff, started, job, result, ended, ending, stopped, held, ...rest } =
    found;
  return {
    ...rest,
    ...(fenced === undefined ? {} : { fenced }),
    ...(stopsCutOff === undefined ? {} : { stopsCutOff }),
    ...(started === undefined ? {} : { started }),
    ...(job === undefined ? {} : { job }),
    ...(result === undefined ? {} : { result }),
    ...(ended === undefined ? {} : { ended }),
    ...(ending === undefined ? {} : { ending }),
    ...(stopped === undefined ? {} : { stopped }),
    ...(held === undefined ? {} : { held }),
  };
}

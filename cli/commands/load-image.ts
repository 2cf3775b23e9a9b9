// load-image: hands a file with a container image to podman and docker of machines, for hosts without a registry.
// Invariant: the failure of one machine stops no other; the status is 1 if any has failed.
import type { ReadStream } from 'node:fs';
import type { V2Machine } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import type { Context } from '../context.ts';
import {
  LOADING_RUNTIMES,
  oneAtATime,
  sendImage,
  type ImageLoad,
  type LoadEnd,
  type LoadingRuntime,
} from '../image-load.ts';
import type { LargeFile } from '../local-file.ts';
import { inParallel } from '../parallel.ts';
import { placeName } from '../render/machine.ts';
import { machineWithPrefix, presentMachines } from '../where.ts';

export interface LoadImageOptions {
  /** As it was given. */
  readonly runtime: string | undefined;
  readonly port: number | undefined;
}

/** files under way at once: more of them share the same line. */
const LOADS_MAX = 8;
/** ms between two words about how far it is. */
const PROGRESS_MS = 5_000;

/** Loads the image on the machines named, on all that can where none is. */
export async function loadImage(
  context: Context,
  path: string,
  names: readonly string[],
  options: LoadImageOptions,
): Promise<number> {
  const runtimes = runtimesOf(options.runtime);
  const image = await fileAt(context, path);
  const machines = await presentMachines(context);
  const chosen =
    names.length === 0
      ? machines
      : [...new Set(names.map((name) => machineWithPrefix(machines, name)))];
  const unable = chosen.filter((machine) => runtimesOn(machine, runtimes).length === 0);
  const loads = chosen.flatMap((machine) =>
    runtimesOn(machine, runtimes).map((runtime) => ({ machine, runtime, port: options.port })),
  );
  const wanted = runtimes.join(' and no ');
  if (loads.length === 0)
    throw new FleetError('MACHINE_NOT_FOUND', `no machine can load it: there is no ${wanted}`, {
      hint: 'See what machines have: fleetctl list-machines --json',
    });
  for (const machine of unable) context.stderr(`${nameOf(machine)} has no ${wanted}: left out\n`);
  const ends = await sendAll(context, loads, image);
  const failed = ends.filter((end) => 'failure' in end).length;
  if (failed > 0) context.stderr(`fleetctl: ${failed} of ${ends.length} loads failed\n`);
  // Who names a machine wants the image there.
  return failed > 0 || (names.length > 0 && unable.length > 0) ? 1 : 0;
}

function runtimesOf(asked: string | undefined): readonly LoadingRuntime[] {
  if (asked === undefined) return LOADING_RUNTIMES;
  const found = LOADING_RUNTIMES.find((runtime) => runtime === asked);
  if (found !== undefined) return [found];
  throw new FleetError('USAGE', `--runtime is '${asked}', and must be 'podman' or 'docker'`);
}

async function fileAt(context: Context, path: string): Promise<LargeFile> {
  const hint =
    'Make one where the image is: podman save -o FILE IMAGE, or docker save -o FILE IMAGE';
  const file = await context.files.large(path);
  if (file === undefined) throw new FleetError('NOT_FOUND', `there is no file '${path}'`, { hint });
  if (file.sizeBytes === 0)
    throw new FleetError('NOT_FOUND', `the file '${path}' is empty`, { hint });
  return file;
}

function runtimesOn(
  { capabilities = {} }: V2Machine,
  runtimes: readonly LoadingRuntime[],
): readonly LoadingRuntime[] {
  return runtimes.filter((runtime) => Object.hasOwn(capabilities, runtime));
}

async function sendAll(
  context: Context,
  loads: readonly ImageLoad[],
  image: LargeFile,
): Promise<readonly LoadEnd[]> {
  const door = oneAtATime();
  const files: ReadStream[] = [];
  let done = 0;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const tellHowFar = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await context.clock.sleep(PROGRESS_MS, signal);
      const sent = files.reduce((sum, file) => sum + file.bytesRead, 0);
      const all = megabytes(image.sizeBytes * loads.length);
      context.stderr(`sent ${megabytes(sent)} of ${all} MB; ${done} of ${loads.length} are done\n`);
    }
  };
  const sending = (file: ReadStream): void => void files.push(file);
  return await withChildSignal(context.signal, async (signal) => {
    tellHowFar(signal).catch(() => undefined); // it ends with the last load
    const send = async (load: ImageLoad): Promise<LoadEnd> => {
      const end = await sendImage(context, load, { image, door, sending });
      done += 1;
      say(context, load, end);
      return end;
    };
    return await inParallel(loads, send, LOADS_MAX);
  });
}

function say(context: Context, { machine, runtime }: ImageLoad, end: LoadEnd): void {
  const where = `${nameOf(machine)}: ${runtime}`;
  if ('failure' in end) context.stderr(`${where}: ${end.failure}\n`);
  else context.stdout(`${where} has loaded ${end.images.join(', ')}\n`);
}

function nameOf({ id, primaryIP }: V2Machine): string {
  return placeName(id, primaryIP);
}

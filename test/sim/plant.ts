// Plants a fault in the code that is loaded from now on: a piece of a file's text is replaced when Node loads it.
// Invariant: a piece that is not there, or is there twice, fails loudly; nothing on disk changes.
import { registerHooks } from 'node:module';

/** A fault, and where. */
export interface Mutant {
  readonly name: string;
  /** What goes wrong, in a sentence. */
  readonly fault: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A kept plan that finds it: run before the seeds. */
  readonly plan?: string;
  /** More of the same fault, in the same file. */
  readonly also?: Readonly<{ find: string; replace: string }>;
}

const root = new URL('../../', import.meta.url);

/** The file's text with the fault; throws where a piece of it is not there exactly once. */
export function mutated({ name, file, also, find, replace }: Mutant, text: string): string {
  const pieces = [{ find, replace }, ...(also === undefined ? [] : [also])];
  return pieces.reduce((result, piece) => {
    if (result.split(piece.find).length !== 2)
      throw new Error(`mutant '${name}': its text is not there once in ${file}`);
    return result.replace(piece.find, () => piece.replace);
  }, text);
}

/** `check` throws where the file was never loaded. */
export function plant(mutant: Mutant): { check: () => void } {
  const url = new URL(mutant.file, root).href;
  let isPlanted = false;
  registerHooks({
    load(loaded, context, nextLoad) {
      const result = nextLoad(loaded, context);
      if (loaded !== url) return result;
      const { source = '' } = result;
      const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array);
      isPlanted = true;
      return { ...result, source: mutated(mutant, text.toString()) };
    },
  });
  return {
    check() {
      if (!isPlanted) throw new Error(`mutant '${mutant.name}': ${mutant.file} was never loaded`);
    },
  };
}

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
}

const root = new URL('../../', import.meta.url);

/** `check` throws where the file was never loaded. */
export function plant({ name, file, find, replace }: Mutant): { check: () => void } {
  const url = new URL(file, root).href;
  let isPlanted = false;
  registerHooks({
    load(loaded, context, nextLoad) {
      const result = nextLoad(loaded, context);
      if (loaded !== url) return result;
      const { source = '' } = result;
      const text =
        typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString('utf8');
      if (text.split(find).length !== 2)
        throw new Error(`mutant '${name}': its text is not there once in ${file}`);
      isPlanted = true;
      return { ...result, source: text.replace(find, () => replace) };
    },
  });
  return {
    check() {
      if (!isPlanted) throw new Error(`mutant '${name}': ${file} was never loaded`);
    },
  };
}

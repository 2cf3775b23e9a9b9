// The options of unit files as v1 shows them, kept by the file's SHA-256: a listing parses a text that it knows only once.
import type { UnitOption } from '../model/unit.ts';
import { readFiles } from '../registry/files.ts';
import type { Registry } from '../registry/registry.ts';
import { optionsOf } from '../unitfile/format.ts';
import { parseUnitFile } from '../unitfile/parse.ts';

/** bytes of JSON that are kept. */
const KEPT_MAX_BYTES = 16 * 1024 * 1024;

/** Options as JSON by SHA-256; the oldest go first. */
export class OptionsCache {
  readonly #kept = new Map<string, string>();
  #bytes = 0;

  /** The options of these files as JSON, those that are there. */
  async read(
    registry: Registry,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const missing = new Set<string>();
    for (const name of names) {
      const json = this.#kept.get(name);
      if (json === undefined) missing.add(name);
      else found.set(name, json);
    }
    if (missing.size === 0) return found;
    for (const [name, text] of await readFiles(registry, missing, signal)) {
      const ok = parseUnitFile(text).ok ?? parseUnitFile(text, 'podman').ok;
      if (ok === undefined) continue;
      const json = optionsJson(optionsOf(ok));
      found.set(name, json);
      this.#keep(name, json);
    }
    return found;
  }

  #keep(name: string, json: string): void {
    if (this.#kept.has(name)) return;
    this.#kept.set(name, json);
    this.#bytes += json.length;
    for (const [oldest, text] of this.#kept) {
      if (this.#bytes <= KEPT_MAX_BYTES) return;
      this.#kept.delete(oldest);
      this.#bytes -= text.length;
    }
  }
}

/** Options as v1 writes them: keys in the order that fleet 1.0 had. */
export function optionsJson(options: readonly UnitOption[]): string {
  return JSON.stringify(options.map(({ name, section, value }) => ({ name, section, value })));
}

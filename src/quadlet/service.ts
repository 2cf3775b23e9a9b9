// The service that a Quadlet file becomes: sections of lines, changed step by step, and its text in the end.
import type { UnitFile } from '../unitfile/parse.ts';
import { joinLines } from './section.ts';
import { commandLine, quoteWord } from './words.ts';

interface Line {
  readonly key: string;
  readonly value: string;
}

/** A unit file in the making. Sections and lines stay in the order they came in. */
export class ServiceFile {
  readonly #sections = new Map<string, Line[]>();

  /** Takes over all sections of the file; `rename` says what a section is called in the service. */
  constructor(file: UnitFile, rename: (section: string) => string) {
    for (const entry of file.entries) {
      if (entry.kind === 'section') this.#section(rename(entry.name));
      if (entry.kind !== 'option') continue;
      this.add(rename(entry.section), entry.name, joinLines(entry.value));
    }
  }

  /** The values of a key since its last empty one, as systemd has them. */
  all(section: string, key: string): readonly string[] {
    const found = (this.#sections.get(section) ?? []).filter((line) => line.key === key);
    const reset = found.findLastIndex(({ value }) => value === '');
    return found.slice(reset + 1).map(({ value }) => value);
  }

  /** The last value of a key. */
  last(section: string, key: string): string | undefined {
    return this.#sections.get(section)?.findLast((line) => line.key === key)?.value;
  }

  add(section: string, key: string, value: string): void {
    this.#section(section).push({ key, value });
  }

  /** Puts the line before all others of the section, where an empty assignment in the file takes it back. */
  prepend(section: string, key: string, value: string): void {
    this.#section(section).unshift({ key, value });
  }

  /** Adds the line unless the file has the key. */
  setDefault(section: string, key: string, value: string): void {
    if (this.last(section, key) === undefined) this.add(section, key, value);
  }

  /** Leaves one line of the key, at the place of its last one. */
  replace(section: string, key: string, value: string): void {
    const lines = this.#section(section);
    const last = lines.findLastIndex((line) => line.key === key);
    const kept = lines.flatMap((line, index) => {
      if (index === last) return [{ key, value }];
      return line.key === key ? [] : [line];
    });
    if (last === -1) kept.push({ key, value });
    this.#sections.set(section, kept);
  }

  addCommand(key: string, words: readonly string[]): void {
    this.add('Service', key, commandLine(words));
  }

  /** Adds one word to a list, quoted where it must be. */
  addWord(section: string, key: string, word: string): void {
    this.add(section, key, quoteWord(word));
  }

  text(): string {
    const parts = [...this.#sections].map(([name, lines]) =>
      [`[${name}]`, ...lines.map(({ key, value }) => `${key}=${value}`)].join('\n'),
    );
    return `${parts.join('\n\n')}\n`;
  }

  #section(name: string): Line[] {
    const found = this.#sections.get(name) ?? [];
    this.#sections.set(name, found);
    return found;
  }
}

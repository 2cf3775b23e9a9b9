// YAML or JSON → plain values that remember where they stand.
// Invariant: every value and key of the tree has a place in the text, also those that an alias repeats.
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { Place, Problems } from './problems.ts';

/** `yaml`: every scalar is text as it was written, as CoreOS read it (0644 stays '0644'). `json`: numbers and booleans are such. */
export type SourceKind = 'yaml' | 'json';

export type SourceValue =
  | string
  | number
  | boolean
  | null
  | readonly SourceValue[]
  | { readonly [key: string]: SourceValue };

export type SourcePath = readonly PropertyKey[];

export interface SourceTree {
  readonly value: SourceValue;
  /** Where the value at the path stands, or what of the path there is. */
  place(path: SourcePath): Place;
  /** Where the key that ends the path stands. */
  keyPlace(path: SourcePath): Place;
  /** The line before the first of a text that stands in lines of its own (`|`); undefined for other texts. */
  lineBefore(path: SourcePath): number | undefined;
  /** The key that ends the path, as it was written. */
  keyText(path: SourcePath): string;
}

/** nodes of a file, aliases followed: more is a bomb, not a configuration. */
const NODES_MAX = 20_000;

/** Reads the text; undefined where it cannot be read, which `problems` then says. */
export function readTree(
  text: string,
  kind: SourceKind,
  problems: Problems,
): SourceTree | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    schema: kind === 'json' ? 'json' : 'failsafe',
    merge: kind === 'yaml',
    lineCounter: lines,
    prettyErrors: false,
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  let lastAt = -1;
  for (const { message, pos, code } of document.errors) {
    // One slip in the form makes several errors at one place: the first names it.
    if (pos[0] !== lastAt) problems.error(placeAt(pos[0]), syntaxMessage(code, message));
    lastAt = pos[0];
  }
  for (const { message, pos } of document.warnings)
    problems.error(placeAt(pos[0]), lowered(message), 'Tags of types are not taken: write text.');
  if (document.errors.length + document.warnings.length > 0) return undefined;
  const tree = new Reader(document, kind, placeAt);
  try {
    const value = tree.read(document.contents, []);
    return { value, ...tree.places() };
  } catch (error) {
    if (!(error instanceof TreeFault)) throw error;
    problems.error(error.place, error.message);
    return undefined;
  }
}

/** What the library does not see as an error and we do. */
class TreeFault extends Error {
  readonly place: Place;

  constructor(message: string, place: Place) {
    super(message);
    this.place = place;
  }
}

interface Spot {
  readonly value: Place;
  readonly key?: Place;
  readonly text?: string;
  readonly lineBefore?: number;
}

class Reader {
  readonly #document: Document.Parsed;
  readonly #kind: SourceKind;
  readonly #placeAt: (offset: number) => Place;
  readonly #spots = new Map<string, Spot>();
  #nodes = 0;

  constructor(document: Document.Parsed, kind: SourceKind, placeAt: (offset: number) => Place) {
    this.#document = document;
    this.#kind = kind;
    this.#placeAt = placeAt;
  }

  read(node: unknown, path: SourcePath, key: Pick<Spot, 'key' | 'text'> = {}): SourceValue {
    const { isOver, place } = this.#count(node, key.key);
    if (isOver) throw new TreeFault(`the file has more than ${NODES_MAX} values`, place);
    const lineBefore =
      isScalar(node) && node.type === 'BLOCK_LITERAL' ? { lineBefore: place.line } : {};
    this.#spots.set(spotKey(path), { value: place, ...key, ...lineBefore });
    if (isAlias(node)) return this.read(node.resolve(this.#document), path, key);
    if (isMap(node)) return this.#map(node, path, place);
    if (isSeq(node)) return node.items.map((item, i) => this.read(item, [...path, i]));
    if (!isScalar(node)) return this.#kind === 'json' ? null : '';
    const { value } = node;
    if (this.#kind === 'yaml') return yamlText(node);
    const isPlain = typeof value === 'number' || typeof value === 'boolean' || value === null;
    return isPlain ? value : yamlText(node);
  }

  places(): Omit<SourceTree, 'value'> {
    const spot = (path: SourcePath): Spot => {
      for (let length = path.length; length >= 0; length -= 1) {
        const found = this.#spots.get(spotKey(path.slice(0, length)));
        if (found !== undefined) return found;
      }
      return { value: { line: 1, column: 1 } };
    };
    return {
      place: (path) => spot(path).value,
      keyPlace: (path) => spot(path).key ?? spot(path).value,
      lineBefore: (path) => this.#spots.get(spotKey(path))?.lineBefore,
      keyText: (path) => this.#spots.get(spotKey(path))?.text ?? String(path.at(-1) ?? ''),
    };
  }

  #count(node: unknown, key: Place | undefined): { isOver: boolean; place: Place } {
    this.#nodes += 1;
    const range = isNode(node) ? node.range : undefined;
    const place = range ? this.#placeAt(range[0]) : (key ?? { line: 1, column: 1 });
    return { isOver: this.#nodes > NODES_MAX, place };
  }

  #map(map: YAMLMap, path: SourcePath, place: Place): SourceValue {
    const own: Record<string, SourceValue> = {};
    const merged: Record<string, SourceValue> = {};
    for (const { key, value } of map.items) {
      if (!isScalar(key)) throw new TreeFault('a key must be one word', place);
      const at = key.range ? this.#placeAt(key.range[0]) : place;
      const text = key.source ?? String(key.value);
      if (this.#kind === 'yaml' && text === '<<') {
        Object.assign(merged, this.#mergedMap(value, path, at));
        continue;
      }
      const name = this.#kind === 'yaml' ? text.replaceAll('-', '_') : String(key.value);
      if (Object.hasOwn(own, name)) throw new TreeFault(`the key '${text}' stands here twice`, at);
      if (name === '__proto__') throw new TreeFault(`'${text}' cannot be a key`, at);
      own[name] = this.read(value, [...path, name], { key: at, text });
    }
    return { ...merged, ...own };
  }

  #mergedMap(value: unknown, path: SourcePath, at: Place): Record<string, SourceValue> {
    const read = this.read(value, [...path, '<<'], { key: at, text: '<<' });
    const maps = Array.isArray(read) ? read.toReversed() : [read];
    if (!maps.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one)))
      throw new TreeFault("'<<' takes a map, or a list of maps", at);
    return Object.assign({}, ...maps) as Record<string, SourceValue>; // checked just now
  }
}

/** A scalar as it was written: `null` and `~` are nothing, which CoreOS read as empty. */
function yamlText(node: Scalar): string {
  if (node.type === 'PLAIN' && /^(~|null|)$/i.test(node.source ?? '')) return '';
  return String(node.value);
}

function spotKey(path: SourcePath): string {
  return path.map(String).join('\0');
}

function syntaxMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key stands here twice';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: the file must be one';
  if (code === 'TAB_AS_INDENT') return 'a tab indents this line: write spaces';
  if (code === 'BLOCK_AS_IMPLICIT_KEY')
    return 'this is indented deeper than the line before, which has a value of its own: align it';
  return lowered(message);
}

function lowered(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).split('\n', 1)[0];
}

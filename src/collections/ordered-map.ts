// A B+tree from strings to values, in order of the strings' code units: get, set, delete and seek in O(log n).
// Not a Map: V8 keeps each string that was a Map's key in its table of strings, and every major collection walks that.
// Invariant: the leaves are linked in order, and none but an only root is empty. Nodes that shrink are not merged: they fill again.

const NODE_MAX = 64;

interface Leaf<V> {
  readonly keys: string[];
  readonly values: V[];
  readonly children?: undefined;
  next: Leaf<V> | undefined;
  previous: Leaf<V> | undefined;
}

/** `keys[n]` is not above any key of `children[n + 1]`, and above every key of `children[n]`. */
interface Inner<V> {
  readonly keys: string[];
  readonly children: Node<V>[];
}

type Node<V> = Leaf<V> | Inner<V>;
type Split<V> = Readonly<{ key: string; right: Node<V> }>;

/** A map whose keys can be walked in order from any point. */
export class OrderedMap<V> {
  #root: Node<V> = leaf();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const { keys, values } = this.#leafFor(key);
    const at = lowerBound(keys, key);
    return keys[at] === key ? values[at] : undefined;
  }

  set(key: string, value: V): void {
    const split = this.#insert(this.#root, key, value);
    if (split !== undefined)
      this.#root = { keys: [split.key], children: [this.#root, split.right] };
  }

  delete(key: string): void {
    this.#remove(this.#root, key);
    while (this.#root.children?.length === 1) this.#root = this.#root.children[0] ?? leaf();
    if (this.#root.children?.length === 0) this.#root = leaf();
  }

  /** Visits the entries from `start` on (not below it) until `visit` answers false. It must not change the map. */
  walk(start: string, visit: (key: string, value: V) => boolean): void {
    let node: Leaf<V> | undefined = this.#leafFor(start);
    let at = lowerBound(node.keys, start);
    while (node !== undefined) {
      const { keys, values } = node;
      for (; at < keys.length; at += 1) {
        if (!visit(keys[at] as string, values[at] as V)) return;
      }
      node = node.next;
      at = 0;
    }
  }

  /** All values in order of their keys; the map must not change meanwhile. */
  *values(): IteratorObject<V, undefined> {
    for (let node: Leaf<V> | undefined = this.#leafFor(''); node !== undefined; node = node.next)
      yield* node.values;
  }

  #leafFor(key: string): Leaf<V> {
    let node = this.#root;
    while (node.children !== undefined) node = childFor(node, key);
    return node;
  }

  #insert(node: Node<V>, key: string, value: V): Split<V> | undefined {
    if (node.children === undefined) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] === key) {
        node.values[at] = value;
        return undefined;
      }
      node.keys.splice(at, 0, key);
      node.values.splice(at, 0, value);
      this.#size += 1;
      return node.keys.length > NODE_MAX ? splitLeaf(node) : undefined;
    }
    const at = upperBound(node.keys, key);
    const split = this.#insert(node.children[at] as Node<V>, key, value);
    if (split === undefined) return undefined;
    node.keys.splice(at, 0, split.key);
    node.children.splice(at + 1, 0, split.right);
    return node.children.length > NODE_MAX ? splitInner(node) : undefined;
  }

  /** Says whether `node` is empty now. */
  #remove(node: Node<V>, key: string): boolean {
    if (node.children === undefined) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] !== key) return false;
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      this.#size -= 1;
      if (node.keys.length > 0) return false;
      if (node.previous !== undefined) node.previous.next = node.next;
      if (node.next !== undefined) node.next.previous = node.previous;
      return true;
    }
    const at = upperBound(node.keys, key);
    if (!this.#remove(node.children[at] as Node<V>, key)) return false;
    node.children.splice(at, 1);
    node.keys.splice(Math.max(0, at - 1), 1);
    return node.children.length === 0;
  }
}

function leaf<V>(): Leaf<V> {
  return { keys: [], values: [], next: undefined, previous: undefined };
}

function childFor<V>(node: Inner<V>, key: string): Node<V> {
  return node.children[upperBound(node.keys, key)] as Node<V>;
}

function splitLeaf<V>(node: Leaf<V>): Split<V> {
  const half = node.keys.length >> 1;
  const right: Leaf<V> = {
    keys: node.keys.splice(half),
    values: node.values.splice(half),
    next: node.next,
    previous: node,
  };
  if (right.next !== undefined) right.next.previous = right;
  node.next = right;
  return { key: right.keys[0] as string, right };
}

function splitInner<V>(node: Inner<V>): Split<V> {
  const half = node.children.length >> 1;
  const children = node.children.splice(half);
  const [key, ...keys] = node.keys.splice(half - 1);
  return { key: key as string, right: { keys, children } };
}

/** The first place whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first place whose key is above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

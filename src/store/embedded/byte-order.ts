// etcd orders keys by their UTF-8 bytes, which is the order of code points; JavaScript compares UTF-16 code units, where surrogates stand
// below U+E000 to U+FFFF. Here a key becomes a text whose code units compare as its bytes do.
// Invariant: one code unit becomes one code unit, so that a prefix stays a prefix.

/** The text by which `key` is sorted; nearly always the key itself. */
export function byteOrder(key: string): string {
  return /[\ud800-\uffff]/.test(key) ? key.replace(/[\ud800-\uffff]/g, swapped) : key;
}

/** Surrogates go to the top, what stood above them moves down by as much. */
function swapped(unit: string): string {
  const code = unit.charCodeAt(0);
  return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
}

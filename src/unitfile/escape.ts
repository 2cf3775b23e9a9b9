// Text ⇄ what may stand in a unit name: systemd-escape(1), also with --path.
// Invariant: unescaping what was escaped gives the text back, and a path in its simplest form.

/** As `systemd-escape`: '/' becomes '-', what a name may not hold becomes \x and two hex digits per byte of UTF-8. */
export function escapeName(text: string): string {
  let escaped = '';
  for (const [index, byte] of new TextEncoder().encode(text).entries()) {
    const char = String.fromCharCode(byte);
    if (char === '/') escaped += '-';
    else if (/[0-9A-Za-z:_]/.test(char) || (char === '.' && index > 0)) escaped += char;
    else escaped += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return escaped;
}

/** As `systemd-escape --unescape`; undefined for a broken \x, and for what is no text: NUL or no UTF-8. */
export function unescapeName(escaped: string): string | undefined {
  // Most names: nothing in them stands for a byte, and each character is one.
  if (/^[ -[\]-~]*$/.test(escaped)) return escaped.replaceAll('-', '/');
  const bytes: number[] = [];
  for (const part of escaped.matchAll(/\\x([0-9A-Fa-f]{2})|[^\\]|\\/gsu)) {
    if (part[1] !== undefined) bytes.push(Number.parseInt(part[1], 16));
    else if (part[0] === '\\') return undefined;
    else bytes.push(...new TextEncoder().encode(part[0] === '-' ? '/' : part[0]));
  }
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch (error) {
    if (error instanceof TypeError) return undefined; // what `fatal` throws
    throw error;
  }
}

/** As `systemd-escape --path`: the path is simplified first, '/' is '-'. Undefined for a path with '..'. */
export function escapePath(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || path.includes('\0')) return undefined;
  if (parts.length > 0) return escapeName(parts.join('/'));
  return path === '' || path.startsWith('/') ? '-' : undefined;
}

/** As `systemd-escape --unescape --path`; undefined for what `escapePath` never answers. */
export function unescapePath(escaped: string): string | undefined {
  if (escaped === '-') return '/';
  const path = unescapeName(escaped);
  if (path === undefined) return undefined;
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return `/${path}`;
}

// Page tokens: opaque to clients; a revision, and the key that the last page ended with.
// Invariant: a token that was not made here for this very listing is PAGE_TOKEN_INVALID, never a read of other keys.
import { FleetError } from '../model/errors.ts';
import { PAGE_TOKEN_MAX_BYTES } from '../model/limits.ts';
import type { Cursor } from '../registry/read-units.ts';

const FORMAT = /^1:([1-9][0-9]{0,18}):([^\0]+)$/;

/** The token for going on at `cursor`; `root` is the prefix of the store's keys, which is nobody's business. */
export function pageToken(root: string, cursor: Cursor): string {
  const key = cursor.after.slice(root.length);
  return Buffer.from(`1:${cursor.revision}:${key}`, 'utf8').toString('base64url');
}

/** Where to go on; throws PAGE_TOKEN_INVALID unless the key is under one of `prefixes`. */
export function parsePageToken(root: string, token: string, prefixes: readonly string[]): Cursor {
  const bytes = token.length > PAGE_TOKEN_MAX_BYTES ? undefined : Buffer.from(token, 'base64url');
  const [, revision, key] = FORMAT.exec(bytes?.toString('utf8') ?? '') ?? [];
  if (bytes !== undefined && revision !== undefined && key !== undefined) {
    const cursor = { revision: BigInt(revision), after: root + key };
    const isOurs = prefixes.some((prefix) => cursor.after.startsWith(prefix));
    if (isOurs && pageToken(root, cursor) === token) return cursor;
  }
  throw new FleetError(
    'PAGE_TOKEN_INVALID',
    `nextPageToken '${token.slice(0, 80)}' is not one of this listing`,
    {
      hint: 'Pass what the page before answered as nextPageToken, or none to begin.',
      details: { field: 'nextPageToken' },
    },
  );
}

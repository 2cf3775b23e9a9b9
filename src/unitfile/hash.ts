// The two hashes of a unit: HASH as users and old clients see and compute it, and SHA-256 of the text, which names it in the store.
import { createHash } from 'node:crypto';
import type { UnitOption } from '../model/unit.ts';
import { canonicalText } from './format.ts';

/** SHA-1 in hex over the options as go-systemd writes them out; a text and the v1 options of it agree. */
export function hashOfOptions(options: readonly UnitOption[]): string {
  return createHash('sha1').update(canonicalText(options)).digest('hex');
}

/** SHA-256 in hex of the text in UTF-8, byte order mark included. */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isFleetError } from '../../src/model/errors.ts';
import { pageToken, parsePageToken } from '../../src/api/page-token.ts';

const ROOT = '/test/';
const PREFIXES = ['/test/c/unit/'];
const name = fc.stringMatching(/^[a-zA-Z0-9:_.\\@-]{1,255}$/);

it('parsePageToken gives back what pageToken was given', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n }), name, (revision, unit) => {
      const cursor = { revision, after: `/test/c/unit/${unit}` };
      expect(parsePageToken(ROOT, pageToken(ROOT, cursor), PREFIXES)).toEqual(cursor);
    }),
  );
});

it('parsePageToken refuses any other text, and never throws anything else', () => {
  const changed = fc
    .tuple(name, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }))
    .map(([unit, at, char]) => {
      const token = pageToken(ROOT, { revision: 5n, after: `/test/c/unit/${unit}` });
      const index = at % token.length;
      return token.slice(0, index) + char + token.slice(index + 1);
    });
  const elsewhere = name.map((key) =>
    pageToken(ROOT, { revision: 5n, after: `/test/file/${key}` }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), changed, elsewhere), (token) => {
      try {
        const cursor = parsePageToken(ROOT, token, PREFIXES);
        // What is taken is a token of this listing: the one and only way to write this cursor.
        expect(cursor.after.startsWith('/test/c/unit/')).toBe(true);
        expect(pageToken(ROOT, cursor)).toBe(token);
      } catch (error) {
        if (!isFleetError(error, 'PAGE_TOKEN_INVALID')) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

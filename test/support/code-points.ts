// Any code point but surrogates, for texts of `fc.string({ unit })`: fast-check's own table of them takes two seconds to build.
import * as fc from 'fast-check';

export const codePoint = fc
  .integer({ min: 0, max: 0x10f7ff })
  .map((n) => String.fromCodePoint(n < 0xd800 ? n : n + 0x800));

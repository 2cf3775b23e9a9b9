import { describe, expect, it } from 'vitest';
import { formatUnitFile, optionsOf, unitFileFromOptions } from '../../../src/unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../../../src/unitfile/hash.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';

const optionsIn = (text: string) => optionsOf(parseUnitFile(text).ok!);

// The hashes are sha1sum's, over the text that go-systemd's Serialize gives, written by hand beside each.
describe('hashOfOptions', () => {
  it.for([
    // ""
    {
      name: 'takes no options as the empty text',
      text: '# nothing\n[Unit]\n',
      sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    },
    // "[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sh -c \"sleep 1\"\n"
    {
      name: 'writes sections and options',
      text: '[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sh -c "sleep 1"\n',
      sha1: 'ee53ca785ef430ef371d1313ba7d649f00d5572c',
    },
    // "[A]\nx=1\nz=3\n\n[B]\ny=2\n"
    {
      name: 'merges repeated sections in the order first seen',
      text: '[A]\nx=1\n[B]\ny=2\n[A]\nz=3\n',
      sha1: 'b0ec5394d87ef22dd43bb992cc6676e4063f7351',
    },
    // "[A]\nx=1\ny=\n"
    {
      name: 'leaves out comments, blank lines and blanks',
      text: '# c\n\n[A]\n  x =  1  \n; d\n\ny=\n',
      sha1: 'dda418935e550c23376a5d4f5f6990f1e791ab1c',
    },
    // "[A]\nx=1 \\\n  2 \\\n  3\ny=4\n"
    {
      name: 'keeps the backslash and newline of a continuation',
      text: '[A]\nx=1 \\\n  2 \\\n  3\ny=4\n',
      sha1: '1d3d32d15d2d497654a126af1882652d185cf70e',
    },
    // "[A]\nx=1 \\\n\ny=4\n"
    {
      name: 'keeps the blank line that ends a continuation',
      text: '[A]\nx=1 \\\n   \ny=4\n',
      sha1: '9d716feb905102775c0c5ce6c6e252ba4add8f88',
    },
    // "[A]\nx=1 \\\n# c\n2=3\n"
    {
      name: 'keeps comments inside a continuation',
      text: '[A]\nx=1 \\\n# c\n2=3\n',
      sha1: '50e382b36df1881e119142c3b3f081dd7ab60b0c',
    },
    // "[A]\nx=1\n"
    {
      name: 'does not depend on the final newline, CRLF or a byte order mark',
      text: '\ufeff[A]\r\nx=1',
      sha1: 'e5227ba4dfd5a88b65646824e408b966d7a14ddc',
    },
    // "[A]\nx=é\n"
    {
      name: 'hashes UTF-8',
      text: '[A]\nx=\u00e9\n',
      sha1: 'a9f05c40ae91c7fb61219e84665a2cbf803a64fc',
    },
  ])('$name', ({ text, sha1 }) => {
    const options = optionsIn(text);
    expect(hashOfOptions(options)).toBe(sha1);
    // The same unit as v1 options, and as the text that v1 makes of them.
    const { ok } = unitFileFromOptions(options);
    expect(hashOfOptions(optionsOf(ok!))).toBe(sha1);
    expect(hashOfOptions(optionsIn(formatUnitFile(ok!)))).toBe(sha1);
  });
});

it('sha256Of hashes the bytes of the text', () => {
  expect(sha256Of('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256Of('\uFEFF[Unit]\r\n')).not.toBe(sha256Of('[Unit]\r\n'));
});

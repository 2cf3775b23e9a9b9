import { expect, it } from 'vitest';
import { UNIT_FILE_MAX_BYTES, UNIT_PROBLEMS_MAX } from '../../../src/model/limits.ts';
import { checkFleetOptions } from '../../../src/unitfile/fleet-options.ts';
import { optionsOf, unitFileFromOptions } from '../../../src/unitfile/format.ts';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { decodeUnitBytes, parseUnitFile } from '../../../src/unitfile/parse.ts';

const NAME = checkUnitName('app@1.service');

it.for([
  { name: 'NUL', head: '', piece: '\0' },
  { name: 'carriage returns', head: '', piece: '\r' },
  { name: 'lines that are nothing', head: '', piece: 'x\n' },
  { name: 'section headers', head: '', piece: '[S]\n' },
  { name: 'open brackets', head: '', piece: '[' },
  { name: 'empty options', head: '[S]\n', piece: 'A=\n' },
  { name: 'backslashes', head: '[S]\nA=', piece: '\\' },
  { name: 'continuations', head: '[X-Fleet]\nConflicts=', piece: '\\\n' },
  { name: 'comments in a continuation', head: '[X-Fleet]\nConflicts=\\\n', piece: '#\n' },
  { name: 'unknown keys', head: '[X-Fleet]\n', piece: 'MachineMatadata=1\n' },
  { name: 'values', head: '[X-Fleet]\nConflicts=', piece: 'a ' },
  { name: 'values, a line each', head: '[X-Fleet]\n', piece: 'Conflicts=a\n' },
  { name: 'malformed patterns', head: '[X-Fleet]\nConflicts=', piece: '[ ' },
  { name: 'stars', head: '[X-Fleet]\nConflicts=', piece: '*a' },
  { name: 'specifiers', head: '[X-Fleet]\nConflicts=', piece: '%n' },
  { name: 'percent signs', head: '[X-Fleet]\nMachineMetadata=a=', piece: '%%' },
  { name: 'quotes', head: '[X-Fleet]\nMachineMetadata=', piece: '"a=b" ' },
  { name: 'equals signs', head: '[X-Fleet]\nMachineMetadata=', piece: '=' },
])('a unit file full of $name is judged at once, with a bounded answer', ({ head, piece }) => {
  const text = head + piece.repeat((UNIT_FILE_MAX_BYTES - head.length) / piece.length);
  const started = performance.now();
  const parsed = parseUnitFile(text);
  const checked = parsed.ok && checkFleetOptions(NAME, parsed.ok);
  if (parsed.ok !== undefined) unitFileFromOptions(optionsOf(parsed.ok));
  const problems = parsed.problems ?? checked?.problems ?? [];
  expect(problems.length).toBeLessThanOrEqual(UNIT_PROBLEMS_MAX + 1);
  expect(performance.now() - started).toBeLessThan(4000);
});

it('bytes that are no UTF-8 near the end of a large file are found at once', () => {
  const bytes = new Uint8Array(UNIT_FILE_MAX_BYTES).fill(0x0a);
  bytes[bytes.length - 1] = 0xff;
  const started = performance.now();
  expect(decodeUnitBytes(bytes).problems).toMatchObject([{ line: UNIT_FILE_MAX_BYTES, column: 1 }]);
  expect(performance.now() - started).toBeLessThan(4000);
});

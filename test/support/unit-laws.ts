// The laws of src/unitfile/ for any text at all; held by a property test over few texts and by the fuzzer over many.
import assert from 'node:assert/strict';
import { NO_REQUIREMENTS } from '../../src/model/requirements.ts';
import type { UnitName, UnitOption } from '../../src/model/unit.ts';
import { checkFleetOptions, requirementsOf } from '../../src/unitfile/fleet-options.ts';
import { formatUnitFile, optionsOf, unitFileFromOptions } from '../../src/unitfile/format.ts';
import { hashOfOptions } from '../../src/unitfile/hash.ts';
import { decodeUnitBytes, parseUnitFile } from '../../src/unitfile/parse.ts';
import type { Problem } from '../../src/unitfile/problem.ts';

/** Throws where a law is broken; answers whether the text is accepted as a unit file. */
export function checkUnitLaws(text: string, name: UnitName): boolean {
  const parsed = parseUnitFile(text);
  if (parsed.ok === undefined) {
    assertProblems(parsed.problems, text);
    return false;
  }
  assert.equal(formatUnitFile(parsed.ok), text, 'an accepted text comes back to the character');
  assert.deepEqual(decodeUnitBytes(Buffer.from(text)), { ok: text }, 'its bytes decode to it');
  const options = optionsOf(parsed.ok);
  assertOptionsRoundTrip(options);
  const fromFile = checkFleetOptions(name, parsed.ok);
  const stored = requirementsOf(name, options);
  assert.deepEqual(stored.ok, fromFile.ok, 'stored options ask for the same as the file');
  assert.equal(stored.problems?.length, fromFile.problems?.length);
  if (fromFile.problems !== undefined) assertProblems(fromFile.problems, text);
  else if (options.every(({ section }) => section !== 'X-Fleet'))
    assert.deepEqual(fromFile.ok, NO_REQUIREMENTS);
  return true;
}

/** Options either make a file that has the same options and hash, or are refused. */
export function assertOptionsRoundTrip(options: readonly UnitOption[]): void {
  const { ok, problems } = unitFileFromOptions(options);
  if (ok === undefined) {
    assert.ok(problems.length > 0);
    return;
  }
  const again = optionsOf(ok);
  const grouped = [...Map.groupBy(options, ({ section }) => section).values()].flat();
  assert.deepEqual(again, grouped, 'options come back from the file made of them');
  assert.equal(hashOfOptions(again), hashOfOptions(options), 'text and options have one hash');
  const twice = unitFileFromOptions(again);
  assert.equal(twice.ok && formatUnitFile(twice.ok), formatUnitFile(ok), 'the text is canonical');
}

function assertProblems(problems: readonly Problem[], text: string): void {
  assert.ok(problems.length > 0, 'a refusal has a reason');
  const lines = text.split('\n');
  for (const { line = 0, column = 0, message, hint } of problems) {
    const length = lines[line - 1]?.length;
    assert.ok(
      length !== undefined && column >= 1 && column <= length + 1,
      `${message}: no such place`,
    );
    assert.ok(message !== '' && !/[\n]/.test(message), 'a message is one line');
    assert.ok(hint !== undefined && hint !== '', 'a problem has a hint');
  }
}

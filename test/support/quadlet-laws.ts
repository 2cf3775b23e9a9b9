// The laws of src/quadlet/ for any text at all; held by a property test over few texts and by the fuzzer over many.
import { RUNTIMES } from '../../src/model/container-runtime.ts';
import type { Runtime } from '../../src/model/container-runtime.ts';
import assert from 'node:assert/strict';
import { convertQuadlet } from '../../src/quadlet/convert.ts';
import type { ConversionHost } from '../../src/quadlet/draft.ts';
import { referencesOf } from '../../src/quadlet/references.ts';
import { parseUnitFile } from '../../src/unitfile/parse.ts';
import type { Problem } from '../../src/unitfile/problem.ts';

/** A host on which nothing else is known. */
export function bareHost(runtime: Runtime): ConversionHost {
  return {
    runtime,
    program: `/usr/bin/${runtime}`,
    user: false,
    quadlets: new Map(),
    devices: new Set(),
  };
}

/** Throws where a law is broken; answers how many of the runtimes take the file. */
export function checkQuadletLaws(name: string, text: string): number {
  const { ok: file } = parseUnitFile(text, 'podman');
  if (file === undefined) return 0;
  for (const reference of referencesOf(file)) assert.ok(!reference.includes('/'));
  let taken = 0;
  for (const runtime of RUNTIMES) {
    const converted = convertQuadlet(name, file, bareHost(runtime));
    assert.deepEqual(convertQuadlet(name, file, bareHost(runtime)), converted, 'same, same');
    if (converted.ok === undefined) {
      assertPlaces(converted.problems, text);
      continue;
    }
    taken += 1;
    assertPlaces(converted.ok.warnings, text);
    const service = parseUnitFile(converted.ok.text);
    assert.ok(service.ok !== undefined, `systemd cannot read the service: ${converted.ok.text}`);
    const commands = service.ok.entries
      .filter((entry) => entry.kind === 'option')
      .filter(({ section, name: key }) => section === 'Service' && key === 'ExecStart');
    assert.ok(commands.length > 0, 'a service runs something');
  }
  return taken;
}

function assertPlaces(problems: readonly Problem[], text: string): void {
  const lines = text.split('\n');
  for (const { line = 0, column = 0, message, hint } of problems) {
    const length = lines[line - 1]?.length;
    assert.ok(length !== undefined && column >= 1 && column <= length + 1, `${message}: where?`);
    assert.ok(message !== '' && !message.includes('\n'), 'a message is one line');
    assert.ok(hint !== undefined && hint !== '', 'a problem has a hint');
  }
}

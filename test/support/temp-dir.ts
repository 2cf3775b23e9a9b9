// A directory that is gone when the test file ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes a directory below the system's temporary one; call it while tests are collected, not in a test. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'fleet-test-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

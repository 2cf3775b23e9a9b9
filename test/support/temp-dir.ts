// A directory that is gone when the test file ends.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** Names a directory below the system's temporary one, which is there while tests run; call it while they are collected. What is skipped makes none. */
export function tempDir(): string {
  const path = join(tmpdir(), `fleet-test-${randomBytes(6).toString('hex')}`);
  beforeAll(() => mkdirSync(path, { mode: 0o700 }));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

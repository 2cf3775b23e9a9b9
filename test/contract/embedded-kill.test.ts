import { join } from 'node:path';
import { expect, it } from 'vitest';
import { killWriters } from '../support/kill-store.ts';
import { tempDir } from '../support/temp-dir.ts';

const directory = tempDir();

// The 200 of test/full/ take 40 s.
it.concurrent.for([1, 2])(
  'the embedded store keeps every acknowledged write over 12 kills (file %i)',
  async (file) => {
    expect(await killWriters(join(directory, `${file}.db`), 12, 100)).toBeGreaterThan(60);
  },
);

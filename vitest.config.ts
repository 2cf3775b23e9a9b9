import path from 'node:path';
import { defineConfig } from 'vitest/config';

/** Programs that tests start need not compile again what another has compiled. */
const env = { NODE_COMPILE_CACHE: path.resolve('node_modules/.cache/compiled') };

/** Files that start nothing and leave nothing share a process: the modules of the project are read once, not once a file. */
const shared = { pool: 'forks', isolate: false };

const project = (name: string, testTimeout: number, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    env,
    ...extra,
  },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', 5_000, shared),
      project('property', 30_000, shared),
      project('sim', 120_000, { maxWorkers: 2 }),
      project('cli', 20_000, shared),
      project('contract', 60_000, { maxWorkers: 2 }), // they wait more than they compute
      project('real', 120_000, { fileParallelism: false }),
      project('full', 1_800_000, { fileParallelism: false }),
      { test: { name: 'tidy', include: ['test/tidy.test.ts'], testTimeout: 20_000 } },
    ],
  },
});

// `npm test` runs one of each kind, `npm run test:full` all.
export const FULL = 'FLEET_TEST_FULL';

/** The first `count` of them, or all: put first what finds most. */
export function ofEachKind<T>(count: number, all: readonly T[]): readonly T[] {
  return process.env[FULL] === '1' ? all : all.slice(0, count);
}

import { expect, it } from 'vitest';
import { ApiFixture } from '../support/api.ts';
import { fuzzApi } from '../support/fuzz-api.ts';

// `npm run fuzz -- api` sends many more.
const REQUESTS = 800;
it.for([1, 2])('the API answers hostile requests as documented (seed %i)', async (seed) => {
  const fixture = await new ApiFixture().start({ tokenLimit: 2 });
  try {
    const { requests, statuses, broken } = await fuzzApi(fixture, { seed, count: REQUESTS });
    expect(broken).toEqual([]);
    expect(requests).toBe(REQUESTS);
    const seen = [200, 201, 204, 400, 404, 405, 409, 415].filter((status) => status in statuses);
    expect(seen).toEqual([200, 201, 204, 400, 404, 405, 409, 415]);
  } finally {
    await fixture.stop();
  }
});

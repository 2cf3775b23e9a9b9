import { afterEach, describe, expect, it } from 'vitest';
import { ApiFixture } from '../../support/api.ts';
import { checkAnswer } from '../../support/api-answers.ts';

let fixture: ApiFixture;
afterEach(() => fixture.stop());

describe('GET /fleet/v2/openapi.json', () => {
  it('answers a document whose references all lead somewhere', async () => {
    fixture = await new ApiFixture().start();
    const { status, json } = await fixture.get('/fleet/v2/openapi.json');
    expect([status, json.openapi, json.info.version]).toEqual([200, '3.1.0', '2.0.0']);
    const references = [
      ...JSON.stringify(json).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g),
    ];
    const schemas = Object.keys(json.components.schemas);
    expect(references.length).toBeGreaterThan(20);
    expect(references.map(([, name]) => name).filter((name) => !schemas.includes(name!))).toEqual(
      [],
    );
    expect(json.paths['/fleet/v2/units/{name}'].put.requestBody.required).toBe(true);
    const { V2PutUnit } = json.components.schemas;
    expect(Object.keys(V2PutUnit.properties)).toEqual(['text', 'desiredState', 'ifHash']);
  });

  it.for([
    ['GET', '/fleet/v2/version', 200, { version: '1', more: 1 }],
    ['GET', '/fleet/v2/version', 200, {}],
    ['GET', '/fleet/v2/version', 201, { version: '1' }],
    ['DELETE', '/fleet/v2/units/a.service', 204, {}],
    ['GET', '/fleet/v2/units/a.service', 404, { error: 'none' }],
  ] as const)('says that %s %s has no answer %i %j', async ([method, path, status, json]) => {
    fixture = await new ApiFixture().start();
    expect(() => checkAnswer(method, path, status, json)).toThrow();
  });
});

// The OpenAPI 3.1 document of the API, made of operations.ts and of the schemas that check requests.
import { z } from 'zod';
import { answers } from './answers.ts';
import {
  queryParameters,
  v1Operations,
  v2Operations,
  type BodyName,
  type Operation,
  type QueryName,
} from './operations.ts';
import { machinesPatch, v1PutUnit, v2PutUnit, v2UnitRequests } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

const bodies: Readonly<Record<BodyName, z.ZodType>> = {
  V1PutUnit: v1PutUnit,
  V2PutUnit: v2PutUnit,
  V2UnitRequests: v2UnitRequests,
  MachinesPatch: machinesPatch,
};

/** The document; `version` is that of fleetd. */
export function openApiDocument(version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'fleet',
      version,
      description: 'Units, their states and the machines of a fleet cluster.',
    },
    paths: { ...pathsOf('/fleet/v1', v1Operations), ...pathsOf('/fleet/v2', v2Operations) },
    components: { schemas: { ...schemasOf(answers, 'output'), ...schemasOf(bodies, 'input') } },
  };
}

function pathsOf(base: string, operations: Readonly<Record<string, Operation>>): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [line, operation] of Object.entries(operations)) {
    const [method = '', route = ''] = line.split(' ');
    const path = base + route.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(route, operation) };
  }
  return paths;
}

function operationOf(route: string, { summary, query = [], body, answers: all }: Operation): Json {
  const inPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = query.map((name: QueryName) => ({
    name,
    in: 'query',
    description: queryParameters[name],
    schema: { type: name === 'limit' ? 'integer' : 'string' },
  }));
  const type = route === '/events' ? 'text/event-stream' : 'application/json';
  const responses = Object.entries(all).map(([status, name]) => [
    status,
    {
      description: STATUS_WORDS[status] ?? 'Done',
      ...(name === 'none' ? {} : { content: contentOf(type, name) }),
    },
  ]);
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf('application/json', body) } }),
    responses: {
      ...(Object.fromEntries(responses) as Json),
      default: { description: 'A failure', content: contentOf('application/json', 'Error') },
    },
  };
}

const STATUS_WORDS: Readonly<Record<string, string>> = {
  200: 'As asked',
  201: 'Created or replaced',
  204: 'Done',
};

function contentOf(type: string, name: string): Json {
  return { [type]: { schema: { $ref: `#/components/schemas/${name}` } } };
}

function schemasOf(all: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(all)) registry.add(schema, { id });
  const uri = (id: string): string => `#/components/schemas/${id}`;
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri,
    // A client must take an answer with a field that a later version adds.
    override: ({ jsonSchema }) => {
      if (io === 'output' && jsonSchema.additionalProperties === false)
        delete jsonSchema.additionalProperties;
    },
  });
  // `$schema` and `$id` are of documents of their own.
  const isOwn = (key: string): boolean => key !== '$schema' && key !== '$id';
  const bare = Object.entries(schemas).map(([id, schema]) => [
    id,
    Object.fromEntries(Object.entries(schema).filter(([key]) => isOwn(key))),
  ]);
  return Object.fromEntries(bare) as Json;
}

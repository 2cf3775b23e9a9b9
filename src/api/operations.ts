// What each route takes and answers, as data: the OpenAPI document is made of it. routes/ has what they do, docs/api.md explains it.
import type { AnswerName } from './answers.ts';

export type BodyName = 'V1PutUnit' | 'V2PutUnit' | 'V2UnitRequests' | 'MachinesPatch';

export interface Operation {
  readonly summary: string;
  /** Parameters of the query. */
  readonly query?: readonly QueryName[];
  readonly body?: BodyName;
  /** By status; `none` has no body. Failures are the same everywhere and not listed. */
  readonly answers: Readonly<Record<number, AnswerName | 'none'>>;
}

/** Every parameter of a query. */
export const queryParameters = {
  limit: 'Entries of a page: 1 to 1,000.',
  nextPageToken: 'What the page before answered as nextPageToken.',
  unitName: 'Only of this unit.',
  machineID: 'Only of this machine.',
  prefix: 'Only of units whose name begins so.',
  name: 'Only of the unit of this name.',
  after: 'Only what happened after this revision.',
} as const;
export type QueryName = keyof typeof queryParameters;

const token = ['nextPageToken'] as const;
const paged = ['limit', 'nextPageToken'] as const;
const ofState = ['unitName', 'machineID'] as const;

/** By method and path below the version, as the routes write it. */
export const v1Operations: Readonly<Record<string, Operation>> = {
  'GET /units': {
    summary: 'Every unit, a page at a time',
    query: token,
    answers: { 200: 'V1UnitPage' },
  },
  'GET /units/:name': { summary: 'One unit', answers: { 200: 'V1Unit' } },
  'PUT /units/:name': {
    summary: 'Creates or replaces a unit, or changes its desired state',
    body: 'V1PutUnit',
    answers: { 201: 'none', 204: 'none' },
  },
  'DELETE /units/:name': { summary: 'Destroys a unit', answers: { 204: 'none' } },
  'GET /state': {
    summary: 'What hosts report of units, a page at a time',
    query: [...ofState, ...token],
    answers: { 200: 'V1StatePage' },
  },
  'GET /state/:name': {
    summary: 'What the first host reports of a unit',
    answers: { 200: 'V1UnitState' },
  },
  'GET /machines': {
    summary: 'Every machine, a page at a time',
    query: token,
    answers: { 200: 'V1MachinePage' },
  },
  'PATCH /machines': {
    summary: 'Changes the metadata of machines',
    body: 'MachinesPatch',
    answers: { 204: 'none' },
  },
  'GET /discovery': { summary: 'The discovery document', answers: { 200: 'V1Discovery' } },
};

/** The same for v2. */
export const v2Operations: Readonly<Record<string, Operation>> = {
  'GET /units': {
    summary: 'Every unit, a page at a time',
    query: paged,
    answers: { 200: 'V2UnitPage' },
  },
  'POST /units': {
    summary: 'Requests for several units, each answered as if it had come alone',
    body: 'V2UnitRequests',
    answers: { 200: 'V2UnitAnswers' },
  },
  'GET /units/:name': { summary: 'One unit with its text and states', answers: { 200: 'V2Unit' } },
  'PUT /units/:name': {
    summary: 'Creates or replaces a unit, or changes its desired state',
    body: 'V2PutUnit',
    answers: { 200: 'V2Unit', 201: 'V2Unit' },
  },
  'DELETE /units/:name': { summary: 'Destroys a unit', answers: { 204: 'none' } },
  'GET /units/:name/explain': {
    summary: 'Why a unit is not as desired',
    answers: { 200: 'V2Explanation' },
  },
  'POST /units/:name/adopt': {
    summary: 'Takes what a machine runs unknown to the store into it, as it runs',
    query: ['machineID'],
    answers: { 201: 'V2Unit' },
  },
  'GET /states': {
    summary: 'What hosts report of units, a page at a time',
    query: [...ofState, ...paged],
    answers: { 200: 'V2StatePage' },
  },
  'GET /machines': {
    summary: 'Every machine, a page at a time',
    query: paged,
    answers: { 200: 'V2MachinePage' },
  },
  'POST /machines/:id/evict': {
    summary: 'Says that an absent machine is gone',
    answers: { 200: 'V2Machine' },
  },
  'GET /events': {
    summary: 'What happens to units, as server-sent events: the data of each',
    query: ['prefix', 'name', 'after'],
    answers: { 200: 'V2Event' },
  },
  'GET /version': { summary: 'The version of fleetd', answers: { 200: 'V2Version' } },
  'GET /daemon': { summary: 'The fleetd that answers', answers: { 200: 'V2Daemon' } },
  'GET /openapi.json': { summary: 'This document', answers: { 200: 'OpenAPI' } },
};

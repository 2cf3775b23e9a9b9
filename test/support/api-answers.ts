// Holds an answer of the API to what its OpenAPI document says: the status is named there, and the body has its shape and no more.
import { answers } from '../../src/api/answers.ts';
import { v1Operations, v2Operations } from '../../src/api/operations.ts';

/** Throws where the document does not say that there is such an answer. */
export function checkAnswer(method: string, path: string, status: number, json: unknown): void {
  if (status >= 400) {
    if (json !== undefined) answers.Error.parse(json);
    return;
  }
  const [, version, rest = ''] = /^\/(?:fleet\/(v[12])|v1-alpha)([^?]*)/.exec(path) ?? [];
  const operations = version === 'v2' ? v2Operations : v1Operations;
  const found = Object.entries(operations).find(([line]) => isOf(line, `${method} ${rest}`));
  if (found === undefined) return; // /metrics
  const [line, operation] = found;
  const name = operation.answers[status];
  if (name === undefined) throw new Error(`${line} has no documented answer ${status}`);
  if (name === 'V2Event') return; // a stream of them
  if (name !== 'none') answers[name].parse(json);
  else if (json !== undefined) throw new Error(`${line} is documented to answer without a body`);
}

function isOf(line: string, asked: string): boolean {
  const [wanted, given] = [line, asked].map((one) => one.split('/'));
  return (
    wanted!.length === given!.length &&
    wanted!.every((part, i) => part.startsWith(':') || part === given![i])
  );
}

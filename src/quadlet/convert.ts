// A Quadlet file → the service that runs it on one host, or every reason why not.
// Invariant: each key of the file is carried out, or refused by its name and place; none is passed over.
import { quadletTypeOf } from '../unitfile/quadlet-name.ts';
import type { Runtime } from '../model/container-runtime.ts';
import type { UnitFile } from '../unitfile/parse.ts';
import type { Checked, Problem } from '../unitfile/problem.ts';
import { boundedProblems } from '../unitfile/problem.ts';
import { checkKeys } from './check-keys.ts';
import { DOCKER } from './docker/docker.ts';
import type { ConversionHost } from './draft.ts';
import { Draft } from './draft.ts';
import { PODMAN } from './podman/podman.ts';
import { translateDependencies } from './references.ts';
import { RKT } from './rkt.ts';
import type { RuntimeRules } from './runtime.ts';
import { SectionReader } from './section.ts';

/** The service of a Quadlet file. */
export interface Conversion {
  /** Its name: `web.service` for `web.container`. */
  readonly service: string;
  readonly text: string;
  /** What is converted but hardly meant, such as a short name of an image. */
  readonly warnings: readonly Problem[];
}

const RULES: Readonly<Record<Runtime, RuntimeRules>> = { podman: PODMAN, docker: DOCKER, rkt: RKT };

/** Converts a file for a host. Problems come in the order of the file. */
export function convertQuadlet(
  name: string,
  file: UnitFile,
  host: ConversionHost,
): Checked<Conversion> {
  const kind = quadletTypeOf(name);
  if (kind === undefined) {
    const message = `'${name}' is no Quadlet file`;
    return { problems: [{ message, hint: "Its name ends in '.container', '.volume' and so on." }] };
  }
  const draft = new Draft({ name, kind, file, host });
  const rules = RULES[host.runtime];
  const converter = rules.kinds[kind];
  if (converter === undefined) {
    const message = `${host.runtime} has nothing like a '.${kind}' file`;
    return {
      problems: [{ line: 1, column: 1, message, hint: "Write 'Runtime=podman' in [X-Fleet]." }],
    };
  }
  checkKeys(draft, file, rules);
  prepare(draft, file);
  rules.prepare(draft);
  converter.convert(draft);
  if (draft.problems.length > 0) return { problems: boundedProblems(inOrder(draft.problems)) };
  return {
    ok: {
      service: draft.serviceName,
      text: draft.service.text(),
      warnings: inOrder(draft.warnings),
    },
  };
}

/** Other units, and the network, without which nothing is pulled. */
function prepare(draft: Draft, file: UnitFile): void {
  translateDependencies(draft, new SectionReader(file, 'Unit'));
  const own = new SectionReader(file, 'Quadlet').boolean('DefaultDependencies');
  if (own === false) return;
  // A user's systemd cannot wait for the system's targets: podman has a service that does.
  const network = draft.host.user
    ? 'podman-user-wait-network-online.service'
    : 'network-online.target';
  draft.service.prepend('Unit', 'After', network);
  draft.service.prepend('Unit', 'Wants', network);
}

/** Every problem has a place: what concerns the whole file stands at its beginning. */
function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems
    .map((problem) => ({ line: 1, column: 1, ...problem }))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

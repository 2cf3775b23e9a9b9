// One conversion under way: the file that is read, the service that is made of it, and what is wrong so far.
// Invariant: a converter never stops at the first fault, and never throws for what a person wrote.
import type { QuadletType } from '../unitfile/name.ts';
import type { Runtime } from '../model/container-runtime.ts';
import { isTrue, type Place } from '../unitfile/fleet-rules.ts';
import type { UnitFile } from '../unitfile/parse.ts';
import type { Problem } from '../unitfile/problem.ts';
import { KIND_RULES, serviceNameOf } from './kinds.ts';
import type { Assignment } from './section.ts';
import { SectionReader } from './section.ts';
import { ServiceFile } from './service.ts';
import { splitWords } from './words.ts';

/** What a conversion needs to know of the host that the service is for. */
export interface ConversionHost {
  readonly runtime: Runtime;
  /** The runtime's program, an absolute path. */
  readonly program: string;
  /** Such as '4.3.1'; the newest that is known here, unless given. */
  readonly version?: string;
  /** The service is for a user's systemd. */
  readonly user: boolean;
  /** Where relative paths of the file begin; without it they are refused. */
  readonly directory?: string;
  /** Quadlet files that this one may refer to, by name. */
  readonly quadlets: ReadonlyMap<string, UnitFile>;
  /** Which of the devices that need not be there (`AddDevice=-PATH`) the host has. */
  readonly devices: ReadonlySet<string>;
}

/** The file's own section as `quadlet`, with its kind and name. */
export interface QuadletFile {
  readonly name: string;
  readonly kind: QuadletType;
  readonly file: UnitFile;
  readonly host: ConversionHost;
}

export class Draft {
  readonly name: string;
  readonly kind: QuadletType;
  readonly host: ConversionHost;
  readonly section: SectionReader;
  readonly service: ServiceFile;
  readonly serviceName: string;
  /** Its processes are to see the token of their start (`Fence=`). */
  readonly isFenced: boolean;
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];

  constructor({ name, kind, file, host }: QuadletFile) {
    this.name = name;
    this.kind = kind;
    this.host = host;
    const fleet = new SectionReader(file, 'X-Fleet');
    this.isFenced = isTrue(fleet.text('Fence') ?? '') || fleet.text('OnPartition') === 'stop';
    const own = KIND_RULES[kind].section;
    this.section = new SectionReader(file, own);
    this.serviceName = serviceNameOf(name, kind, this.section);
    // The described resource stays readable in the service; systemd passes sections over whose names begin with X-.
    this.service = new ServiceFile(file, (section) =>
      section === own || section === 'Quadlet' ? `X-${section}` : section,
    );
  }

  /** Notes what makes the file impossible to convert. */
  refuse(at: Place | undefined, message: string, hint: string): void {
    this.problems.push({ ...at, message, hint });
  }

  /** Notes what is converted but hardly meant. */
  warn(at: Place | undefined, message: string, hint: string): void {
    this.warnings.push({ ...at, message, hint });
  }

  /** The words of all assignments of a key; escapes stay as they are. */
  words(key: string): readonly string[] {
    return this.section.all(key).flatMap((assignment) => this.wordsOf(assignment, 'retain'));
  }

  /** The words of all assignments of a key, as in a command line. */
  arguments(key: string): readonly string[] {
    return this.section.all(key).flatMap((assignment) => this.wordsOf(assignment, 'unescape'));
  }

  wordsOf(assignment: Assignment, escapes: 'unescape' | 'retain'): readonly string[] {
    const { words } = splitWords(assignment.value, escapes);
    if (words !== undefined) return words;
    this.refuse(
      assignment.at,
      `${assignment.key}: a quote is not closed`,
      'Close it, or write \\" or \\\' where the mark itself is meant.',
    );
    return [];
  }

  /** `KEY=VALUE` words of all assignments by KEY; of one without '=' the value is undefined. The last of a KEY wins. */
  pairs(key: string): ReadonlyMap<string, string | undefined> {
    const pairs = new Map<string, string | undefined>();
    for (const word of this.arguments(key)) {
      const equals = word.indexOf('=');
      if (equals === -1) pairs.set(word, undefined);
      else pairs.set(word.slice(0, equals), word.slice(equals + 1));
    }
    return pairs;
  }

  /** An absolute path; one that begins with a specifier is left to systemd (podman-systemd.unit(5), Relative paths). */
  path(assignment: Assignment | undefined, path: string): string {
    if (path.startsWith('/') || /^%[^%]/.test(path)) return path;
    const { directory } = this.host;
    if (directory !== undefined) return joinPath(directory, path);
    this.refuse(
      assignment?.at,
      `${assignment?.key ?? 'the file'}: the path '${path}' is relative, and a unit of the cluster lies in no directory`,
      'Write the whole path on the host, or begin it with a specifier such as %h.',
    );
    return path;
  }
}

/** The path from the directory, '.' and '..' worked out. */
function joinPath(directory: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${directory}/${path}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The directory of an absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

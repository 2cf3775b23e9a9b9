// Unit names by systemd.unit(5) and systemd's unit_name_is_valid(): prefix[@instance].type.
// Invariant: a UnitName is ASCII, has at most 255 bytes, no '/', and one of systemd's eleven types or of Quadlet's.
import { FleetError } from '../model/errors.ts';
import { UNIT_NAME_MAX_BYTES } from '../model/limits.ts';
import type { UnitName } from '../model/unit.ts';
import type { Problem } from './problem.ts';

/** systemd's unit types, as they end a name. */
export const UNIT_TYPES = [
  'service',
  'socket',
  'target',
  'device',
  'mount',
  'automount',
  'swap',
  'timer',
  'path',
  'slice',
  'scope',
] as const;
/** Types of Quadlet files (podman-systemd.unit(5)), which become services on their hosts. */
export const QUADLET_TYPES = [
  'container',
  'volume',
  'network',
  'pod',
  'build',
  'image',
  'kube',
  'artifact',
] as const;
export type QuadletType = (typeof QUADLET_TYPES)[number];
export type UnitType = (typeof UNIT_TYPES)[number] | QuadletType;

/** What a name consists of; for `app@1.service`: app, 1, service. */
export interface UnitNameParts {
  /** All before the first '@', or before the type where there is none. */
  readonly prefix: string;
  /** What is between the first '@' and the type: '' for a template, undefined where there is no '@'. */
  readonly instance: string | undefined;
  readonly type: UnitType;
}

/** The checked name, or why systemd would refuse it. */
export function parseUnitName(
  text: string,
):
  Readonly<{ ok: UnitName; problem?: undefined }> | Readonly<{ ok?: undefined; problem: Problem }> {
  const fault = faultOf(text);
  if (fault === undefined) return { ok: text as UnitName }; // checked just now
  return {
    problem: { message: `'${shown(text)}' is not a unit name: ${fault.why}`, hint: fault.hint },
  };
}

/** The checked name; throws UNIT_NAME_INVALID. */
export function checkUnitName(text: string): UnitName {
  const { ok, problem } = parseUnitName(text);
  if (ok !== undefined) return ok;
  throw new FleetError('UNIT_NAME_INVALID', problem.message, {
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    details: { name: text },
  });
}

/** `hello` → `hello.service`; a name that ends in a unit type stays. What it answers is not checked. */
export function unitNameWithDefaultSuffix(text: string): string {
  return typeOf(text) === undefined ? `${text}.service` : text;
}

/** The parts of a name. */
export function unitNameParts(name: UnitName): UnitNameParts {
  const dot = name.lastIndexOf('.');
  const at = name.slice(0, dot).indexOf('@');
  const type = typeOf(name) ?? 'service'; // a UnitName always has one
  if (at === -1) return { prefix: name.slice(0, dot), instance: undefined, type };
  return { prefix: name.slice(0, at), instance: name.slice(at + 1, dot), type };
}

/** Says whether it is a template such as `app@.service`. */
export function isTemplate(name: UnitName): boolean {
  return unitNameParts(name).instance === '';
}

/** The template of an instance: `app@1.service` → `app@.service`; undefined for what is no instance. */
export function templateOf(name: UnitName): UnitName | undefined {
  const { prefix, instance, type } = unitNameParts(name);
  if (instance === undefined || instance === '') return undefined;
  return `${prefix}@.${type}` as UnitName; // shorter than the name, of the same characters
}

/** The instance of a template, `instance` taken as it is: escape it first where it may hold anything. Throws UNIT_NAME_INVALID. */
export function instanceOf(template: UnitName, instance: string): UnitName {
  const { prefix, type } = unitNameParts(template);
  if (!isTemplate(template)) {
    throw new FleetError('UNIT_NAME_INVALID', `'${template}' is not a template`, {
      hint: "A template's name ends in '@' before its type, as in 'app@.service'.",
      details: { name: template },
    });
  }
  if (instance === '') {
    throw new FleetError('UNIT_NAME_INVALID', `an instance of '${template}' must have a name`, {
      hint: `Name one, as in '${prefix}@1.${type}'.`,
      details: { name: template },
    });
  }
  return checkUnitName(`${prefix}@${instance}.${type}`);
}

function faultOf(text: string): { why: string; hint: string } | undefined {
  if (text === '') return { why: 'it is empty', hint: "Name a unit, such as 'hello.service'." };
  const bytes = Buffer.byteLength(text);
  if (bytes > UNIT_NAME_MAX_BYTES) {
    return {
      why: `it has ${bytes} bytes`,
      hint: `systemd takes at most ${UNIT_NAME_MAX_BYTES}: shorten it.`,
    };
  }
  const dot = text.lastIndexOf('.');
  if (typeOf(text) === undefined) {
    return {
      why: dot === -1 ? 'it has no type' : `'${text.slice(dot + 1)}' is not a unit type`,
      hint: `End it in '.service' or another of systemd's types: ${UNIT_TYPES.join(', ')}; or in one of Quadlet's: ${QUADLET_TYPES.join(', ')}.`,
    };
  }
  const wrong = /[^0-9A-Za-z:_.\\@-]/u.exec(text);
  if (wrong !== null) {
    return {
      why: `it has the character '${wrong[0]}'`,
      hint: "Only letters, digits and : - _ . \\ @ are allowed; 'systemd-escape' writes others as \\x and two hex digits.",
    };
  }
  if (dot === 0)
    return { why: 'nothing stands before its type', hint: "Name it, as in 'hello.service'." };
  if (text.startsWith('@'))
    return { why: "it begins with '@'", hint: "Name the template, as in 'app@1.service'." };
  return undefined;
}

const ALL_TYPES: readonly UnitType[] = [...UNIT_TYPES, ...QUADLET_TYPES];

function typeOf(text: string): UnitType | undefined {
  const dot = text.lastIndexOf('.');
  return dot === -1 ? undefined : ALL_TYPES.find((type) => type === text.slice(dot + 1));
}

function shown(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

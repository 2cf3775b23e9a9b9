// What v2 does to one unit, however it was asked: by a request of its own, or by one of several in one.
import { destroyAll } from '../../registry/orphans.ts';
import { notFound, putUnit } from '../../registry/units.ts';
import { checkUnitName, parseUnitName } from '../../unitfile/name.ts';
import type { RouteDeps } from '../call.ts';
import { v2Unit } from '../render.ts';
import type { V2PutUnit, V2Unit } from '../types.ts';
import { fileOfText, refuseActiveTemplate } from '../unit-file.ts';

/** Creates, replaces or changes it. */
export async function putOf(
  deps: RouteDeps,
  asked: V2PutUnit & { readonly name: string },
  signal: AbortSignal,
): Promise<{ readonly status: 200 | 201; readonly unit: V2Unit }> {
  const { text, desiredState, ifHash } = asked;
  const name = checkUnitName(asked.name);
  const file = text === undefined ? undefined : fileOfText(name, text);
  refuseActiveTemplate(name, desiredState);
  const { outcome, unit, revision } = await putUnit(
    deps.registry,
    {
      name,
      requestId: deps.newRequestId(),
      ...(file === undefined ? {} : { file }),
      ...(desiredState === undefined ? {} : { desiredState }),
      ...(ifHash === undefined ? {} : { ifHash }),
    },
    signal,
  );
  const isNew = outcome === 'created' || outcome === 'replaced';
  return { status: isNew ? 201 : 200, unit: { ...v2Unit(unit), revision: revision.toString() } };
}

/** Destroys it, and ends what runs of it unknown to the store. */
export async function destroyOf(
  { registry }: RouteDeps,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { ok: name } = parseUnitName(text);
  if (name === undefined) throw notFound(text);
  await destroyAll(registry, name, signal);
}

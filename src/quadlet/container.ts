// What all runtimes read of [Container] alike.
import type { Draft } from './draft.ts';
import type { Assignment } from './section.ts';

/** The image or the root directory; one of the two must be there, and not both. */
export function imageFields(
  draft: Draft,
): Readonly<{ image: Assignment | undefined; rootfs: Assignment | undefined }> {
  const [image, rootfs] = [textOf(draft, 'Image'), textOf(draft, 'Rootfs')];
  if (image === undefined && rootfs === undefined) {
    const hint = "Write 'Image=' with the name of an image.";
    draft.refuse(undefined, 'no Image or Rootfs key specified', hint);
  } else if (image !== undefined && rootfs !== undefined) {
    const message = 'the Image And Rootfs keys conflict can not be specified together';
    draft.refuse(rootfs.keyAt, message, 'Remove one of the two.');
  }
  for (const each of [image, rootfs])
    if (each?.value.startsWith('-') === true)
      draft.refuse(
        each.at,
        `${each.key}: '${each.value}' would be read as an option`,
        'A name of an image begins with a letter or a digit.',
      );
  return { image, rootfs };
}

function textOf(draft: Draft, key: string): Assignment | undefined {
  const value = draft.section.text(key) ?? '';
  const last = draft.section.last(key);
  return value === '' || last === undefined ? undefined : { ...last, value };
}

/** Says that a short name means another image on another host, depending on its registries.conf. */
export function warnAmbiguousImage(draft: Draft, { value, at }: Assignment): void {
  if (/\.(?:image|build)$/.test(value) || value.includes('%')) return;
  if (/^(?:[a-z0-9+.-]+:\/|sha256:|\/|[0-9a-f]{64}$)/.test(value)) return; // a transport, a digest, an id
  const [registry = '', ...rest] = value.split('/');
  if (rest.length > 0 && (registry === 'localhost' || /[.:]/.test(registry))) return;
  draft.warn(
    at,
    `${value} is not a fully qualified image name: what it means depends on each host's registries`,
    "Begin it with its registry, as in 'registry.example/library/…'.",
  );
}

/** `USER` or `USER:GROUP`. */
export function userArgument(draft: Draft): string | undefined {
  const user = draft.section.text('User') ?? '';
  const group = draft.section.text('Group') ?? '';
  if (user === '' && group !== '') {
    const at = draft.section.last('Group')?.keyAt;
    draft.refuse(at, 'invalid Group set without User', "Write 'User=' too.");
  }
  if (user === '') return undefined;
  return group === '' ? user : `${user}:${group}`;
}

/** `--expose` for each port or range. */
export function exposeArguments(draft: Draft): readonly string[] {
  return draft.section.all('ExposeHostPort').flatMap(({ value, at }) => {
    if (/^\d+(?:-\d+)?(?:\/(?:tcp|udp|sctp))?$/.test(value)) return ['--expose', value];
    draft.refuse(at, `invalid port format '${value}'`, "Write '80', '80-89' or '80/udp'.");
    return [];
  });
}

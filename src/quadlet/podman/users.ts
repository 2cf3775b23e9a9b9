// User namespaces: the keys that podman has now, and the Remap ones that it had before.
import type { Draft } from '../draft.ts';

const MAPPINGS = [
  ['UserNS', '--userns', 'text'],
  ['UIDMap', '--uidmap', 'words'],
  ['GIDMap', '--gidmap', 'words'],
  ['SubUIDMap', '--subuidname', 'text'],
  ['SubGIDMap', '--subgidname', 'text'],
] as const;

const REMAP_KEYS = ['RemapUid', 'RemapGid', 'RemapUsers'] as const;

/** The arguments of the mapping; `RemapUsers=manual` is for what has a user namespace of its own. */
export function userMappings(draft: Draft, manual: 'manual' | 'no manual'): readonly string[] {
  const mapping = MAPPINGS.flatMap(([key, option, form]) => {
    const texts = [draft.section.text(key) ?? ''].filter((text) => text !== '');
    const words = form === 'text' ? texts : draft.words(key);
    return words.flatMap((word) => [option, word]);
  });
  const remap = REMAP_KEYS.map((key) => draft.section.last(key)).find(
    (found) => found !== undefined,
  );
  if (mapping.length === 0) return remapped(draft, manual);
  if (remap !== undefined) {
    draft.refuse(
      remap.keyAt,
      'deprecated Remap keys are set along with explicit mapping keys',
      "Remove the 'Remap…=' keys.",
    );
  }
  return mapping;
}

function remapped(draft: Draft, manual: 'manual' | 'no manual'): readonly string[] {
  const [uids, gids] = [draft.words('RemapUid'), draft.words('RemapGid')];
  const last = draft.section.last('RemapUsers');
  const refuse = (message: string): readonly string[] => {
    const at =
      last?.at ?? (draft.section.last('RemapUid') ?? draft.section.last('RemapGid'))?.keyAt;
    draft.refuse(at, message, "Use 'UserNS=', 'UIDMap=' and 'GIDMap=' instead.");
    return [];
  };
  switch (last?.value ?? '') {
    case '':
      if (uids.length > 0) return refuse('UidMap set without RemapUsers');
      return gids.length > 0 ? refuse('GidMap set without RemapUsers') : [];
    case 'manual':
      if (manual === 'no manual') return refuse('RemapUsers=manual is not supported');
      return [
        ...uids.flatMap((map) => ['--uidmap', map]),
        ...gids.flatMap((map) => ['--gidmap', map]),
      ];
    case 'auto': {
      const size = Number(draft.section.text('RemapUidSize') ?? 0);
      const sizes = size > 0 ? [`size=${size}`] : [];
      const maps = [...prefixed('uidmapping=', uids), ...prefixed('gidmapping=', gids)];
      return ['--userns', withOptions('auto', [...maps, ...sizes])];
    }
    case 'keep-id':
      for (const [name, ids] of [
        ['UID', uids],
        ['GID', gids],
      ] as const)
        if (ids.length > 1)
          refuse(`RemapUsers=keep-id supports only a single value for ${name} mapping`);
      return [
        '--userns',
        withOptions('keep-id', [...prefixed('uid=', uids), ...prefixed('gid=', gids)]),
      ];
    default:
      return refuse(`unsupported RemapUsers option '${last?.value ?? ''}'`);
  }
}

function prefixed(prefix: string, texts: readonly string[]): readonly string[] {
  return texts.map((text) => prefix + text);
}

function withOptions(mode: string, options: readonly string[]): string {
  return options.length === 0 ? mode : `${mode}:${options.join(',')}`;
}

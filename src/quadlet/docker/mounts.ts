// Volumes and mounts that docker can make.
import { cannot } from '../check-keys.ts';
import type { Draft } from '../draft.ts';
import { mountArguments, mountFields } from '../storage.ts';

const VOLUME_OPTIONS =
  /^(?:ro|rw|z|Z|nocopy|shared|slave|private|rshared|rslave|rprivate|cached|delegated|consistent)$/;

/** Refuses options of `Volume=` that only podman has. */
export function checkVolumes(draft: Draft): void {
  for (const each of draft.section.all('Volume')) {
    const options = each.value.split(':').slice(2).join(':').split(',');
    const foreign = options.find((option) => option !== '' && !VOLUME_OPTIONS.test(option));
    if (foreign !== undefined) cannot(draft, each, `it has no option '${foreign}' of a volume`);
  }
}

const TYPES = new Set(['bind', 'volume', 'tmpfs']);
const FIELDS = new Set(
  (
    'source src destination dst target readonly ro bind-propagation bind-nonrecursive ' +
    'volume-driver volume-label volume-nocopy volume-opt tmpfs-size tmpfs-mode'
  ).split(' '),
);

/** `--mount` for each mount; types and fields that only podman has are refused. */
export function dockerMounts(draft: Draft): readonly string[] {
  for (const each of draft.section.all('Mount')) {
    for (const mount of draft.wordsOf(each, 'unescape')) {
      const fields = mountFields(draft, mount, each.at);
      if (fields === undefined) continue;
      if (!TYPES.has(fields.type)) cannot(draft, each, `it has no mounts of type '${fields.type}'`);
      const foreign = fields.rest
        .map((field) => field.split('=')[0] ?? '')
        .find((field) => !FIELDS.has(field));
      if (foreign !== undefined) cannot(draft, each, `it has no field '${foreign}' of a mount`);
    }
  }
  return mountArguments(draft);
}

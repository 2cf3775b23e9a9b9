// `.volume` for podman.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { imageOf } from '../references.ts';
import { createOnce, oneshotDefaults, podmanArguments } from './service.ts';

export const PODMAN_VOLUME: KeyRules = {
  UID: ['text', '--uid'],
  GID: ['text', '--gid'],
  Label: ['pairs', '--label'],
  ContainersConfModule: ['own'],
  Copy: ['own'],
  Device: ['own'],
  Driver: ['own'],
  GlobalArgs: ['own'],
  Group: ['own'],
  Image: ['own'],
  Options: ['own'],
  PodmanArgs: ['own'],
  ServiceName: ['own'],
  Type: ['own'],
  User: ['own'],
  VolumeName: ['own'],
};

export function convertVolume(draft: Draft): void {
  const { section } = draft;
  const driver = section.text('Driver');
  const image = section.last('Image');
  if (image !== undefined && driver !== 'image') {
    const hint = "Write 'Driver=image' too.";
    draft.refuse(image.keyAt, "key Image can't be used without the image driver", hint);
  }
  const options = driver === 'image' ? imageOptions(draft) : mountOptions(draft);
  const words = [
    ...(driver === undefined ? [] : ['--driver', driver]),
    ...options.flatMap((option) => ['--opt', option]),
    ...plainArguments(draft, PODMAN_VOLUME),
    ...podmanArguments(draft),
  ];
  const name = resourceNameOf(draft.name, 'volume', section) ?? '';
  draft.service.addCommand('ExecStart', createOnce(draft, 'volume', words, name));
  oneshotDefaults(draft, 'remains');
}

function imageOptions(draft: Draft): readonly string[] {
  for (const key of ['Copy', 'Device', 'Type', 'Options', 'User', 'Group']) {
    const { keyAt } = draft.section.last(key) ?? {};
    if (keyAt === undefined) continue;
    const hint = "Remove it, or 'Driver=image'.";
    draft.refuse(keyAt, `key ${key} can't be used with the image driver`, hint);
  }
  const image = draft.section.text('Image');
  if (image !== undefined)
    return [`image=${imageOf(draft, image, draft.section.last('Image')?.at)}`];
  draft.refuse(
    draft.section.last('Driver')?.keyAt,
    'the key Image is mandatory when using the image driver',
    "Write 'Image=' with the name of an image.",
  );
  return [];
}

/** The options of a volume that is a mount; all that mount(8) takes behind -o is one option. */
export function mountOptions(draft: Draft): readonly string[] {
  const { section } = draft;
  const options: string[] = [];
  const copy = section.boolean('Copy');
  if (copy !== undefined) options.push(copy ? 'copy' : 'nocopy');
  const device = section.text('Device') ?? '';
  const type = section.text('Type') ?? '';
  if (device !== '') options.push(`device=${device}`);
  if (type !== '') options.push(`type=${type}`);
  if (type === 'bind' && device !== '') draft.service.addWord('Unit', 'RequiresMountsFor', device);
  for (const key of ['Type', 'Options']) {
    if (device !== '' || (section.text(key) ?? '') === '') continue;
    const hint = "Write 'Device=' too.";
    draft.refuse(section.last(key)?.keyAt, `key ${key} can't be used without Device`, hint);
  }
  const mount = [idOption(draft, 'User', 'uid'), idOption(draft, 'Group', 'gid')];
  const given = section.text('Options') ?? '';
  const all = [...mount.filter((text) => text !== undefined), ...(given === '' ? [] : [given])];
  return all.length === 0 ? options : [`o=${all.join(',')}`, ...options];
}

/** Only numbers: a name may be another one on each host. */
function idOption(draft: Draft, key: string, option: string): string | undefined {
  const last = draft.section.last(key);
  if (last === undefined) return undefined;
  const text = draft.section.text(key) ?? '';
  if (/^(?:0|[1-9]\d{0,9})$/.test(text) && Number(text) < 2 ** 32 - 1) return `${option}=${text}`;
  draft.refuse(last.at, `${key}: '${text}' is no numeric id`, 'Write a number, such as 1000.');
  return undefined;
}

// `SetWorkingDirectory=`: which directory a service works in, and what an image is built from.
import type { Draft } from './draft.ts';
import { parentOf } from './draft.ts';

/** `[Service] WorkingDirectory=` where the key asks for one and the file has none; answers what a build is told to use. */
export function setWorkingDirectory(draft: Draft, fileKey: 'Yaml' | 'File'): string | undefined {
  const asked = draft.section.text('SetWorkingDirectory') ?? '';
  if (asked === '') return undefined;
  const last = draft.section.last('SetWorkingDirectory');
  const word = asked.toLowerCase();
  const relative = word === 'unit' ? '.' : word === fileKey.toLowerCase() ? undefined : asked;
  if (relative === undefined) {
    const files = draft.section.all(fileKey);
    const [file] = files;
    if (file === undefined) {
      draft.refuse(last?.at, `no ${fileKey} key specified`, `Write '${fileKey}=' too.`);
    } else if (files.length > 1) {
      draft.refuse(
        last?.at,
        `SetWorkingDirectory=${word} is only supported when a single ${fileKey} key is provided`,
        `Leave one '${fileKey}=', or write 'unit'.`,
      );
    } else if (!isUrl(file.value)) setDirectory(draft, parentOf(draft.path(file, file.value)));
    return undefined;
  }
  const isBuild = fileKey === 'File';
  if (word !== 'unit' && !isBuild) {
    const message = `unsupported value for WorkingDirectory: ${asked}`;
    draft.refuse(last?.at, message, "Write 'yaml' or 'unit'.");
    return undefined;
  }
  if (isUrl(asked)) return asked;
  if (asked.startsWith('/')) return asked;
  // A relative context is taken from where the file lies.
  setDirectory(draft, draft.path(last, '.'));
  return word === 'unit' ? undefined : asked;
}

/** Whether what is built from is fetched: `http:`, `https:`, `git:` and what lies on github.com. */
export function isUrl(text: string): boolean {
  return /^(?:(?:https?|git):\/\/|github\.com\/.)/.test(text);
}

function setDirectory(draft: Draft, directory: string): void {
  if ((draft.service.last('Service', 'WorkingDirectory') ?? '') !== '') return;
  draft.service.add('Service', 'WorkingDirectory', directory);
}

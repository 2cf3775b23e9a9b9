// `.build` for podman.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { volumeArguments } from '../storage.ts';
import { isUrl, setWorkingDirectory } from '../working-directory.ts';
import { networkArguments } from './network-use.ts';
import { oneshotDefaults, podman, podmanArguments } from './service.ts';

export const PODMAN_BUILD: KeyRules = {
  Arch: ['text', '--arch'],
  AuthFile: ['text', '--authfile'],
  Target: ['text', '--target'],
  Variant: ['text', '--variant'],
  Retry: ['text', '--retry'],
  RetryDelay: ['text', '--retry-delay'],
  IgnoreFile: ['text', '--ignorefile'],
  TLSVerify: ['boolean', '--tls-verify'],
  ForceRM: ['boolean', '--force-rm'],
  DNS: ['texts', '--dns'],
  DNSOption: ['texts', '--dns-option'],
  DNSSearch: ['texts', '--dns-search'],
  GroupAdd: ['texts', '--group-add'],
  ImageTag: ['texts', '--tag'],
  BuildArg: ['pairs', '--build-arg'],
  Environment: ['pairs', '--env'],
  Label: ['pairs', '--label'],
  Annotation: ['pairs', '--annotation'],
  Secret: ['arguments', '--secret'],
  ContainersConfModule: ['own'],
  File: ['own'],
  GlobalArgs: ['own'],
  Network: ['own'],
  PodmanArgs: ['own'],
  Pull: ['own'],
  ServiceName: ['own'],
  SetWorkingDirectory: ['own'],
  Volume: ['own'],
};

export function convertBuild(draft: Draft): void {
  const { section } = draft;
  if (section.all('ImageTag').length === 0) {
    const hint = "Write 'ImageTag=' with the image's name.";
    draft.refuse(undefined, 'no ImageTag key specified', hint);
  }
  const pull = section.text('Pull') ?? '';
  const command = podman(draft, 'build');
  if (pull !== '') command.push(`--pull=${pull}`); // with a blank podman takes the policy for the context
  command.push(...plainArguments(draft, PODMAN_BUILD), ...networkArguments(draft));
  command.push(...volumeArguments(draft));
  const { file, context } = buildSources(draft);
  if (file !== undefined) command.push('--file', file);
  command.push(...podmanArguments(draft));
  if (context !== undefined) command.push(context);
  draft.service.addCommand('ExecStart', command);
  oneshotDefaults(draft, 'ends');
}

/** The Containerfile, and the directory or address that it is built in. */
export function buildSources(
  draft: Draft,
): Readonly<{ file: string | undefined; context: string | undefined }> {
  const given = draft.section.text('File') ?? '';
  const file = given === '' ? undefined : given;
  const context = setWorkingDirectory(draft, 'File');
  const directory = draft.service.last('Service', 'WorkingDirectory') ?? '';
  if (context !== undefined) return { file, context };
  if (file === undefined && directory === '') {
    draft.refuse(
      undefined,
      'neither SetWorkingDirectory, nor File key specified',
      'Write one of the two, or both.',
    );
  }
  if (file !== undefined && (file.startsWith('/') || isUrl(file)))
    return { file, context: undefined };
  if (file !== undefined && directory === '') {
    draft.refuse(
      draft.section.last('File')?.at,
      'relative path in File key requires SetWorkingDirectory key to be set',
      'Write the whole path, or that key.',
    );
  }
  return { file, context: directory === '' ? undefined : directory };
}

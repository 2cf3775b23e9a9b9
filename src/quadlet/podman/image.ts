// `.image` and `.artifact` for podman: services that pull.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { warnAmbiguousImage } from '../container.ts';
import { oneshotDefaults, podman, podmanArguments } from './service.ts';

const PULLED: KeyRules = {
  AuthFile: ['text', '--authfile'],
  CertDir: ['text', '--cert-dir'],
  Creds: ['text', '--creds'],
  DecryptionKey: ['text', '--decryption-key'],
  Retry: ['text', '--retry'],
  RetryDelay: ['text', '--retry-delay'],
  TLSVerify: ['boolean', '--tls-verify'],
  ContainersConfModule: ['own'],
  GlobalArgs: ['own'],
  PodmanArgs: ['own'],
  ServiceName: ['own'],
};

export const PODMAN_IMAGE: KeyRules = {
  ...PULLED,
  Arch: ['text', '--arch'],
  OS: ['text', '--os'],
  Variant: ['text', '--variant'],
  Policy: ['text', '--policy'],
  AllTags: ['boolean', '--all-tags'],
  Image: ['own'],
  ImageTag: ['own'],
};

export const PODMAN_ARTIFACT: KeyRules = {
  ...PULLED,
  Quiet: ['boolean', '--quiet'],
  Artifact: ['own'],
};

export function convertImage(draft: Draft): void {
  pull(draft, 'image', 'Image', PODMAN_IMAGE);
  const image = draft.section.last('Image');
  if (image !== undefined && image.value !== '') warnAmbiguousImage(draft, image);
}

export function convertArtifact(draft: Draft): void {
  pull(draft, 'artifact', 'Artifact', PODMAN_ARTIFACT);
}

function pull(draft: Draft, noun: string, key: string, rules: KeyRules): void {
  const source = draft.section.text(key) ?? '';
  if (source === '') {
    const hint = `Write '${key}=' with the name of what is pulled.`;
    draft.refuse(undefined, `no ${key} key specified`, hint);
  }
  draft.service.addCommand('ExecStart', [
    ...podman(draft, noun, 'pull'),
    ...plainArguments(draft, rules),
    ...podmanArguments(draft),
    source,
  ]);
  oneshotDefaults(draft, 'remains');
}

// What the services of podman's files have in common: command, kill mode, environment, type.
import { unlessThere } from '../create-once.ts';
import type { Draft } from '../draft.ts';

/** The beginning of a podman command: modules and arguments that stand before the verb. */
export function podman(draft: Draft, ...words: readonly string[]): string[] {
  const modules = draft.section.all('ContainersConfModule').map(({ value }) => `--module=${value}`);
  return [draft.host.program, ...modules, ...draft.arguments('GlobalArgs'), ...words];
}

/** `podman NOUN create`, which leaves what is there as it is: by an option that podman has from 4.4 on, before by looking first. */
export function createOnce(
  draft: Draft,
  noun: 'volume' | 'network',
  words: readonly string[],
  name: string,
): readonly string[] {
  const [major = 0, minor = 0] = (draft.host.version ?? '5').split('.').map(Number);
  if (major > 4 || (major === 4 && minor >= 4))
    return [...podman(draft, noun, 'create', '--ignore'), ...words, name];
  const look = [draft.host.program, noun, 'exists', name] as const;
  return unlessThere(look, [...podman(draft, noun, 'create'), ...words, name]);
}

/** Arguments for podman that no key stands for, as they are. */
export function podmanArguments(draft: Draft): readonly string[] {
  return draft.arguments('PodmanArgs');
}

/** What containers and pods of podman need of systemd; both run conmon, which must be able to clean up. */
export function runDefaults(draft: Draft): void {
  const { service } = draft;
  service.add('Service', 'Environment', 'PODMAN_SYSTEMD_UNIT=%n'); // for podman-auto-update(1)
  const killMode = service.last('Service', 'KillMode');
  if (killMode === undefined) service.add('Service', 'KillMode', 'mixed');
  else if (killMode !== 'mixed' && killMode !== 'control-group') {
    draft.refuse(
      undefined,
      `invalid KillMode '${killMode}'`,
      "Remove it from [Service], or write 'mixed' or 'control-group'.",
    );
  }
  service.setDefault('Service', 'SyslogIdentifier', '%N');
}

/** The type that [Service] asks for; refused where it is none of `allowed`. */
export function serviceType(draft: Draft, allowed: readonly string[]): string | undefined {
  const type = draft.service.last('Service', 'Type');
  if (type !== undefined && !allowed.includes(type)) {
    const hint = `Remove it from [Service], or write ${allowed.map((word) => `'${word}'`).join(' or ')}.`;
    draft.refuse(undefined, `invalid service Type '${type}'`, hint);
  }
  return type;
}

/** What a service needs that only sees to it that something is there. */
export function oneshotDefaults(draft: Draft, remain: 'remains' | 'ends'): void {
  const { service } = draft;
  service.setDefault('Service', 'SyslogIdentifier', '%N');
  service.setDefault('Service', 'Type', 'oneshot');
  if (remain === 'remains') service.setDefault('Service', 'RemainAfterExit', 'yes');
}

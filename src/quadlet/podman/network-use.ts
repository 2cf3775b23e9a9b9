// `Network=`: a mode, a network by its name, a `.network` file, or the network of another `.container`.
import { quadletTypeOf } from '../../unitfile/quadlet-name.ts';
import type { Draft } from '../draft.ts';
import { useResource } from '../references.ts';

export function networkArguments(draft: Draft): readonly string[] {
  return draft.section.all('Network').flatMap(({ value, at }) => {
    const colon = value.indexOf(':');
    const [name, options] =
      colon === -1 ? [value, ''] : [value.slice(0, colon), value.slice(colon)];
    const kind = quadletTypeOf(name);
    if (kind !== 'network' && kind !== 'container') return ['--network', value];
    const resource = useResource(draft, name, at) ?? name;
    if (kind === 'network') return ['--network', resource + options];
    if (options !== '') {
      const message = "extra options are not supported when joining another container's network";
      draft.refuse(at, message, `Write 'Network=${name}'.`);
    }
    return ['--network', `container:${resource}`];
  });
}

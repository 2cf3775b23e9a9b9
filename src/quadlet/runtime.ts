// What a runtime brings along: how it converts each kind of file, and which keys it has no word for.
import type { QuadletType } from '../unitfile/name.ts';
import type { Draft } from './draft.ts';
import type { KeyRules } from './keys.ts';

export interface KindConverter {
  /** Every key that the runtime can carry out. */
  readonly keys: KeyRules;
  readonly convert: (draft: Draft) => void;
}

export interface RuntimeRules {
  readonly kinds: Readonly<Partial<Record<QuadletType, KindConverter>>>;
  /** Why it cannot carry out a key, where there is more to say than that it cannot. */
  readonly reasons: Readonly<Record<string, string>>;
  /** What every service of the runtime needs of systemd. */
  readonly prepare: (draft: Draft) => void;
}

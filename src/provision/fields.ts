// Fields that provisioning files share: names, paths, modes, encoded contents. Each is checked text, or says why not.
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { HOST_NAME_MAX_CHARS, PROVISION_CONTENTS_MAX_BYTES } from '../model/limits.ts';
import { UNIT_TYPES } from '../unitfile/name.ts';

/** Text that fits the pattern; `what` goes on behind the key's name. */
export function textLike(pattern: RegExp, what: string): z.ZodString {
  return z.string().regex(pattern, { error: what });
}

/** A name of hostname(7). */
export const hostnameField = textLike(
  new RegExp(
    `^(?=.{1,${HOST_NAME_MAX_CHARS}}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`,
    'i',
  ),
  'must be a host name: letters, digits and -, up to 64 characters',
);

/** A name of useradd(8) or groupadd(8). */
export const accountField = textLike(
  /^[a-z_][a-z0-9_.-]{0,30}$/i,
  'must be a name of a user or group: letters, digits and _ . -, up to 31 characters',
);

/** One line. */
export const lineField = textLike(/^[^\n\r\0]*$/, 'must be one line');

/** What /etc/passwd can hold. */
export const passwdField = textLike(/^[^\n\r\0:]*$/, "must be one line without ':'");

/** A hash of crypt(5), or what locks the account. */
export const passwordHashField = textLike(
  /^(\$[0-9a-z]{1,8}\$[^:\s]+|[!*][^:\s]*|[./0-9A-Za-z]{13})$/i,
  'must be a hash of crypt(5), never the password itself: mkpasswd -m yescrypt',
);

/** A line of ~/.ssh/authorized_keys. */
export const sshKeyField = textLike(
  /^[^\n\r\0#\s][^\n\r\0]{15,}$/,
  'must be a public key of SSH, in one line',
);

/** An absolute path that leads nowhere else. */
export const pathField = z.string().refine(isCleanPath, {
  error: "must be an absolute path without '.', '..' or a '/' at its end",
});

/** Says whether the path is absolute, and written as it is. */
function isCleanPath(path: string): boolean {
  const parts = path.split('/').slice(1);
  return (
    path.startsWith('/') &&
    path.length < 4096 &&
    !path.includes('\0') &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.length < 256)
  );
}

/** A unit's name, or that of a file of systemd-networkd. */
export const hostUnitField = textLike(
  new RegExp(
    `^(?![.@])[0-9A-Za-z:_.\\\\@-]{1,240}\\.(${UNIT_TYPES.join('|')}|network|netdev|link)$`,
  ),
  "must be a unit's name with its type, such as 'web.service'",
);

/** A name of a drop-in. */
export const dropInField = textLike(
  /^[0-9A-Za-z:_@-][0-9A-Za-z:_.@-]{0,240}\.conf$/,
  "must be a drop-in's name, such as '10-more.conf'",
);

/** The bytes that a text stands for; or what is wrong, to go on behind the key's name. */
export function decodeContents(
  text: string,
  encoding: { readonly base64: boolean; readonly gzip: boolean },
): Readonly<{ ok: Uint8Array }> | Readonly<{ ok?: undefined; problem: string }> {
  const raw = encoding.base64 ? fromBase64(text) : Buffer.from(text, 'utf8');
  if (raw === undefined) return { problem: 'is not base64' };
  if (!encoding.gzip) {
    if (raw.length <= PROVISION_CONTENTS_MAX_BYTES) return { ok: raw };
    return { problem: `has more than ${PROVISION_CONTENTS_MAX_BYTES} bytes` };
  }
  try {
    return { ok: gunzipSync(raw, { maxOutputLength: PROVISION_CONTENTS_MAX_BYTES }) };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ERR_BUFFER_TOO_LARGE')
      return { problem: `unpacks to more than ${PROVISION_CONTENTS_MAX_BYTES} bytes` };
    return { problem: 'is not gzip' };
  }
}

function fromBase64(text: string): Buffer | undefined {
  const packed = text.replaceAll(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(packed) || packed.length % 4 === 1) return undefined;
  return Buffer.from(packed, 'base64');
}

// Lists, metadata and addresses as people write them in fleet.conf and in the environment.
import type { Metadata } from '../src/model/machine.ts';

/** A JSON list, or values between commas, with or without quotes and brackets. */
export function splitList(text: string): string[] {
  return text
    .trim()
    .replace(/^\[(.*)\]$/s, '$1')
    .split(',')
    .map(unquoted)
    .filter((part) => part !== '');
}

/** `k=v,k=v`: spaces around '=' and ',' do not count, quotes may stand around all or any part; the last value of a key wins. */
export function splitMetadata(text: string): {
  metadata: Metadata;
  /** Parts that are not key=value. */
  wrong: readonly string[];
} {
  const metadata = new Map<string, string>();
  const wrong: string[] = [];
  for (const part of unquoted(text).split(',')) {
    const pair = unquoted(part);
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const key = unquoted(at < 0 ? '' : pair.slice(0, at));
    const value = unquoted(pair.slice(at + 1));
    if (key === '' || value === '') wrong.push(pair);
    else metadata.set(key, value);
  }
  return { metadata: Object.fromEntries(metadata), wrong };
}

/** Whether etcd could be asked there. */
export function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === 'http:' || protocol === 'https:';
}

/** `10.0.0.1:49153`, `[::1]:49153`, `name:49153`. */
export function isHostAndPort(address: string): boolean {
  const port = /^(?:[^:[\]\s/]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(address)?.[1];
  return port !== undefined && Number(port) > 0 && Number(port) < 65_536;
}

/** Says whether HOST:PORT can be reached from this machine only. */
export function isLoopback(address: string): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+$/.test(address);
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  const first = trimmed[0];
  const isQuoted = trimmed.length >= 2 && (first === '"' || first === "'");
  return isQuoted && trimmed.at(-1) === first && !trimmed.slice(1, -1).includes(first ?? '')
    ? trimmed.slice(1, -1).trim()
    : trimmed;
}

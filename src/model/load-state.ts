// What systemd means by the load states of a unit that it cannot start (org.freedesktop.systemd1(5), LoadState).

/** Those that a unit does not leave by itself: there is nothing to start. */
const FAULTS: ReadonlyMap<string, string> = new Map([
  ['bad-setting', "a setting in its file is wrong or missing ('bad-setting')"],
  ['error', "its file cannot be read ('error')"],
  ['masked', "it is masked ('masked'): a file of its name is empty, or a link to /dev/null"],
]);

/** What is wrong, as a clause after `systemd says that …`; undefined where the unit is loaded, or may yet be. */
export function loadFault(loadState: string): string | undefined {
  return FAULTS.get(loadState);
}

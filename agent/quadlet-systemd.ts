// systemd as the cluster names its units: a Quadlet file by its own name, which systemd knows as the service made of it.
// Invariant: nothing but names is changed on the way.
import type { UnitName } from '../src/model/unit.ts';
import { systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import type { Systemd } from './systemd.ts';

/** The port with the cluster's names. */
export function withQuadletNames(systemd: Systemd): Systemd {
  const all = (names: readonly UnitName[]): readonly UnitName[] => names.map(systemdNameOf);
  return {
    link: (paths, signal) => systemd.link(paths, signal),
    enable: (names, signal) => systemd.enable(all(names), signal),
    disable: (names, signal) => systemd.disable(all(names), signal),
    reload: (signal) => systemd.reload(signal),
    start: (name, signal, check) => systemd.start(systemdNameOf(name), signal, check),
    stop: (name, signal) => systemd.stop(systemdNameOf(name), signal),
    stuckStops: async (names, signal) => {
      const stuck = new Set(await systemd.stuckStops(all(names), signal));
      return names.filter((name) => stuck.has(systemdNameOf(name)));
    },
    stopAhead: (name, signal) => systemd.stopAhead(systemdNameOf(name), signal),
    resetFailed: (name, signal) => systemd.resetFailed(systemdNameOf(name), signal),
    states: async (names, signal) => {
      const states = await systemd.states(all(names), signal);
      return new Map(
        names.flatMap((name) => {
          const state = states.get(systemdNameOf(name));
          return state === undefined ? [] : [[name, state]];
        }),
      );
    },
    properties: (name, signal) => systemd.properties(systemdNameOf(name), signal),
    result: (name, signal) => systemd.result(systemdNameOf(name), signal),
    stopTimeoutMs: (name, signal) => systemd.stopTimeoutMs(systemdNameOf(name), signal),
    setAlarms: (alarms, signal) => systemd.setAlarms(alarms, signal),
    clearAlarms: (names, signal) => systemd.clearAlarms(names, signal),
    alarms: (prefix, signal) => systemd.alarms(prefix, signal),
    isRinging: (prefix, signal) => systemd.isRinging(prefix, signal),
    pendingJob: (name, signal) => systemd.pendingJob(systemdNameOf(name), signal),
    changed: (signal) => systemd.changed(signal),
    close: () => systemd.close(),
  };
}

// Faults that the simulation must find: each is one that somebody could make. `npm run sim -- --mutants` plants them one by one.
import type { Mutant } from './plant.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'fence-dropped',
    fault: "the engine's writes do not compare the leader key",
    file: 'src/registry/commit.ts',
    find: "{ key: fence.key, target: 'create', equals: fence.createRevision },\n          ...compared",
    replace: '...compared',
  },
  {
    name: 'no-relist-after-cut',
    fault: 'a mirror whose watch was cut watches on without a new listing',
    file: 'src/store/mirror.ts',
    find: 'await this.#list(signal);',
    replace: 'if (!this.#synced) await this.#list(signal);\n        else this.#revision += 1000n;',
  },
  {
    name: 'absence-believed-at-once',
    fault: 'a new leader, or one whose store was restored, believes at once that a machine is gone',
    file: 'src/reconcile/absence.ts',
    find: "if (answeredSinceMs === undefined) return { because: 'own-lease', untilMs: undefined };",
    replace: 'if (answeredSinceMs !== undefined) return undefined;',
  },
  {
    name: 'unload-not-idempotent',
    fault: 'a unit whose link systemd has lost already can never be unloaded',
    file: 'agent/apply.ts',
    find: 'const gone = unloads.map(({ unit }) => unit).filter((name) => !running.has(name));',
    replace:
      'const gone = unloads.map(({ unit }) => unit).filter((name) => !running.has(name));\n' +
      "  for (const name of gone) if ((await deps.unitDir.read(name, signal)) === undefined) throw new FleetError('DBUS_CALL_FAILED', 'gone already');",
  },
  {
    name: 'stops-on-missing-key',
    fault: 'the agent stops a unit because its key is not there',
    file: 'agent/host-desired.ts',
    find: '    this.#assignments.delete(parsed.name);\n    const record',
    replace:
      '    const old = this.#assignments.get(parsed.name);\n    this.#assignments.delete(parsed.name);\n    if (kv === undefined && old !== undefined && !old.record.release)\n      return void this.#assignments.set(parsed.name, { record: { ...old.record, release: true }, revision: old.revision });\n    const record',
  },
  {
    name: 'acts-on-active-state',
    fault: 'the agent starts what has failed, instead of each generation once',
    file: 'agent/host-reporter.ts',
    find: '    await this.#settleJobs(signal);\n',
    replace:
      '    await this.#settleJobs(signal);\n' +
      '    for (const [name, { state, done }] of this.#looks)\n' +
      "      if (state.activeState === 'failed' && done.desiredState === 'launched') await this.#deps.systemd.start(name, signal);\n",
  },
  {
    name: 'leave-not-put-aside',
    fault: 'only what could be noted of a leave is known to the next fleetd',
    file: 'agent/apply.ts',
    find: '    if (isLeave) await carriedOut.beginLeave();\n',
    replace: '',
    plan: 'killed-in-a-leave-with-a-full-disk',
  },
  {
    name: 'old-news-believed',
    fault: 'a machine that was given up acts on what was on its way to it before',
    file: 'agent/daemon.ts',
    find: "      if (presence.state === 'cut-off' || (isNew && seen > 0)) host.doubt();\n",
    replace: '',
    plan: 'old-news-behind-a-lost-lease',
  },
  {
    name: 'gone-before-all-is-stopped',
    fault: 'a machine that leaves says that it is gone although it could not stop everything',
    file: 'agent/daemon.ts',
    find: 'if (!isGone)',
    replace: 'if (false as boolean)',
    plan: 'left-before-all-was-stopped',
  },
  {
    name: 'start-behind-a-stop',
    fault: 'a fenced unit is asked to start while it is still being stopped',
    file: 'agent/host.ts',
    find: "activeState === 'deactivating'",
    replace: "activeState === 'never'",
    plan: 'token-from-before-a-stop',
  },
  {
    name: 'lease-of-the-key-not-compared',
    fault: 'the machine’s key counts as ours by its words, whatever lease it hangs on',
    file: 'agent/presence.ts',
    find: 'return found?.value === this.#value() && found.lease === lease;',
    replace: 'return found?.value === this.#value();',
    plan: 'key-under-another-lease',
  },
  {
    name: 'report-before-record',
    fault: 'the store is told of a start before the record of it is on disk',
    file: 'agent/carried-out.ts',
    find: 'await this.#disk.rename(next, this.#isLeaving ? left : this.#path);',
    replace: 'if (this.#records.size < 0) await this.#disk.rename(next, left);',
  },
  {
    name: 'release-skipped',
    fault: 'a unit that must leave a live machine is placed elsewhere at once: start before stop',
    file: 'src/reconcile/engine-decision.ts',
    find: "if (refusal !== undefined) return [releasing(entry, placed, { kind: 'refused', refusal })];",
    replace:
      'if (refusal !== undefined) return decideLost({ picture, filters }, entry, placement, assignment);',
  },
  {
    name: 'placed-compare-dropped',
    fault: 'the engine does not compare the placement that it replaces',
    file: 'src/registry/engine-writes.ts',
    find: '    { key: keys.placed(unit), equals: expected.placed },\n',
    replace: '',
  },
  {
    name: 'brake-off',
    fault: 'nothing holds evictions back when most machines vanish at once',
    file: 'src/reconcile/absence.ts',
    find: 'return vanished >= 2 && vanished * 2 > all;',
    replace: 'return vanished > 1_000 && vanished * 2 > all;',
  },
  {
    name: 'lost-answer-is-failure',
    fault:
      'a write whose answer was lost is decided again without a look at whether it was committed',
    file: 'src/registry/compare-and-set.ts',
    find: '    if (unknown !== undefined && change.committed(unknown.tried, view))\n      return',
    replace: '    if (unknown !== undefined && attempt < 0)\n      return',
    also: { find: '    throw unknown;', replace: '    throw error;' },
    plan: 'refused-though-committed',
  },
  {
    name: 'generation-not-raised',
    fault: 'a replaced unit keeps its generation',
    file: 'src/registry/units.ts',
    find: 'generation: newVersion ? stored.generation + 1 : stored.generation,',
    replace: 'generation: stored.generation,',
  },
  {
    name: 'hand-over-while-it-runs',
    fault: 'the key is handed over as soon as the stop is asked',
    file: 'src/reconcile/host-plan.ts',
    find: "if (done.stopped !== true) return draft.add({ kind: 'stop', unit: name, because });",
    replace:
      "if (done.stopped !== true) {\n      draft.add({ kind: 'stop', unit: name, because });\n      if (assigned !== undefined) draft.add({ kind: 'hand-over', unit: name, because, revision: assigned });\n      return;\n    }",
  },
  {
    name: 'swap-without-stop',
    fault: 'a new version is linked over the running one, which is never stopped',
    file: 'src/reconcile/host-plan.ts',
    find: "    if (launch && done.stopped !== true)\n      return draft.add({ kind: 'stop', unit: done.name, because: 'swap' });\n",
    replace: '',
  },
  {
    name: 'files-collected-too-early',
    fault: 'a unit file is deleted although a unit names it',
    file: 'src/registry/files.ts',
    find: "    ['unit', keys.units],\n",
    replace: '',
  },
  {
    name: 'two-histories',
    fault: 'a host does not wait until all its mirrors are of one history of the store',
    file: 'agent/host.ts',
    find: '    if (!this.#mirrors.agree && !this.#isLeaving) return IDLE_MS;\n',
    replace: '',
    plan: 'mirrors-of-two-histories',
  },
  {
    name: 'stop-not-noted',
    fault: 'a stop is asked before it is noted on the disk',
    file: 'agent/apply.ts',
    find: '  await noteStops(deps, actions);\n',
    replace: '',
    plan: 'leave-interrupted',
  },
  {
    name: 'taken-though-back',
    fault: 'what is taken from an absent machine is not compared with its key',
    file: 'src/registry/engine-writes.ts',
    find: '    write.compares.push(...absences(keys, action));\n',
    replace: '',
    plan: 'taken-from-a-machine-that-is-back',
  },
  {
    name: 'timers-a-ttl-late',
    fault: 'the timers of OnPartition=stop are set one ttl too late',
    file: 'agent/cut-off.ts',
    find: 'const deadlineMs = isRegistered ? leaseMs : this.#deadlineMs;',
    replace: 'const deadlineMs = isRegistered ? leaseMs + lease.ttlMs : this.#deadlineMs;',
  },
  {
    name: 'timers-cleared-first',
    fault: 'the old timers are taken away before the new ones are set',
    file: 'agent/cut-off.ts',
    find: '    await systemd.setAlarms(alarms, signal);\n    await this.#clear(before, signal);\n',
    replace:
      '    await this.#clear(before, signal);\n    await systemd.setAlarms(alarms, signal);\n',
  },
  {
    name: 'timers-forgotten',
    fault:
      'only the timers that this fleetd has set are taken away, not those of the one before it',
    file: 'agent/cut-off.ts',
    find: '    const before = await systemd.alarms(PREFIX, signal);\n',
    replace:
      '    const before = this.#covered.size === 0 ? [] : await systemd.alarms(PREFIX, signal);\n',
  },
  {
    name: 'started-before-its-timer',
    fault:
      'a unit with OnPartition=stop is started at once, and its timers come with the next renewal',
    file: 'agent/cut-off.ts',
    find: '      await this.#renew(signal, name);\n      if (!this.#covered.has(name)) return false;\n',
    replace: '',
    also: {
      find: 'return clock.bootMs() < this.#deadlineMs - leadMs(lease.ttlMs, stopTimeoutMs);',
      replace: 'return clock.bootMs() < lease.deadlineMs() - leadMs(lease.ttlMs, stopTimeoutMs);',
    },
  },
  {
    name: 'end-by-itself-not-seen',
    fault: 'what has ended by itself before a timer rang is taken for stopped by it',
    file: 'agent/cut-off.ts',
    find: 'const hasEnded = down.has(systemdNameOf(name));',
    replace: 'const hasEnded = false;',
  },
  {
    name: 'timer-of-the-version-before',
    fault: 'a version without OnPartition=stop is started under the timers of the one before it',
    file: 'agent/host.ts',
    find: '    if (stopsCutOff !== true) await this.#cutOff.spare(name, signal);\n',
    replace: '',
    also: { find: '      this.#cutOff.unitsChanged();\n', replace: '' },
  },
  {
    name: 'token-of-the-store-alone',
    fault:
      'a fencing token is taken from the store, restored or not, whatever this host has given out',
    file: 'agent/fencing.ts',
    find: 'const least = Math.max(tokens.token, ...generations(starts));',
    replace: 'const least = 0 * Math.max(tokens.token, ...generations(starts));',
    also: {
      find: 'if (tokens.token > 0) await raiseToken(',
      replace: 'if (tokens.token < 0) await raiseToken(',
    },
  },
  {
    name: 'token-taken-twice',
    fault: 'two hosts may take the same fencing token: its key is not compared',
    file: 'src/registry/fence.ts',
    find: '          sameAs(keys.fence, found[0]),\n',
    replace: '',
  },
  {
    name: 'evict-ignored',
    fault: 'what a person has given up is held by the brake and doubted as before',
    file: 'src/reconcile/absence.ts',
    find: 'machine.orderly || machine.evict) return undefined;',
    replace: 'machine.orderly) return undefined;',
    plan: 'evicted-under-the-brake',
  },
  {
    name: 'evicts-the-living',
    fault: 'a machine is marked as given up though its key is there',
    file: 'src/registry/evict.ts',
    find: 'if (machine !== undefined) throw present(id);',
    replace: 'if (machine?.value === undefined && stored?.value === undefined) throw present(id);',
    also: {
      find: "          { key: keys.machine(id), target: 'create', equals: 0n },\n",
      replace: '',
    },
    plan: 'evict-of-one-that-is-back',
  },
  {
    name: 'adopts-what-is-known',
    fault: 'what runs unknown to the store is taken up over a unit of that name',
    file: 'src/registry/orphans.ts',
    find: 'if (stored !== undefined)\n    throw',
    replace: 'if (stored !== undefined && stored.value === undefined)\n    throw',
    also: { find: 'compares: [...unknown(registry, name), ', replace: 'compares: [' },
  },
];

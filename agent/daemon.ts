// fleetd: runs presence, host, engine and API side by side, and ends in good order.
// Invariant: the fault of one part ends that part only; nothing but an orderly leave stops a unit.
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isFleetError } from '../src/model/errors.ts';
import { aborted, TimeoutError, withTimeout } from '../src/runtime/abort.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { VERSION } from '../src/runtime/version.ts';
import { Wake } from '../src/runtime/wake.ts';
import type { Evidence } from '../src/engine/absence-watch.ts';
import { runEngine } from '../src/engine/engine.ts';
import { TERM_THREAD_UNITS } from '../src/model/limits.ts';
import type { Filters } from '../src/scheduler/filters.ts';
import type { Config } from './config.ts';
import { etcdConfig, openParts, type Parts, type PartsOptions } from './daemon-parts.ts';
import { takeListenFds } from './listen-fds.ts';
import { primaryAddress } from './machine-facts.ts';
import { findRuntimes } from './runtimes.ts';
import { shallLeave } from './stop-reason.ts';
import { openTermThread } from './term-thread.ts';
import { spawnTerm } from './threads.ts';

export interface DaemonOptions extends PartsOptions {
  /** Reads the configuration again, for SIGHUP; throws CONFIG_INVALID. */
  readonly readConfig: () => Promise<Config>;
  readonly stop: AbortSignal;
  /** What the engine asks of a machine, where it is not as always: a test breaks one. */
  readonly filters?: Filters;
  /** SIGHUP and SIGUSR1. */
  readonly reload: Wake;
  readonly dump: Wake;
}

/** ms; a part that ended by a fault begins again after this. */
const RESTART_MS = 5_000;
/** ms that a leaving machine tries in all to tell a store that does not answer; and for the first word of it. */
const STORE_PATIENCE_MS = 5_000;
const ANNOUNCE_MS = 1_500;
const CLOSE_MS = 2_000;

/** Runs fleetd until `stop` aborts and all has ended. Throws what keeps it from starting. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const parts = await openParts(options);
  await listen(options, parts);
  await runParts(options, parts);
}

/** The same with parts that are open and listen. */
export async function runParts(options: DaemonOptions, parts: Parts): Promise<void> {
  await new Daemon(options, parts).run(options.stop);
}

class Daemon {
  readonly #options: DaemonOptions;
  readonly #parts: Parts;
  /** Whether the host may run is to be looked at again. */
  readonly #gate = new Wake();
  #isLeaving = false;
  /** The store was not reached for a ttl: the host runs on what its disk says. */
  #isAlone = false;
  #patienceMs = STORE_PATIENCE_MS;

  constructor(options: DaemonOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async run(stop: AbortSignal): Promise<void> {
    const { log } = this.#options;
    const { machine, notifier } = this.#parts;
    const forever = new AbortController();
    await notifier.ready(`machine ${machine}`, forever.signal);
    log.info({ machine, version: VERSION }, 'fleetd started');
    const deciding = new AbortController();
    const loops = this.#loops(forever.signal, deciding.signal);
    await aborted(stop);
    try {
      await this.#end(deciding);
    } finally {
      forever.abort(new Error('fleetd ends'));
      await this.#bounded('loops', loops);
      await this.#close();
    }
    log.info({ machine }, 'fleetd ended');
  }

  /** All loops; `deciding` ends the engine alone. */
  async #loops(signal: AbortSignal, deciding: AbortSignal): Promise<void> {
    const { config } = this.#parts.settings;
    const parts: [string, AbortSignal, (signal: AbortSignal) => Promise<unknown>][] = [
      ['presence', signal, (child) => this.#parts.presence.run(child)],
      ['host', signal, (child) => this.#whileRegistered(child)],
      ['boot', signal, (child) => this.#bootAlone(child)],
      ['follow', signal, (child) => this.#followPresence(child)],
      ['signals', signal, (child) => this.#serveSignals(child)],
      ['watchdog', signal, (child) => this.#watchdog(child)],
    ];
    if (!config.disableEngine) parts.push(['engine', deciding, (child) => this.#engine(child)]);
    await Promise.all(parts.map(([name, until, part]) => this.#supervise(name, until, part)));
  }

  /** A part that ends by a fault is logged once and begins again; the others do not hear of it. */
  async #supervise(
    component: string,
    signal: AbortSignal,
    part: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const { log } = this.#options;
    while (!signal.aborted) {
      try {
        await part(signal);
      } catch (error) {
        if (signal.aborted) return;
        log.error({ component, err: error }, 'a part of fleetd ended by a fault, beginning again');
      }
      await this.#parts.clock.sleep(RESTART_MS, signal).catch(() => undefined);
    }
  }

  /** The host runs while the machine's id is its own, or not known to be another's after a boot alone; and to the end when it leaves. */
  async #whileRegistered(signal: AbortSignal): Promise<void> {
    const { presence, host } = this.#parts;
    const mayRun = (): boolean =>
      this.#isLeaving ||
      presence.unavailable() === undefined ||
      (this.#isAlone && presence.state === 'starting');
    const untilNot = async (child: AbortSignal): Promise<void> => {
      while (mayRun()) await this.#gate.changed(child);
    };
    await this.#settleStops(signal);
    for (;;) {
      while (!mayRun()) await this.#gate.changed(signal);
      await runTogether(signal, [(child) => host.run(child), untilNot]);
    }
  }

  /** Where that fails, what was being stopped is started once more, as if the stop had taken place. */
  async #settleStops(signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.host.settleStops(signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.warn({ err: error }, 'what became of stops is not noted, going on');
    }
  }

  /** A host that does not reach the store for a ttl starts what no other host may run. */
  async #bootAlone(signal: AbortSignal): Promise<void> {
    const { presence, host, clock, settings } = this.#parts;
    if (!this.#isAlone) await clock.sleep(settings.config.agentTtlSec * 1000, signal);
    if (!this.#isAlone && presence.state === 'starting') {
      const { etcdServers } = settings.config;
      this.#options.log.warn(
        { etcdServers },
        'the store is out of reach, starting from the disk what may run',
      );
      this.#isAlone = true;
      host.startFromDisk();
      this.#gate.set();
    }
    await aborted(signal);
  }

  async #followPresence(signal: AbortSignal): Promise<never> {
    const { presence, host } = this.#parts;
    let seen = 0;
    for (;;) {
      await presence.stateChanged(signal);
      this.#gate.set();
      const isNew = presence.registrations !== seen;
      if (isNew) host.registered();
      if (presence.state === 'cut-off' || (isNew && seen > 0)) host.doubt();
      seen = presence.registrations;
    }
  }

  /** The engine decides only where this machine is registered. */
  async #engine(signal: AbortSignal): Promise<void> {
    const { kv, registry, clock, machine, random, presence, host, settings } = this.#parts;
    while (presence.unavailable() !== undefined) await clock.sleep(100, signal);
    const { filters } = this.#options;
    const { config } = settings;
    const log = this.#options.log.child({ component: 'engine' });
    const evidence: Evidence = {
      answeredSince: () => presence.answeredSince(),
      restoredAt: () => host.restoredAtMs,
      reachedAt: (revision) => presence.reachedAt(revision),
      ttlSec: config.agentTtlSec,
    };
    const { keys } = registry;
    const intervalMs = config.engineReconcileIntervalMs;
    const common = { kv, keys, clock, machine, random, log, intervalMs, evidence };
    // An embedded store is this thread's own; and filters of a test do not go to another.
    if (filters !== undefined) return await runEngine({ ...common, filters }, signal);
    if (config.standalone) return await runEngine(common, signal);
    const thread = openTermThread({
      ...common,
      spawn: spawnTerm,
      store: etcdConfig(config),
      keyPrefix: config.etcdKeyPrefix,
      seenRevisions: () => presence.seenRevisions,
      isVerbose: () => settings.config.verbosity > 0,
      fromUnits: TERM_THREAD_UNITS,
    });
    await runEngine({ ...common, thread }, signal);
  }

  async #serveSignals(signal: AbortSignal): Promise<void> {
    const { reload, dump } = this.#options;
    await runTogether(signal, [
      async (child) => {
        for (;;) {
          await reload.changed(child);
          await this.#reload(child);
        }
      },
      async (child) => {
        for (;;) {
          await dump.changed(child);
          this.#options.log.write(`${JSON.stringify(this.#state())}\n`); // stdout has one writer
        }
      },
    ]);
  }

  async #reload(signal: AbortSignal): Promise<void> {
    const { log, readConfig } = this.#options;
    const { settings, notifier, presence, host } = this.#parts;
    log.info({}, 'Reloading configuration');
    await notifier.reloading(signal);
    try {
      const before = settings.config;
      settings.config = await readConfig();
      settings.primaryIp = settings.config.publicIp || (await primaryAddress());
      settings.runtimes = await findRuntimes(log);
      log.setVerbose(settings.config.verbosity > 0);
      for (const key of changedForRestart(before, settings.config))
        log.warn({ key }, 'this key has changed and takes effect when fleetd is restarted');
      presence.update();
      host.reconfigured();
    } catch (error) {
      if (!isFleetError(error, 'CONFIG_INVALID')) throw error;
      log.error({ err: error.message }, 'the configuration is invalid, going on with the old one');
    }
    await notifier.ready(`machine ${this.#parts.machine}`, signal);
  }

  async #watchdog(signal: AbortSignal): Promise<void> {
    const { notifier, clock } = this.#parts;
    for (;;) {
      await clock.sleep(notifier.watchdogMs ?? 3_600_000, signal);
      if (notifier.watchdogMs !== undefined) await notifier.watchdog(signal);
    }
  }

  #state(): object {
    const { machine, presence, settings, host } = this.#parts;
    const { etcdPassword: _secret, ...config } = settings.config;
    return { version: VERSION, machine, presence: presence.state, config, host: host.dump() };
  }

  async #end(deciding: AbortController): Promise<void> {
    const { log, env, pid } = this.#options;
    const { systemd, clock, notifier } = this.#parts;
    const patient = new AbortController().signal;
    const leaves = await shallLeave({ systemd, clock, env, pid });
    log.info({ leaves }, leaves ? 'leaving the cluster' : 'ending; units are left as they are');
    await notifier.stopping(patient);
    deciding.abort(new Error('fleetd ends'));
    if (leaves) await this.#leave(patient);
  }

  /** Announced, units stopped in parallel, each key handed over, then the machine's own key: without it the others start what ran here. */
  async #leave(patient: AbortSignal): Promise<void> {
    const { host, presence } = this.#parts;
    const { log } = this.#options;
    await this.#try('announce', ANNOUNCE_MS, (signal) => presence.announceLeave(signal));
    host.leave((signal) => presence.announceLeave(signal));
    this.#isLeaving = true;
    this.#gate.set();
    const isGone = await host.unitsGone(patient);
    await this.#try('hand over', STORE_PATIENCE_MS, (signal) => host.handedOver(signal));
    if (!isGone)
      return log.error(
        {},
        'units may still run: this machine is gone only when its lease has ended',
      );
    await this.#try('deregister', STORE_PATIENCE_MS, (signal) => presence.leave(signal));
  }

  /** What needs the store is tried for a while: a machine can leave also without it. */
  async #try(
    step: string,
    atMostMs: number,
    work: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const { clock } = this.#parts;
    const began = clock.now();
    try {
      await withTimeout(clock, Math.min(atMostMs, this.#patienceMs), work);
    } catch (error) {
      this.#patienceMs = Math.max(1, this.#patienceMs - (clock.now() - began));
      if (!isFleetError(error) && !(error instanceof TimeoutError)) throw error;
      this.#options.log.warn({ step, err: error.message }, 'the store was not told, going on');
    }
  }

  async #close(): Promise<void> {
    const { api, kv, systemd } = this.#parts;
    try {
      await this.#bounded('api', api.close());
    } finally {
      await systemd.close();
      await kv.close();
    }
  }

  /** A part that does not end must not keep fleetd: until it begins again its machine counts as gone. */
  async #bounded(part: string, work: Promise<unknown>): Promise<void> {
    await withTimeout(this.#parts.clock, CLOSE_MS, async (signal) => {
      await Promise.race([work, aborted(signal)]);
      if (signal.aborted)
        this.#options.log.error({ part }, 'a part does not end, ending without it');
    });
  }
}

/** On the sockets that systemd passed, else on the configured one; and on the addresses asked for. */
async function listen(
  { log, env, pid }: DaemonOptions,
  { api, settings: { config } }: Parts,
): Promise<void> {
  const passed = takeListenFds(env, pid);
  for (const { fd } of passed) await api.listen({ fd });
  if (passed.length === 0) {
    await mkdir(dirname(config.socket), { recursive: true });
    await api.listen({ path: config.socket });
  }
  for (const address of config.listen) {
    const at = address.lastIndexOf(':');
    const host = address.slice(0, at).replaceAll(/[[\]]/g, '');
    await api.listen({ host, port: Number(address.slice(at + 1)) });
  }
  const sockets = passed.length > 0 ? passed.map(({ name }) => name) : [config.socket];
  log.info({ sockets, listen: config.listen }, 'listening');
}

/** Keys of the configuration that only a restart brings into force. */
function changedForRestart(before: Config, after: Config): readonly string[] {
  const live = new Set(['verbosity', 'metadata', 'publicIp']);
  return Object.entries(after)
    .filter(([key, value]) => {
      const old = before[key as keyof Config]; // its own keys
      return !live.has(key) && JSON.stringify(old) !== JSON.stringify(value);
    })
    .map(([key]) => key);
}

// Stops the units that have OnPartition=stop before others may start them: by timers of systemd, which fire also when fleetd is dead or frozen.
// Invariant: at any time the timers that are set are of the last renewal that was confirmed, or of an earlier one.
import { isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import { cutOffTimes, killLeadMs, leadMs, type CutOffUnit } from '../src/reconcile/host-cut-off.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import { systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { Wake } from '../src/runtime/wake.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { CutOffNotes } from './cut-off-notes.ts';
import type { Permits } from './permits.ts';
import type { Alarm, Systemd } from './systemd.ts';

/** What the host knows of its machine's lease. */
export interface LeaseView {
  readonly ttlMs: number;
  /** `Clock.bootMs()` until which this machine is certainly not taken for gone; -Infinity while it is not registered. */
  deadlineMs(): number;
  /** Ends when a renewal was confirmed. One waiter. */
  renewed(signal: AbortSignal): Promise<void>;
}

export interface CutOffDeps {
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly log: Log;
  readonly carriedOut: CarriedOutFile;
  readonly permits: Permits;
  readonly notes: CutOffNotes;
  readonly lease: LeaseView;
  /** The manager is the user's. */
  readonly isUser: boolean;
  /** Units were found stopped: plan again. */
  readonly wakePlan: () => void;
}

/** Begins the name of every alarm of this kind. */
const PREFIX = 'fleet-cut-off-';
/** How the name of an alarm that kills ends. */
const KILL = '-kill';
/** ms between two tries to set alarms. */
const AGAIN_MS = 200;
/** ms between two looks whether the machine was suspended. */
const LOOK_MS = 1_000;
/** ms; what is less is the steps of the clock that goes on in suspend. */
const SLEPT_MS = 100;

/** The alarms of one host. `run` it beside the host's loops. */
export class CutOff {
  readonly #deps: CutOffDeps;
  /** There may be alarms: of this fleetd, or of one before it. */
  #mayBeSet = true;
  /** There are none but those of this fleetd. */
  #isKnown = false;
  /** The units that the alarms are for, and the deadline that they count from. */
  #covered: ReadonlySet<UnitName> = new Set();
  #deadlineMs = -Infinity;
  /** How long the machine had been suspended in all, in ms, when they were set: their clock stands still meanwhile. */
  #asleepMs = 0;
  /** Units whose alarms were taken away: one of those may be at work. */
  readonly #mayRingFor = new Set<UnitName>();
  /** Nor is known of an earlier fleetd's whether one is, or for which units. */
  #mayRingForAny = true;
  #set = 0;
  readonly #changed = new Wake();
  #last: Promise<unknown> = Promise.resolve();
  readonly #stopTimeouts = new Map<UnitName, { hash: string; stopTimeoutMs: number | undefined }>();

  constructor(deps: CutOffDeps) {
    this.#deps = deps;
  }

  /** Sets the alarms anew at each confirmed renewal, until aborted; then they stay as they are. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#deps;
    for (;;) {
      try {
        await this.#inTurn(() => this.#renew(signal));
        await this.#untilNews(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isFleetError(error)) throw error;
        const fields = { code: error.code, err: error.message };
        if (this.#covered.size === 0) log.debug(fields, 'alarms cannot be looked up, trying again');
        else log.error(fields, 'alarms cannot be set, the ones before stay; trying again');
        await clock.sleep(AGAIN_MS, signal);
      }
    }
  }

  /** Units were loaded or taken away: with the last one of its kind the alarms go. */
  unitsChanged(): void {
    const watched = new Set(this.#watched());
    if (watched.size !== this.#covered.size || this.#isOneTooMany(watched)) this.#changed.set();
  }

  /**
   * Before the start of a unit that has not OnPartition=stop: ends when no alarm of a version that had it is left. What the alarms of an
   * earlier fleetd are for is not known: they go with the first renewal, and on a host that is cut off they are waited for. So is one that rings.
   */
  async spare(name: UnitName, signal: AbortSignal): Promise<void> {
    const { systemd, clock } = this.#deps;
    while (!this.#isKnown || this.#covered.has(name)) {
      await this.#inTurn(() => this.#renew(signal));
      // Where the deadline has passed none are set anew: the old ones stay, as behind a suspend, until the next renewal.
      if (this.#isKnown && !this.#covered.has(name)) break;
      if ((await systemd.alarms(PREFIX, signal)).length === 0) break;
      await clock.sleep(AGAIN_MS, signal);
    }
    while (this.#mayRing(name) && (await this.#inTurn(() => this.#rings(name, signal))))
      await clock.sleep(AGAIN_MS, signal);
  }

  #mayRing(name: UnitName): boolean {
    return this.#mayRingForAny || this.#mayRingFor.has(name) || this.#covered.has(name);
  }

  /** Asks only where that is not known yet: one answer serves all that wait their turn. */
  async #rings(name: UnitName, signal: AbortSignal): Promise<boolean> {
    if (!this.#mayRing(name)) return false;
    if (await this.#deps.systemd.isRinging(PREFIX, signal)) return true;
    this.#mayRingFor.delete(name);
    if (this.#isKnown) this.#mayRingForAny = false;
    return false;
  }

  /** Lets systemd start the unit, if there is time and an alarm that stops it; answers whether it does. */
  permit(name: UnitName, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const { permits, systemd } = this.#deps;
      await this.#renew(signal, name);
      if (!this.#covered.has(name)) return false;
      // What rings now has taken the permit away before, and stops the unit behind that.
      if (await systemd.isRinging(PREFIX, signal)) return false;
      this.#mayRingForAny = false;
      const unit = await this.#unit(name, signal);
      return await permits.grant(name, () => this.#isInTime(unit));
    });
  }

  async #untilNews(signal: AbortSignal): Promise<void> {
    await withChildSignal(signal, async (child) => {
      const { clock, lease } = this.#deps;
      const waits = [lease.renewed(child), this.#changed.changed(child)];
      if (this.#covered.size > 0) waits.push(clock.sleep(LOOK_MS, child));
      for (const wait of waits) wait.catch(() => undefined);
      await Promise.race(waits);
    });
    signal.throwIfAborted();
  }

  #isInTime({ stopTimeoutMs }: CutOffUnit): boolean {
    const { clock, lease } = this.#deps;
    return clock.bootMs() < this.#deadlineMs - leadMs(lease.ttlMs, stopTimeoutMs);
  }

  /** Alarms that were set before a suspend ring late by as long. */
  #hasSlept(): boolean {
    return this.#covered.size > 0 && this.#suspendedMs() > this.#asleepMs + SLEPT_MS;
  }

  #suspendedMs(): number {
    return this.#deps.clock.bootMs() - this.#deps.clock.now();
  }

  #isOneTooMany(watched: ReadonlySet<UnitName>): boolean {
    return !this.#covered.isSubsetOf(watched);
  }

  /** Sets alarms for the newest deadline, where there is a newer one, a unit more or one less; then takes the old ones away. */
  async #renew(signal: AbortSignal, starting?: UnitName): Promise<void> {
    const { systemd, lease } = this.#deps;
    const watched = [...this.#watched()].toSorted();
    if (watched.length === 0) return await this.#clearAll(signal);
    const isRegistered = lease.deadlineMs() !== -Infinity;
    const isMore = starting !== undefined && !this.#covered.has(starting);
    const isLess = this.#isOneTooMany(new Set(watched));
    const isNewer = isRegistered && (isMore || lease.deadlineMs() > this.#deadlineMs);
    // Old alarms stay where there is no newer deadline: they are what stops the units.
    if (!isLess && !isNewer && !this.#hasSlept()) return;
    const names = isRegistered ? watched : watched.filter((name) => this.#covered.has(name));
    if (names.length === 0) return await this.#clearAll(signal);
    const units = await Promise.all(names.map((name) => this.#unit(name, signal)));
    // Asked, not remembered: a call that failed half way may have set some, and one that is forgotten would ring.
    const before = await systemd.alarms(PREFIX, signal);
    // Of now: D-Bus may have answered late, and alarms for a deadline of then would ring at once.
    const leaseMs = lease.deadlineMs();
    const deadlineMs = leaseMs === -Infinity ? this.#deadlineMs : leaseMs;
    const asleepMs = this.#suspendedMs();
    const alarms = this.#alarmsFor(deadlineMs, units);
    if (alarms === undefined) return void (this.#asleepMs = asleepMs);
    this.#mayBeSet = true;
    await systemd.setAlarms(alarms, signal);
    this.#asleepMs = asleepMs;
    await this.#clear(before, signal);
    this.#cover(names);
    this.#deadlineMs = deadlineMs;
    await this.#noteStopped();
  }

  async #clearAll(signal: AbortSignal): Promise<void> {
    if (!this.#mayBeSet) return;
    const { systemd } = this.#deps;
    await this.#clear(await systemd.alarms(PREFIX, signal), signal);
    this.#mayBeSet = false;
    this.#cover([]);
    this.#deadlineMs = -Infinity;
    await this.#noteStopped(); // nothing to start again: their notes go
  }

  /** The alarms are for these units from now on. */
  #cover(names: readonly UnitName[]): void {
    for (const name of this.#covered) this.#mayRingFor.add(name);
    this.#covered = new Set(names);
    for (const name of names) this.#mayRingFor.delete(name);
    this.#isKnown = true;
  }

  /** One that kills never stays behind without those that stop: what it ends has its permit still, and nobody would start it again. */
  async #clear(alarms: readonly string[], signal: AbortSignal): Promise<void> {
    const { systemd } = this.#deps;
    const kills = alarms.filter((name) => name.endsWith(KILL));
    await systemd.clearAlarms(kills, signal);
    await systemd.clearAlarms(
      alarms.filter((name) => !kills.includes(name)),
      signal,
    );
  }

  #alarmsFor(deadlineMs: number, units: readonly CutOffUnit[]): readonly Alarm[] | undefined {
    const { clock, lease, permits, notes, isUser } = this.#deps;
    const now = clock.now();
    const leftMs = deadlineMs - clock.bootMs(); // read after `now`: a pause in between only brings the alarms forward
    if (leftMs <= 0) return undefined;
    const { stops, killAtMs } = cutOffTimes({ deadlineMs, ttlMs: lease.ttlMs }, units);
    const at = (timeMs: number): number => now + leftMs - (deadlineMs - timeMs);
    this.#set += 1;
    const name = `${PREFIX}${Math.round(clock.bootMs())}-${this.#set}`;
    const systemctl = ['/bin/systemctl', ...(isUser ? ['--user'] : [])];
    const all = units.map((unit) => systemdNameOf(unit.name));
    return [
      ...stops.map(({ atMs, names }, index) => ({
        name: `${name}-stop-${index}`,
        atMs: at(atMs),
        commands: [
          notes.command(`${name}-stop-${index}`, systemctl, names, permits.directory),
          ['/bin/rm', '-f', '--', ...names.flatMap((unit) => permits.filesOf(unit))],
          [...systemctl, 'stop', '--no-block', '--', ...names.map(systemdNameOf)],
        ],
      })),
      {
        name: `${name}${KILL}`,
        // Behind a suspend all may be past. What is killed before its stop has rung counts as ended by itself.
        atMs: Math.max(at(killAtMs), now + killLeadMs(lease.ttlMs)),
        commands: [[...systemctl, 'kill', '--signal=KILL', '--', ...all]],
      },
    ];
  }

  /**
   * Units whose permit is gone were stopped by an alarm: what still asks for them starts them again. What was down as the alarm rang had
   * ended by itself, and nobody starts it again for that.
   */
  async #noteStopped(): Promise<void> {
    const { carriedOut, permits, notes, clock, wakePlan, log } = this.#deps;
    const down = await notes.down();
    const permitted = new Set<string>();
    let found = 0;
    for (const name of this.#watched()) {
      const done = carriedOut.records.get(name);
      if (await permits.has(name)) {
        permitted.add(systemdNameOf(name));
        continue;
      }
      if (done?.started === undefined || done.ended === true) continue;
      const hasEnded = down.has(systemdNameOf(name));
      if (!hasEnded) log.warn({ unit: name }, 'a unit was stopped because this host was cut off');
      carriedOut.set(hasEnded ? { ...done, ended: true } : asStopped(done));
      found += 1;
    }
    if (found > 0) wakePlan();
    await carriedOut.save();
    await notes.clear(clock.now(), permitted);
  }

  *#watched(): Iterable<UnitName> {
    for (const { name, stopsCutOff } of this.#deps.carriedOut.records.values())
      if (stopsCutOff === true) yield name;
  }

  async #unit(name: UnitName, signal: AbortSignal): Promise<CutOffUnit> {
    const { systemd, carriedOut } = this.#deps;
    const hash = carriedOut.records.get(name)?.hash ?? '';
    const known = this.#stopTimeouts.get(name);
    if (known?.hash === hash) return { name, stopTimeoutMs: known.stopTimeoutMs };
    const stopTimeoutMs = await systemd.stopTimeoutMs(name, signal);
    this.#stopTimeouts.set(name, { hash, stopTimeoutMs });
    return { name, stopTimeoutMs };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function asStopped(done: CarriedOut): CarriedOut {
  const { started: _started, job: _job, result: _result, ...rest } = done;
  return { ...rest, desiredState: 'loaded', stopped: true };
}

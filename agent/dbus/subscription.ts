// What systemd tells by itself: which signals are asked for, what they mean, and what was missed while nobody listened.
// Invariant: only systemd's own signals count, and after a lost connection no unfinished job is forgotten.
import { FleetError } from '../../src/model/errors.ts';
import type { JobResult, SystemdState } from '../../src/model/unit-state.ts';
import type { Bus } from './bus.ts';
import type { JobResults, UnfinishedJob } from './job-results.ts';
import { jobRemoved, jobRows, stateRows, textReply } from './replies.ts';
import { busCall, managerCall, SYSTEMD } from './systemd-calls.ts';
import type { Message } from './wire.ts';

export interface SubscriptionOptions {
  readonly results: JobResults;
  /** The states are worth another look. */
  onChange(): void;
  /** Another systemd has taken the name on the bus: all must be asked for anew. */
  onRestart(): void;
}

const MANAGER = `type='signal',sender='${SYSTEMD}',interface='org.freedesktop.systemd1.Manager'`;
/** No PropertiesChanged: a start has about ten of those (45 µs each). */
const MATCHES = [
  `${MANAGER},member='JobRemoved'`,
  `${MANAGER},member='UnitRemoved'`,
  `${MANAGER},member='Reloading'`,
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${SYSTEMD}'`,
];

/** `prepare()` for each new connection, `onSignal()` for each signal of it. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  /** Units seen in another state than inactive: of the others, UnitRemoved is only the echo of our own asking. */
  readonly #seenActive = new Set<string>();
  /** systemd's unique name on the bus; '' on its private socket; undefined until it is known. */
  #owner: string | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Subscribes, and settles the jobs that ended meanwhile. */
  async prepare(bus: Bus, signal: AbortSignal): Promise<void> {
    this.#owner = bus.private ? '' : undefined;
    if (!bus.private) {
      for (const match of MATCHES) await bus.call(busCall('AddMatch', match), signal);
      const owner = await bus.call(busCall('GetNameOwner', SYSTEMD), signal);
      this.#owner = textReply(owner, 'GetNameOwner');
    }
    await bus.call(managerCall('Subscribe'), signal);
    await this.#settleMissed(bus, signal);
    this.#options.onChange();
  }

  onSignal(message: Message): void {
    const options = this.#options;
    if (this.#owner === undefined) return; // prepare() looks up what is missed now
    if (message.member === 'NameOwnerChanged' && message.sender === 'org.freedesktop.DBus') {
      if (message.body[0] === SYSTEMD) options.onRestart();
      return;
    }
    if (message.interface !== 'org.freedesktop.systemd1.Manager') return;
    if (this.#owner !== '' && message.sender !== this.#owner) return; // anyone may send to our name
    switch (message.member) {
      case 'JobRemoved': {
        const job = jobRemoved(message.body);
        if (job !== undefined) options.results.ended(job.path, job.result);
        options.onChange();
        return;
      }
      case 'UnitRemoved':
        if (this.#seenActive.delete(String(message.body[0]))) options.onChange();
        return;
      case 'Reloading':
        if (message.body[0] === false) options.onChange();
        return;
    }
  }

  /** Remembers whether a unit's removal would be news. */
  sawState(name: string, state: SystemdState): void {
    if (state.activeState === 'inactive') this.#seenActive.delete(name);
    else this.#seenActive.add(name);
  }

  async #settleMissed(bus: Bus, signal: AbortSignal): Promise<void> {
    const { results } = this.#options;
    const unfinished = results.unfinished();
    if (unfinished.length === 0) return;
    const jobs = jobRows(await bus.call(managerCall('ListJobs'), signal), 'ListJobs');
    // A systemd that was restarted counts its jobs from the start again, so the unit must be the same too.
    const gone = unfinished.filter((job) => jobs.get(job.path) !== job.unit);
    if (gone.length === 0) return;
    const call = managerCall('ListUnitsByNames', 'as', [[...new Set(gone.map((job) => job.unit))]]);
    const states = new Map(stateRows(await bus.call(call, signal), call.member));
    for (const job of gone) {
      const result = resultOf(job, states.get(job.unit));
      if (result === undefined) results.lost(job.path, missed(job));
      else results.ended(job.path, result);
    }
  }
}

/** How a job must have ended, given the state after it; undefined where several ways lead there. */
function resultOf(job: UnfinishedJob, state: SystemdState | undefined): JobResult | undefined {
  switch (state?.activeState) {
    case 'active':
      return job.kind === 'start' ? 'done' : undefined;
    case 'failed':
      return job.kind === 'start' ? 'failed' : 'done';
    case 'inactive':
      return job.kind === 'start' ? undefined : 'done'; // a oneshot that ended well is inactive too
    case undefined:
    default:
      return undefined;
  }
}

function missed(job: UnfinishedJob): FleetError {
  return new FleetError(
    'DBUS_CLOSED',
    `how the ${job.kind} of '${job.unit}' ended was missed: the connection to systemd was lost`,
    { hint: `Look at it: systemctl status ${job.unit}.`, details: { unit: job.unit } },
  );
}

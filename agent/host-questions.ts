// What the plan has to know of systemd and of the store before it can act on a unit: asked beside the passes, so that none waits.
// Invariant: an answer that failed is no answer; what could not be read says so until it can be.
import { isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { HostPlan } from '../src/reconcile/host-plan.ts';
import { readFiles } from '../src/registry/files.ts';
import type { Registry } from '../src/registry/registry.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { Wake } from '../src/runtime/wake.ts';
import { sha256Of } from '../src/unitfile/hash.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';

export interface HostQuestionsDeps {
  readonly registry: Registry;
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly log: Log;
  readonly unitDir: UnitDir;
  /** A text that this host has kept on its disk. */
  readonly keptText: (sha256: string) => Promise<string | undefined>;
  /** There are new answers: plan again. */
  readonly answered: () => void;
}

/** ms between two tries of what is refused or cannot be read. */
const AGAIN_MS = 5_000;
/** Slices that are systemd's own although it has no file of them (systemd.special(7)). */
const SLICES_OF_SYSTEMD: ReadonlySet<string> = new Set(['-.slice', 'system.slice']);

/** Questions and answers. */
export class HostQuestions {
  /** Where systemd has a name from: '' for nowhere else. */
  readonly elsewhere = new Map<UnitName, string>();
  readonly texts = new Map<string, string>();
  readonly unreadable = new Set<string>();
  readonly #deps: HostQuestionsDeps;
  readonly #wake = new Wake();
  readonly #names = new Set<UnitName>();
  readonly #files = new Set<string>();

  constructor(deps: HostQuestionsDeps) {
    this.#deps = deps;
  }

  /** What the plan reads of the texts. */
  get textStates(): ReadonlyMap<string, 'at-hand' | 'unreadable'> {
    const states = new Map<string, 'at-hand' | 'unreadable'>();
    for (const sha256 of this.unreadable) states.set(sha256, 'unreadable');
    for (const sha256 of this.texts.keys()) states.set(sha256, 'at-hand');
    return states;
  }

  /** Something that was asked has no answer yet. */
  get isAsking(): boolean {
    return this.#names.size > 0 || this.#files.size > 0;
  }

  /** Notes what a plan asks. */
  ask({ ask }: HostPlan): void {
    for (const name of ask.names) this.#names.add(name);
    for (const sha256 of ask.texts) this.#files.add(sha256);
    if (ask.names.length > 0 || ask.texts.length > 0) this.#wake.set();
  }

  /** Forgets answers that are of no more use: of names that are loaded now, of texts that nobody is to load. */
  forget(loaded: Iterable<UnitName>, wantedTexts: ReadonlySet<string>): void {
    for (const name of loaded) this.elsewhere.delete(name);
    for (const sha256 of this.texts.keys()) if (!wantedTexts.has(sha256)) this.texts.delete(sha256);
    for (const sha256 of this.unreadable)
      if (!wantedTexts.has(sha256)) this.unreadable.delete(sha256);
  }

  /** Answers until aborted. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#deps;
    for (;;) {
      await this.#untilDue(signal);
      try {
        await this.#answer(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isFleetError(error)) throw error;
        log.warn({ code: error.code, err: error.message }, 'a question has no answer, retrying');
        this.#wake.set();
        await clock.sleep(AGAIN_MS / 5, signal);
      }
    }
  }

  /** Ends when there is a question; after a while also where an answer was no. */
  async #untilDue(signal: AbortSignal): Promise<void> {
    await withChildSignal(signal, async (child) => {
      const waits = [this.#wake.changed(child)];
      if (this.unreadable.size > 0 || this.#refused().length > 0)
        waits.push(this.#deps.clock.sleep(AGAIN_MS, child));
      for (const wait of waits) wait.catch(() => undefined);
      await Promise.race(waits);
    });
  }

  #refused(): UnitName[] {
    return [...this.elsewhere].filter(([, path]) => path !== '').map(([name]) => name);
  }

  async #answer(signal: AbortSignal): Promise<void> {
    const { answered } = this.#deps;
    const names = [...this.#names, ...this.#refused()];
    const files = [...this.#files, ...this.unreadable].filter((each) => !this.texts.has(each));
    const kept = await this.#readKept(files);
    const reading = this.#readTexts(
      files.filter((each) => !this.texts.has(each)),
      signal,
    );
    reading.catch(() => undefined); // it is awaited below
    const told = await this.#askSystemd(names, signal);
    for (const name of names) this.#names.delete(name);
    let read = false;
    try {
      read = await reading;
      for (const sha256 of files) this.#files.delete(sha256);
    } finally {
      // Also where the store is away: what needs nothing of it goes on.
      if (kept || told || read) answered();
    }
  }

  async #readKept(files: readonly string[]): Promise<boolean> {
    let changed = false;
    for (const sha256 of files) {
      const text = await this.#deps.keptText(sha256);
      if (text === undefined) continue;
      this.texts.set(sha256, text);
      this.unreadable.delete(sha256);
      changed = true;
    }
    return changed;
  }

  async #askSystemd(names: readonly UnitName[], signal: AbortSignal): Promise<boolean> {
    if (names.length === 0) return false;
    let changed = false;
    const states = await this.#deps.systemd.states(names, signal);
    for (const name of names) {
      const loadState = states.get(name)?.loadState ?? 'not-found';
      const path = loadState === 'not-found' ? '' : await this.#pathOf(name, loadState, signal);
      changed ||= this.elsewhere.get(name) !== path;
      this.elsewhere.set(name, path);
    }
    return changed;
  }

  async #pathOf(name: UnitName, loadState: string, signal: AbortSignal): Promise<string> {
    const found = await this.#deps.systemd.properties(name, signal);
    if (found === undefined || found.loadState === 'not-found') return '';
    const path = found.fragmentPath;
    // systemd makes up any slice that is named; a file only says more of it.
    if (path === '' && name.endsWith('.slice') && !SLICES_OF_SYSTEMD.has(name)) return '';
    if (path === this.#deps.unitDir.path(name)) return '';
    return path === '' ? `systemd itself (${loadState})` : path;
  }

  async #readTexts(files: readonly string[], signal: AbortSignal): Promise<boolean> {
    if (files.length === 0) return false;
    const { registry, log } = this.#deps;
    const found = await readFiles(registry, files, signal);
    let changed = false;
    for (const sha256 of files) {
      const text = found.get(sha256);
      if (text !== undefined && sha256Of(text) === sha256) {
        this.texts.set(sha256, text);
        this.unreadable.delete(sha256);
        changed = true;
      } else if (!this.unreadable.has(sha256)) {
        this.unreadable.add(sha256);
        changed = true;
        log.warn({ sha256, missing: text === undefined }, 'a unit file cannot be read, retrying');
      }
    }
    return changed;
  }
}

// When a machine was last told to leave the cluster, and until when that goes on.

export class Leave {
  /** When it was last told to. */
  atMs = -Infinity;
  /** When the fleetd after that first looked at the units; until then the leave goes on, though its fleetd may be dead. */
  untilMs = -Infinity;
  #isNextThere = false;

  begin(nowMs: number): void {
    this.atMs = nowMs;
    this.untilMs = Infinity;
    this.#isNextThere = false;
  }

  nextStarts(): void {
    this.#isNextThere = true;
  }

  /** Its fleetd has asked systemd how its units are. */
  looked(nowMs: number): void {
    if (this.#isNextThere) this.untilMs = Math.min(this.untilMs, nowMs);
  }
}

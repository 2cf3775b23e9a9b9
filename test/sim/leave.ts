// When a machine was last told to leave the cluster, and until when that goes on.

export class Leave {
  /** When it was last told to. */
  atMs = -Infinity;
  /** When the fleetd after that began; until then the leave goes on, though its fleetd may be dead. */
  untilMs = -Infinity;

  begin(nowMs: number): void {
    this.atMs = nowMs;
    this.untilMs = Infinity;
  }

  nextStarts(nowMs: number): void {
    this.untilMs = Math.min(this.untilMs, nowMs);
  }
}

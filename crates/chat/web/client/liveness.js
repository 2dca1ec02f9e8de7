// Whether anybody is at the other end: asks when it is quiet, and says when nothing comes any more.
// It must never close anything itself.

export const TIMING = {
  /** Quiet for so long, the server is asked whether it is there. */
  quietMs: 15_000,
  /** A question without an answer for so long makes the link a slow one. */
  slowMs: 3000,
  /** For so long, a dead one. */
  deadMs: 10_000,
};

export class Liveness {
  constructor({ clock = Date, timing = TIMING, ping, dead, change }) {
    Object.assign(this, { clock, timing, ping, dead, change });
    this.isSlow = false;
    this.heard();
  }

  heard() {
    this.lastHeard = this.clock.now();
    this.askedAt = null;
    this.#slow(false);
  }

  /** Something was said that will be answered. */
  asked() {
    this.askedAt ??= this.clock.now();
  }

  #slow(isSlow) {
    if (this.isSlow === isSlow) return;
    this.isSlow = isSlow;
    this.change();
  }

  /** To be called every second or so. */
  tick() {
    const now = this.clock.now();
    if (this.askedAt === null && now - this.lastHeard > this.timing.quietMs) {
      this.ping();
      this.asked();
    }
    const waited = this.askedAt === null ? 0 : now - Math.max(this.askedAt, this.lastHeard);
    this.#slow(waited > this.timing.slowMs);
    if (waited > this.timing.deadMs) {
      this.heard();
      this.dead();
    }
  }
}

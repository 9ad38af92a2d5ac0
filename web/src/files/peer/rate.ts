const WINDOW_MS = 3000;

/** How fast something goes, over the last seconds. */
export class Rate {
  #samples: [number, number][] = [];

  add(bytes: number, nowMs = Date.now()) {
    this.#samples.push([nowMs, bytes]);
    this.#drop(nowMs);
  }

  /** Bytes per second. */
  now(nowMs = Date.now()): number {
    this.#drop(nowMs);
    const first = this.#samples[0];
    if (!first) return 0;
    const bytes = this.#samples.reduce((sum, [, count]) => sum + count, 0);
    return Math.round((bytes * 1000) / Math.max(nowMs - first[0], 250));
  }

  #drop(nowMs: number) {
    const kept = this.#samples.findIndex(([at]) => at > nowMs - WINDOW_MS);
    this.#samples.splice(0, kept === -1 ? this.#samples.length : kept);
  }
}

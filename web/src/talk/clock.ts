/** How many readings are kept to choose the best of. */
const READINGS_MAX = 8;

/** This machine's clock, in microseconds since 1970; it does not jump when somebody sets it. */
export function localUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/** How far the server's clock is ahead of ours, from when we asked, were heard, answered, and heard the answer. */
export class Clock {
  #readings: { offsetUs: number; errorUs: number }[] = [];

  /** Takes a reading; the one with the smallest error counts. */
  take(t1: number, t2: number, t3: number, t4: number) {
    this.#readings.push({ offsetUs: (t2 - t1 + (t3 - t4)) / 2, errorUs: (t4 - t1 - (t3 - t2)) / 2 });
    if (this.#readings.length > READINGS_MAX) this.#readings.shift();
  }

  get offsetUs(): number {
    return this.#best?.offsetUs ?? 0;
  }

  /** By how much it may be wrong; `null` before the first reading. */
  get errorUs(): number | null {
    return this.#best?.errorUs ?? null;
  }

  /** The server's time in milliseconds since 1970. */
  nowMs(): number {
    return Math.round((localUs() + this.offsetUs) / 1000);
  }

  get #best() {
    return this.#readings.reduce<{ offsetUs: number; errorUs: number } | undefined>((best, one) => (best && best.errorUs <= one.errorUs ? best : one), undefined);
  }
}

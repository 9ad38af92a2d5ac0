/** Between two questions that nobody asked for by hand, in milliseconds. */
const APART_MS = 1_000;

/** How long to wait so that all that is live on a page asks at most once a second; `freeMs` is when the next question may be put. */
export function gap(wantedMs: number, nowMs: number, freeMs: number): { waitMs: number; freeMs: number } {
  const at = Math.max(nowMs + wantedMs, freeMs);
  return { waitMs: at - nowMs, freeMs: at + APART_MS };
}

import { setTimeout as pause } from 'node:timers/promises';

/** Calls `probe` until it returns something true, and returns that; an error of the probe counts as "not yet". */
export async function eventually(probe, what, withinMs = 10_000) {
  const deadline = performance.now() + withinMs;
  for (;;) {
    let reason;
    try {
      const found = await probe();
      if (found) return found;
      reason = `last value: ${found}`;
    } catch (error) {
      reason = error.message;
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what} (${reason})`);
    await pause(20);
  }
}

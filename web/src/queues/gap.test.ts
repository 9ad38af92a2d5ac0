import { expect, test } from 'vitest';

import { gap } from './gap.ts';

test('a first question waits for its own time alone', () => {
  expect(gap(2_000, 10_000, 0)).toEqual({ waitMs: 2_000, freeMs: 13_000 });
});

test('questions that come due together are a second apart', () => {
  const first = gap(2_000, 10_000, 0);
  const second = gap(2_000, 10_000, first.freeMs);
  expect(second.waitMs - first.waitMs).toBe(1_000);
});

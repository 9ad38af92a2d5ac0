import { expect, test } from 'vitest';

import { duration } from './duration.ts';

test.each([[0, '0 s'], [59, '59 s'], [60, '1 min'], [61, '1 min 1 s'], [3_600, '1 h'], [90_061, '1 d 1 h']])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

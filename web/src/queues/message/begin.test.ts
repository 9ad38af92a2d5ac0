import { expect, test } from 'vitest';

import { offsetOf } from './begin.ts';

test('ends have names', () => expect(offsetOf('first', '', '')).toBe('first'));
test('an offset is a number', () => {
  expect(offsetOf('offset', 12, '')).toBe('12');
  expect(offsetOf('offset', ' 0 ', '')).toBe('0');
  expect(offsetOf('offset', '', '')).toBeUndefined();
  expect(offsetOf('offset', '-1', '')).toBeUndefined();
});
test('a time is in seconds', () => {
  expect(offsetOf('time', '', '1970-01-01T00:01:00.900Z')).toBe('@60');
  expect(offsetOf('time', '', '')).toBeUndefined();
});

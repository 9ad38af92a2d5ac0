import { describe, expect, test } from 'vitest';

import { area, byteCeiling, ceiling, line, summary, thinned } from './shape.ts';

describe('the end of an axis', () => {
  test.each([[0, 1], [Number.NaN, 1], [1, 1], [1.1, 2], [3, 3], [5, 6], [73, 80], [93, 100], [1_200, 2_000]])('%d is below %d', (value, end) => {
    expect(ceiling(value)).toBe(end);
  });
  test('is a power of two for bytes', () => expect(byteCeiling(5_000)).toBe(8_192));
});

describe('a line', () => {
  test('goes from the left to the right, high values up', () => expect(line([0, 5, 10], 10)).toBe('M0 100L50 50L100 0'));
  test('has a gap where nothing is known', () => expect(line([1, null, 1], 1)).toBe('M0 0M100 0'));
  test('stays in its frame', () => expect(line([-5, 20], 10)).toBe('M0 100L100 0'));
  test('of nothing is nothing', () => {
    expect(line([], 1)).toBe('');
    expect(area([], 1)).toBe('');
  });
  test('closes over the ground', () => expect(area([10, 0], 10)).toBe('M0 0L100 100L100 100L0 100Z'));
});

test('a summary leaves gaps out', () => expect(summary([3, null, 7, 5])).toEqual({ last: 5, least: 3, most: 7 }));
test('a summary of nothing is zero', () => expect(summary([])).toEqual({ last: 0, least: 0, most: 0 }));
test('thinning keeps the last one', () => {
  const left = thinned(Array.from({ length: 100 }, (_, index) => index), 10);
  expect(left).toHaveLength(10);
  expect(left.at(-1)).toBe(99);
});

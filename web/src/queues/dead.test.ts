import { expect, test } from 'vitest';

import { lettersFrom, lettersOf } from './dead.ts';

const queue = (name: string, given: Record<string, unknown>) => ({ name, arguments: given });

test('dead letters go where the default exchange brings them', () => {
  expect(lettersOf(queue('a', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }))).toBe('dead');
});

test('behind an exchange of its own the place is not known', () => {
  expect(lettersOf(queue('a', { 'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'dead' }))).toBeUndefined();
  expect(lettersOf(queue('a', {}))).toBeUndefined();
});

test('one queue may hold the letters of several', () => {
  const given = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
  expect(lettersFrom([queue('a', given), queue('b', {}), queue('c', given)])).toEqual(new Map([['dead', ['a', 'c']]]));
});

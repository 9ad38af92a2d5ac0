import { expect, test } from 'vitest';

import { Lost, Refused } from '../talk/protocol.ts';
import { Problem } from './problem.ts';

test('a connection that is lost is a server that does not answer', () => expect(Problem.of(new Lost())).toMatchObject({ kind: 'unreachable', status: 0 }));
test('a refusal of the chat keeps its own words, and says when to come back', () => {
  expect(Problem.of(new Refused('not_member', 'You are not in this room.', 0))).toMatchObject({ kind: 'refused', message: 'You are not in this room.', retryAfterS: undefined });
  expect(Problem.of(new Refused('too_fast', 'Slower, please.', 1_200)).retryAfterS).toBe(2);
});
test('what nobody knows is a mistake of the page', () => expect(Problem.of(new Error('no such thing'))).toMatchObject({ kind: 'mistake', message: 'no such thing' }));
test('a request that went nowhere is a server that does not answer', () => expect(Problem.of(new TypeError('Failed to fetch')).kind).toBe('unreachable'));

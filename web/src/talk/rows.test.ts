import { expect, test } from 'vitest';

import type { Message } from './protocol.ts';
import { merged, rowsOf, type Pending } from './rows.ts';

const NOON = new Date(2026, 5, 1, 12).getTime();
const say = (seq: number, from: string, minutes: number, more: Partial<Message> = {}): Message => ({ id: seq, seq, from, text: `t${seq}`, at_ms: NOON + minutes * 60_000, ...more });
const shape = (messages: Message[], pending: Pending[] = [], unread: number | null = null) =>
  rowsOf(messages, pending, unread, 'ana').map((row) => row.kind + ('isFirst' in row && row.isFirst ? '!' : ''));

test('one sender is named once for what follows closely', () => {
  expect(shape([say(1, 'ana', 0), say(2, 'ana', 1), say(3, 'bob', 1), say(4, 'bob', 9)])).toEqual(['day', 'message!', 'message', 'message!', 'message!']);
});

test('days, answers and the unread line begin anew', () => {
  expect(shape([say(1, 'ana', 0), say(2, 'ana', 1, { reply_to: 1 }), say(3, 'ana', 24 * 60)], [], 3)).toEqual(['day', 'message!', 'message!', 'day', 'unread', 'message!']);
});

test('what waits stands at the end, with its sender', () => {
  const pending: Pending = { sent_id: 'x', room: 'lobby', text: 'hola', action: false, reply_to: null, typed_ms: NOON, state: 'waiting', why: '', tries: 0 };
  expect(shape([say(1, 'ana', 0)], [pending])).toEqual(['day', 'message!', 'pending']);
  expect(shape([say(1, 'bob', 0)], [pending])).toEqual(['day', 'message!', 'pending!']);
});

test('messages are merged by their numbers', () => {
  const seqs = (list: Message[]) => list.map((message) => `${message.seq}${message.text}`);
  const present = [say(2, 'a', 0), say(3, 'a', 0)];
  expect(seqs(merged(present, [say(4, 'a', 0)]))).toEqual(['2t2', '3t3', '4t4']);
  expect(seqs(merged(present, [say(1, 'a', 0), say(3, 'a', 0, { text: 'new' })]))).toEqual(['1t1', '2t2', '3new']);
  expect(merged(present, [])).toEqual(present);
});

import { expect, test } from 'vitest';

import { wishOf } from './wish.ts';

const form = { body: 'hello', contentType: '', isPersistent: true, typed: {}, headers: [] };

test('what is empty is left out', () => {
  expect(wishOf({ ...form, typed: { priority: '', message_id: ' ' } })).toEqual({ body: 'hello', persistent: true });
});

test('numbers are sent as numbers', () => {
  expect(wishOf({ ...form, typed: { priority: 5, ttl_ms: '100' } })).toMatchObject({ priority: 5, ttl_ms: 100 });
});

test('headers have kinds, and need a name', () => {
  const headers = [
    { id: 1, name: 'n', value: '7', kind: 'number' as const },
    { id: 2, name: 'b', value: 'Yes', kind: 'boolean' as const },
    { id: 3, name: 't', value: '7', kind: 'text' as const },
    { id: 4, name: ' ', value: 'lost', kind: 'text' as const },
  ];
  expect(wishOf({ ...form, headers }).headers).toEqual({ n: 7, b: true, t: '7' });
});

test('an empty routing key is a routing key', () => expect(wishOf({ ...form, routingKey: '' })).toHaveProperty('routing_key', ''));

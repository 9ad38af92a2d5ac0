import { expect, test } from 'vitest';

import { cardOf } from './card.ts';

const root = 'ab'.repeat(32);

test('what the server tells of a file is a card', () => {
  expect(cardOf(`a (1).txt (1.5 KiB) chaski:${root}`)).toEqual({ name: 'a (1).txt', size: '1.5 KiB', root, key: null });
  expect(cardOf(`chaski:${root}?key=Zm9v`)).toEqual({ name: '', size: '', root, key: 'Zm9v' });
});

test('everything else is text', () => {
  for (const text of ['hola', `see chaski:${root} there`, `chaski:${root.slice(1)}`, `x (9 KB) chaski:${root}`, `x (9 B) chaski:${root}\nmore`]) expect(cardOf(text), text).toBeNull();
});

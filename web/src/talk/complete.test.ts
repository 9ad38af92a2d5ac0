import { expect, test } from 'vitest';

import { complete, completeWord } from './complete.ts';

const known = { logins: ['ana', 'anibal', 'bob'], rooms: ['lobby', 'café'] };
const texts = (text: string) => complete(text, text.length, known)?.list.map((one) => one.text);

test('commands are found at the beginning alone', () => {
  expect(texts('#c')).toContain('#cR ');
  expect(texts('#')?.length).toBeGreaterThan(20);
  expect(texts('say #c')).toBeUndefined();
  expect(texts('##')).toBeUndefined();
  expect(texts('#help')).toBeUndefined();
});

test('what follows a command is found', () => {
  expect(texts('#gR ca')).toEqual(['café ']);
  expect(texts('#kick @an')).toEqual(['ana ', 'anibal ']);
  expect(texts('#notify m')).toEqual(['mentions ']);
});

test('people are found behind an @', () => {
  expect(texts('hola @an')).toEqual(['@ana ', '@anibal ']);
  expect(texts('mail@an')).toBeUndefined();
  expect(complete('hola @an!', 8, known)).toMatchObject({ from: 5, to: 8 });
});

test('Tab completes a word', () => {
  expect(completeWord('hola bo', 7, known)).toMatchObject({ from: 5, to: 7, list: [{ text: '@bob ' }] });
  expect(completeWord('', 0, known)).toBeNull();
});

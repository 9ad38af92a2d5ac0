import { expect, test } from 'vitest';

import { dump, glimpse, shown } from './body.ts';

test('JSON is laid out', () => {
  expect(shown('{"a":[1]}', 'utf8')).toEqual({ text: '{\n  "a": [\n    1\n  ]\n}', isLaidOut: true, isBinary: false, size: 9 });
});

test.each(['{"a":', 'hello', '', '<script>alert(1)</script>'])('%s stays as it is', (body) => {
  expect(shown(body, 'utf8')).toMatchObject({ text: body, isLaidOut: false });
});

test('the size is that of the bytes, not of the letters', () => expect(shown('ñ', 'utf8').size).toBe(2));

test('bytes are written in hexadecimal beside their letters', () => {
  expect(shown(btoa('Hi\u0000'), 'base64').text).toBe(`000000  48 69 00${' '.repeat(39)}  Hi·`);
});

test('a long body is cut', () => expect(dump(new Uint8Array(5_000)).endsWith('\n…')).toBe(true));

test('a glimpse is one line', () => {
  expect(glimpse('a\n  b', 'utf8')).toBe('a b');
  expect(glimpse('x'.repeat(500), 'utf8', 10)).toBe('xxxxxxxxxx…');
});

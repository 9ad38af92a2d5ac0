import { expect, test } from 'vitest';

import { cardOf } from '../talk/card.ts';
import { isShown, sizeOf } from './kinds.ts';

test('sizes are written as the server writes them, and read as cards', () => {
  const expected: [number, string][] = [[0, '0 B'], [1023, '1023 B'], [1024, '1.0 KiB'], [1536, '1.5 KiB'], [1_048_575, '1023.9 KiB'], [5 * 2 ** 30, '5.0 GiB']];
  for (const [bytes, text] of expected) {
    expect(sizeOf(bytes)).toBe(text);
    expect(cardOf(`a (b).txt (${text}) chaski:${'0'.repeat(64)}`)).toMatchObject({ name: 'a (b).txt', size: text });
  }
});

test('only images without scripts are shown', () => {
  expect(isShown('A Photo.JPG')).toBe('image/jpeg');
  for (const name of ['a.svg', 'a.html', 'png', 'a.png.exe', '', 'a.']) expect(isShown(name), name).toBeNull();
});

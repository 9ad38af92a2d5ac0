import { expect, test } from 'vitest';

import { clientOf } from './client.ts';

test.each([
  ['pika 1.3.2', 'pika 1.3.2'],
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36', 'Chrome 140, Linux'],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0', 'Edge 140, Windows'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15', 'Safari 18, Mac'],
  ['Mozilla/5.0 (something else)', 'Mozilla/5.0 (something else)'],
])('%s is %s', (told, name) => expect(clientOf(told)).toBe(name));

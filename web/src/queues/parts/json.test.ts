import { expect, test } from 'vitest';

import { objectIn } from './json.ts';

test.each([['', {}], ['  ', {}], ['{"a":1}', { a: 1 }]])('%j is an object', (typed, object) => expect(objectIn(typed)).toEqual(object));
test.each(['[]', 'null', '1', '{', 'a=b'])('%s is none', (typed) => expect(objectIn(typed)).toBeUndefined());

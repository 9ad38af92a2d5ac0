import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { GROUP_BYTES, Mismatch, Outline, Shape, Verifier } from './content.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const contentOf = (size: number) => Uint8Array.from({ length: size }, (_, at) => at % 251);

function outlineOf(bytes: Uint8Array): Outline {
  const shape = new Shape(bytes.length);
  const values = new Uint8Array(shape.groups * 32);
  for (let group = 0; group < shape.groups; group++) {
    values.set(shape.hashGroup(group, bytes.subarray(shape.start(group), shape.start(group) + shape.length(group))), group * 32);
  }
  return new Outline(shape, values);
}

const vectors = readFileSync(new URL('../../../../crates/files/src/content/vectors.txt', import.meta.url), 'utf8');

test.each(vectors.trim().split('\n').map((line) => line.split(' ')))('%s bytes have the root and the values that peers find', (size, root, ...values) => {
  const outline = outlineOf(contentOf(Number(size)));
  expect(hex(outline.root)).toBe(root);
  expect(hex(outline.values)).toBe(values.join(''));
});

test('bytes that lie anywhere in memory hash the same', () => {
  const bytes = contentOf(5000);
  const shifted = new Uint8Array(5003).subarray(3);
  shifted.set(bytes);
  expect(outlineOf(shifted).root).toEqual(outlineOf(bytes).root);
});

test('lists and groups are taken when they are what the root says', () => {
  const bytes = contentOf(3 * GROUP_BYTES + 17);
  const { root, shape, top, values } = outlineOf(bytes);
  const verifier = new Verifier(shape, root);
  verifier.takeTop(top);
  verifier.takeSegment(0, values);
  for (let group = 0; group < shape.groups; group++) verifier.checkGroup(group, bytes.slice(shape.start(group), shape.start(group) + shape.length(group)));
});

test('whatever else comes is found out', () => {
  const bytes = contentOf(2 * GROUP_BYTES + 5);
  const { root, shape, values } = outlineOf(bytes);
  const wrong = values.slice();
  wrong[40]! ^= 1;
  const verifier = new Verifier(shape, root);
  expect(() => verifier.takeTop(values.subarray(0, 32))).toThrow(Mismatch);
  expect(() => verifier.takeSegment(0, wrong)).toThrow(Mismatch);
  expect(() => verifier.takeSegment(0, values.subarray(32))).toThrow(Mismatch);
  expect(() => verifier.takeSegment(1, values)).toThrow(Mismatch);
  expect(() => verifier.checkGroup(0, bytes.slice(0, GROUP_BYTES))).toThrow(Mismatch);
  verifier.takeSegment(0, values);
  expect(() => verifier.checkGroup(0, bytes.slice(1, GROUP_BYTES + 1))).toThrow(Mismatch);
  expect(() => verifier.checkGroup(2, bytes.slice(2 * GROUP_BYTES, -1))).toThrow(Mismatch);
  expect(() => verifier.checkGroup(3, new Uint8Array())).toThrow(Mismatch);
  verifier.checkGroup(2, bytes.slice(2 * GROUP_BYTES));
});

test('a content of one group needs no lists', () => {
  const bytes = contentOf(1000);
  const { root, shape, top } = outlineOf(bytes);
  expect(top.length).toBe(0);
  const verifier = new Verifier(shape, root);
  verifier.checkGroup(0, bytes);
  expect(() => verifier.checkGroup(0, bytes.map((byte) => byte ^ 1))).toThrow(Mismatch);
});

test('no content has a size that there is not', () => {
  for (const size of [-1, 1.5, 2 ** 53, 2 ** 44 + 1, Number.NaN]) expect(() => new Shape(size)).toThrow(RangeError);
});

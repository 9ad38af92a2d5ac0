import { expect, test } from 'vitest';

import { Have } from './have.ts';
import * as wire from './wire.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

test('requests have the bytes that protobuf gives them', () => {
  const open = { root: bytes('aa'), ticket: bytes('bbcc'), secret: bytes(''), collection: bytes('') };
  const expected: [wire.Ask, string][] = [
    [{ open }, '080712070a01aa1202bbcc'],
    [{ segment: 0 }, '08071800'],
    [{ segment: 300 }, '080718ac02'],
    [{ groups: { first: 0, count: 16 } }, '080722021010'],
    [{ cancel: { first: 1, count: 1 } }, '08072a0408011001'],
    [{ close: true }, '08073001'],
  ];
  for (const [ask, written] of expected) {
    expect(hex(wire.writeRequest({ content: 7, ask }))).toBe(written);
    expect(wire.readRequest(bytes(written))).toEqual({ content: 7, ask });
  }
});

test('answers are read as they were written', () => {
  const answers: wire.Answer[] = [
    { opened: { size: 2 ** 44, segments: bytes('0102'), have: null } },
    { opened: { size: 0, segments: bytes(''), have: bytes('00') } },
    { segment: { segment: 3, groups: bytes('ff') } },
    { group: { index: 0, data: bytes('00ff') } },
    { refused: { reason: wire.Reason.busy, text: '¡mañana!', retryAfterMs: 500, groups: { first: 4, count: 2 } } },
  ];
  for (const answer of answers) expect(wire.readResponse(wire.writeResponse({ content: 1, answer }))).toEqual({ content: 1, answer });
});

test('offers are read as they were written', () => {
  const offer = { ticket: bytes('01'), root: bytes('02'), name: 'ñ.txt', size: 12, isCollection: false, addresses: [], key: bytes('03'), secret: bytes('04'), total: 12 };
  expect(wire.readOffer(wire.writeOffer(offer))).toEqual(offer);
  for (const state of [{ asking: true }, { fetched: 0 }, { done: true }, { refused: '' }, { already: true }] as wire.OfferState[]) {
    expect(wire.readOfferState(wire.writeOfferState(state))).toEqual(state);
  }
});

test('fields that are not known are left out', () => {
  expect(wire.readRequest(bytes('0807' + '5a0161' + 'f90f' + '0102030405060708' + '18ac02'))).toEqual({ content: 7, ask: { segment: 300 } });
});

test('what is cut or makes no sense is no message', () => {
  for (const wrong of ['08', '1205', '120108', '0fff', '00', '80808080808080808080ff', '18ffffffffffffffffff01', '1801' + '22021', '0b']) {
    expect(() => wire.readRequest(bytes(wrong)), wrong).toThrow();
  }
  // Whatever comes, only one kind of error leaves.
  let seed = 1;
  for (let round = 0; round < 3000; round++) {
    const length = round % 40;
    const noise = Uint8Array.from({ length }, () => (seed = (seed * 48_271) % 0x7fffffff) & 0xff);
    for (const read of [wire.readRequest, wire.readResponse, wire.readOffer, wire.readOfferState]) {
      try {
        read(noise);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(wire.Malformed);
      }
    }
  }
});

test('sets of groups are read in both forms', () => {
  const groups = (have: Have) => Array.from({ length: have.total }, (_, group) => group).filter((group) => have.has(group));
  expect(groups(Have.read(20, Uint8Array.of(0, 2, 3, 1, 2)))).toEqual([2, 3, 4, 6, 7]);
  expect(groups(Have.read(10, Uint8Array.of(1, 0b101, 0b10)))).toEqual([0, 2, 9]);
  const have = Have.read(200, Uint8Array.of(0, 0, 0x82, 1));
  expect([have.count, have.missing(0), have.missing(140), have.isAll]).toEqual([130, 130, 140, false]);
  for (const wrong of [[], [2], [1, 0], [0, 0], [0, 0, 0], [0, 5, 6], [0, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]) expect(() => Have.read(10, Uint8Array.from(wrong))).toThrow();
});

import { expect, test } from 'vitest';

import { History } from './history.ts';
import { Place } from './place.svelte.ts';
import type { Message, SaidOf } from './protocol.ts';

const HEAD = 2_000;

const message = (seq: number): Message => ({ id: String(seq), seq, from: 'ana', text: `number ${seq}`, at_ms: seq });

/** A room of so many messages, as the server gives it in pages. */
function asking(head = HEAD) {
  return ({ before, after, limit = 100 }: { before?: number; after?: number; limit?: number }) => {
    const first = after === undefined ? Math.max(1, Math.min(before ?? head + 1, head + 1) - limit) : after + 1;
    const count = Math.max(0, Math.min(limit, (after === undefined ? Math.min(before ?? head + 1, head + 1) : head + 1) - first));
    const messages = Array.from({ length: count }, (_, index) => message(first + index));
    const more = after === undefined ? first > 1 : first + count <= head;
    return Promise.resolve({ type: 'history', room: 'r', messages, head, more } as unknown as SaidOf<'history'>);
  };
}

test('a jump that comes while a page is fetched has its turn behind it', async () => {
  const [history, place] = [new History(asking()), new Place('r')];
  const begun = history.begin(place);
  await Promise.all([begun, history.around(place, 500)]);
  expect(place.messages.some((one) => one.seq === 500)).toBe(true);
  expect(place.hasNewer).toBe(true);
});

test('whoever reads back loses nothing that they see when all is fetched again', async () => {
  const place = new Place('r');
  await new History(asking(300)).begin(place);
  const seen = place.first;
  place.isFollowing = false;
  await new History(asking(HEAD)).refresh(place);
  expect(place.first).toBe(seen);
  expect(place.hasNewer).toBe(true);
  expect(place.messages.every((one, index, all) => index === 0 || one.seq === (all[index - 1]?.seq ?? 0) + 1)).toBe(true);
});

test('after a long absence the newest is shown, not everything', async () => {
  const place = new Place('r');
  await new History(asking(100)).begin(place);
  let requests = 0;
  const ask = asking(50_000);
  await new History((fields) => {
    requests += 1;
    return ask(fields);
  }).refresh(place);
  expect(place.last).toBe(50_000);
  expect(requests).toBeLessThan(10);
});

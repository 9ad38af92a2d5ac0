import { expect, test } from 'vitest';

import { isSame } from './content.ts';
import { Inbox } from './pipe.ts';
import { answerCall, callPeer, LineError, makeIdentity, MAGIC, type Pipe } from './sealed.ts';

/** Two ends, with what somebody in between does to each piece. */
function pipes(between: (bytes: Uint8Array, from: 'caller' | 'called') => Uint8Array[] = (bytes) => [bytes]): [Pipe, Pipe] {
  const inboxes = [new Inbox(), new Inbox()] as const;
  const end = (own: Inbox, other: Inbox, from: 'caller' | 'called'): Pipe => ({
    write: async (bytes) => between(bytes, from).forEach((piece) => other.push(piece)),
    read: () => own.next(),
    close: () => {
      own.end();
      other.end();
    },
  });
  return [end(inboxes[0], inboxes[1], 'caller'), end(inboxes[1], inboxes[0], 'called')];
}

const identity = await makeIdentity();

async function lines(between?: Parameters<typeof pipes>[0]) {
  const [caller, called] = pipes(between);
  return Promise.all([callPeer(caller, identity.fingerprint), answerCall(called, identity)]);
}

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, at) => at % 253);

test('messages of any length arrive whole, both ways, however they are cut', async () => {
  const cut = (bytes: Uint8Array) => [bytes.slice(0, 1), bytes.slice(1, 3), bytes.slice(3)];
  const [caller, called] = await lines(cut);
  for (const length of [0, 1, 65_512, 65_513, 65_514, 300_000]) {
    void caller.send(bytesOf(length));
    expect(isSame((await called.receive(1 << 20))!, bytesOf(length))).toBe(true);
    void called.send(bytesOf(length));
    expect(isSame((await caller.receive(1 << 20))!, bytesOf(length))).toBe(true);
  }
  caller.close();
  expect(await called.receive(10)).toBeNull();
  called.close();
});

test('what passes tells nothing of what is said', async () => {
  const passed: Uint8Array[] = [];
  const [caller, called] = await lines((bytes) => (passed.push(bytes), [bytes]));
  await caller.send(new TextEncoder().encode('a very secret sentence'));
  expect(Buffer.concat(passed).includes('secret sentence')).toBe(false);
  expect(passed[0]!.slice(0, MAGIC.length)).toEqual(MAGIC);
  caller.close();
  called.close();
});

test('nobody else answers for a peer', async () => {
  const [caller, called] = pipes();
  const [call, answered] = await Promise.allSettled([callPeer(caller, identity.fingerprint), answerCall(called, await makeIdentity())]);
  expect(call).toMatchObject({ status: 'rejected', reason: { kind: 'stranger' } });
  if (answered.status === 'fulfilled') answered.value.close();
});

test('whoever passes the handshake on cannot change it', async () => {
  // Every part of what is said first, in either direction: keys, public key, signature.
  for (const [from, at] of [['caller', 20], ['called', 30], ['called', 120], ['called', 200]] as const) {
    let isFirst = true;
    const between = (bytes: Uint8Array, by: string) => {
      if (by !== from || !isFirst) return [bytes];
      isFirst = false;
      const changed = bytes.slice();
      changed[at]! ^= 1;
      return [changed];
    };
    const [caller, called] = pipes(between);
    const [call, answer] = await Promise.allSettled([callPeer(caller, identity.fingerprint), answerCall(called, identity)]);
    expect(call.status, `${from} ${at}`).toBe('rejected');
    if (answer.status === 'fulfilled') answer.value.close();
  }
});

test('a frame that is changed, doubled, left out or cut ends the line', async () => {
  const ways: ((bytes: Uint8Array, number: number) => Uint8Array[])[] = [
    (bytes, number) => (number === 1 ? [bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))] : [bytes]),
    (bytes, number) => (number === 1 ? [bytes, bytes] : [bytes]),
    (bytes, number) => (number === 1 ? [] : [bytes]),
    (bytes, number) => (number === 1 ? [bytes.slice(0, -1), Uint8Array.of(0, 3)] : [bytes]),
  ];
  for (const way of ways) {
    let number = 0;
    const [caller, called] = await lines((bytes, from) => (from === 'caller' && bytes[0] !== MAGIC[0] ? way(bytes, ++number) : [bytes]));
    for (let count = 0; count < 3; count++) await caller.send(bytesOf(100));
    const heard = async () => {
      for (let count = 0; count < 4; count++) await called.receive(1000);
    };
    await expect(heard()).rejects.toThrow(LineError);
    caller.close();
    called.close();
  }
});

test('a message that is longer than it may be is not read', async () => {
  const [caller, called] = await lines();
  await caller.send(bytesOf(5000));
  await expect(called.receive(4999)).rejects.toMatchObject({ kind: 'forged' });
  caller.close();
  called.close();
});

test('what is no sealed line is hung up on', async () => {
  const greetings = [bytesOf(200), Uint8Array.of(0x16, 3, 1, 2, 0), MAGIC, new Uint8Array([...MAGIC, 4, ...new Uint8Array(64)])];
  for (const greeting of greetings) {
    const [stranger, called] = pipes();
    const answering = answerCall(called, identity);
    await stranger.write(greeting);
    stranger.close();
    await expect(answering).rejects.toThrow(LineError);
  }
});

test('a peer that answers with TLS is told from one that is not there', async () => {
  const [caller, called] = pipes();
  const calling = callPeer(caller, identity.fingerprint);
  await called.read();
  // An alert, and then nothing more.
  await called.write(Uint8Array.of(0x15, 3, 3, 0, 2, 2, 70, ...new Uint8Array(60)));
  await expect(calling).rejects.toMatchObject({ kind: 'foreign' });
});

import { expect, test } from 'vitest';

import { joined } from './sealed.ts';
import { ticketKey, verifyTicket } from './ticket.ts';

const peer = new Uint8Array(32).fill(1);
const root = new Uint8Array(32).fill(2);
const NOW = 1_750_000_000_000;
const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
const keys = [await ticketKey(7, new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)))];

async function signed(change: (body: Uint8Array, view: DataView) => void = () => {}): Promise<Uint8Array> {
  const body = joined(new Uint8Array(23), peer, root, Uint8Array.of(3), new TextEncoder().encode('ana'));
  const view = new DataView(body.buffer);
  view.setUint8(0, 1);
  view.setUint32(1, 7, true);
  view.setBigUint64(7, BigInt(NOW - 1000), true);
  view.setBigUint64(15, BigInt(NOW + 1000), true);
  change(body, view);
  const signature = await crypto.subtle.sign('Ed25519', pair.privateKey, joined(new TextEncoder().encode('chaski-ticket'), body));
  return joined(body, new Uint8Array(signature));
}

const check = (ticket: Uint8Array, nowMs = NOW) => verifyTicket(ticket, keys, { peer, root, right: 'fetch' }, nowMs);

test('a ticket of the server opens what it is for', async () => {
  expect(await check(await signed())).toBe('ana');
});

test('nothing else does', async () => {
  const cases: [string, (body: Uint8Array, view: DataView) => void][] = [
    ['version', (_, view) => view.setUint8(0, 2)],
    ['not known', (_, view) => view.setUint32(1, 8, true)],
    ['permit', (_, view) => view.setUint8(5, 1)],
    ['another content', (_, view) => view.setUint8(6, 1)],
    ['clocks', (_, view) => view.setBigUint64(7, BigInt(NOW + 60_000), true)],
    ['expired', (_, view) => view.setBigUint64(15, BigInt(NOW), true)],
    ['another peer', (body) => body.fill(9, 23, 55)],
    ['another content', (body) => body.fill(9, 55, 87)],
    ['damaged', (body) => body.fill(9, 87, 88)],
  ];
  for (const [why, change] of cases) await expect(check(await signed(change)), why).rejects.toThrow(why);
  const forged = await signed();
  forged[24]! ^= 1;
  await expect(check(forged)).rejects.toThrow('forged');
  for (const length of [0, 64, 120, 700]) await expect(check(new Uint8Array(length))).rejects.toThrow();
});

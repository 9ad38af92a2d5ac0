import { joined } from './sealed.ts';
import { isSame } from './content.ts';

/** A key with which the server signs tickets. */
export interface TicketKey {
  id: number;
  key: CryptoKey;
}

/** What a ticket must be for. */
export interface Wanted {
  peer: Uint8Array;
  root: Uint8Array;
  right: 'fetch' | 'put';
}

const CONTEXT = new TextEncoder().encode('chaski-ticket');
const SIGNATURE_BYTES = 64;
const TICKET_BYTES_MAX = 7 + 16 + 32 + 256 + 256 + SIGNATURE_BYTES;
/** How far this machine's idea of the server's time may be behind it. */
const TOLERANCE_MS = 30_000;

export class Denied extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Denied';
  }
}

/** Takes a public key of the server's. Browsers of before 2025 lack Ed25519. */
export async function ticketKey(id: number, key: Uint8Array): Promise<TicketKey> {
  return { id, key: await crypto.subtle.importKey('raw', key as Uint8Array<ArrayBuffer>, 'Ed25519', false, ['verify']) };
}

/** Checks what somebody showed; tells the login of whose it is. The shape of a ticket is that of `crates/files`. */
export async function verifyTicket(bytes: Uint8Array, keys: TicketKey[], wanted: Wanted, nowMs: number): Promise<string> {
  const malformed = () => new Denied('the ticket is damaged, or of another version');
  if (bytes.length > TICKET_BYTES_MAX || bytes.length < SIGNATURE_BYTES + 58) throw malformed();
  const body = bytes.slice(0, -SIGNATURE_BYTES);
  const view = new DataView(body.buffer);
  if (view.getUint8(0) !== 1) throw malformed();
  const key = keys.find(({ id }) => id === view.getUint32(1, true));
  if (!key) throw new Denied('the ticket is signed by a key that is not known');
  const isSigned = await crypto.subtle.verify('Ed25519', key.key, bytes.slice(-SIGNATURE_BYTES), joined(CONTEXT, body));
  if (!isSigned) throw new Denied('the ticket is forged');
  const [right, scope] = [view.getUint8(5), view.getUint8(6)];
  const [issuedMs, expiresMs] = [Number(view.getBigUint64(7, true)), Number(view.getBigUint64(15, true))];
  if (nowMs >= expiresMs) throw new Denied(`the ticket expired ${nowMs - expiresMs} ms ago`);
  if (issuedMs - nowMs > TOLERANCE_MS) throw new Denied('the ticket begins later: the clocks differ');
  if (!isSame(body.subarray(23, 55), wanted.peer)) throw new Denied('the ticket is for another peer');
  if (right !== (wanted.right === 'fetch' ? 0 : 1)) throw new Denied('the ticket does not permit this');
  // Tickets for all of an account's contents are not honoured here, nor by other peers.
  if (scope !== 0 || body.length < 55 + 32 + 2 || !isSame(body.subarray(55, 87), wanted.root)) throw new Denied('the ticket is for another content');
  const login = body.subarray(88);
  if (login.length === 0 || login.length !== body[87]) throw malformed();
  return new TextDecoder().decode(login);
}

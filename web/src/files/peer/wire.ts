/**
 * The messages of `chaski.v1.PeerService` in their protobuf form: what peers ask each other. Fields that are not known are left out, and
 * nothing that came is believed to be there.
 */

/** What came is no such message. */
export class Malformed extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'Malformed';
  }
}

class Writer {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  #push(part: Uint8Array) {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  #varint(value: number) {
    const out: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      out.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    out.push(rest);
    this.#push(Uint8Array.from(out));
  }

  number(field: number, value: number, isOneof = false): this {
    if (value !== 0 || isOneof) {
      this.#varint(field * 8);
      this.#varint(value);
    }
    return this;
  }

  bytes(field: number, value: Uint8Array, isOneof = false): this {
    if (value.length > 0 || isOneof) {
      this.#varint(field * 8 + 2);
      this.#varint(value.length);
      this.#push(value);
    }
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  end(): Uint8Array {
    const out = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

/** One field of a message: a number, or bytes that lie in the message. */
type Value = number | Uint8Array;

/** Reads the fields of a message; of one that comes again, the last counts, but for `repeated` ones, which the caller gathers. */
function* fieldsOf(message: Uint8Array): Generator<[number, Value]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 10; length++) {
      const byte = message[at++];
      if (byte === undefined) throw new Malformed('a number is cut');
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return value;
    }
    throw new Malformed('a number has no end');
  };
  const take = (length: number) => {
    if (length > message.length - at) throw new Malformed('a field is cut');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    if (field === 0) throw new Malformed('there is no field 0');
    switch (tag % 8) {
      case 0:
        yield [field, varint()];
        break;
      case 1:
        take(8);
        break;
      case 2:
        yield [field, take(varint())];
        break;
      case 5:
        take(4);
        break;
      default:
        throw new Malformed('a field of no known form');
    }
  }
}

/** The fields of a message by their numbers. */
function read(message: Uint8Array): Map<number, Value> {
  return new Map(fieldsOf(message));
}

function number(fields: Map<number, Value>, field: number): number {
  const value = fields.get(field) ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new Malformed(`field ${field} is no number that can be`);
  return value;
}

function bytes(fields: Map<number, Value>, field: number): Uint8Array {
  const value = fields.get(field) ?? new Uint8Array();
  if (typeof value === 'number') throw new Malformed(`field ${field} is a number`);
  return value;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function text(fields: Map<number, Value>, field: number): string {
  try {
    return decoder.decode(bytes(fields, field));
  } catch {
    throw new Malformed(`field ${field} is no text`);
  }
}

/** A run of groups. */
export interface Run {
  first: number;
  count: number;
}

const writeRun = (run: Run) => new Writer().number(1, run.first).number(2, run.count).end();

function readRun(message: Uint8Array): Run {
  const fields = read(message);
  return { first: number(fields, 1), count: number(fields, 2) };
}

/** What is shown so that a content is opened. */
export interface Open {
  root: Uint8Array;
  ticket: Uint8Array;
  secret: Uint8Array;
  collection: Uint8Array;
}

/** What is asked for; one of these. */
export type Ask = { open: Open } | { segment: number } | { groups: Run } | { cancel: Run } | { close: true };

export interface FetchRequest {
  content: number;
  ask: Ask | null;
}

export function writeRequest({ content, ask }: FetchRequest): Uint8Array {
  const out = new Writer().number(1, content);
  if (ask === null) return out.end();
  if ('open' in ask) {
    const { root, ticket, secret, collection } = ask.open;
    out.bytes(2, new Writer().bytes(1, root).bytes(2, ticket).bytes(3, secret).bytes(4, collection).end(), true);
  } else if ('segment' in ask) out.number(3, ask.segment, true);
  else if ('groups' in ask) out.bytes(4, writeRun(ask.groups), true);
  else if ('cancel' in ask) out.bytes(5, writeRun(ask.cancel), true);
  else out.number(6, 1, true);
  return out.end();
}

export function readRequest(message: Uint8Array): FetchRequest {
  let content = 0;
  let ask: Ask | null = null;
  for (const [field, value] of fieldsOf(message)) {
    const one = new Map([[field, value]]);
    if (field === 1) content = number(one, 1);
    else if (field === 2) {
      const open = read(bytes(one, 2));
      ask = { open: { root: bytes(open, 1), ticket: bytes(open, 2), secret: bytes(open, 3), collection: bytes(open, 4) } };
    } else if (field === 3) ask = { segment: number(one, 3) };
    else if (field === 4) ask = { groups: readRun(bytes(one, 4)) };
    else if (field === 5) ask = { cancel: readRun(bytes(one, 5)) };
    else if (field === 6) ask = { close: true };
  }
  return { content, ask };
}

/** Why something cannot be had, as `RefusedReason` numbers it. */
export const Reason = { ticket: 1, notHere: 2, notYet: 3, busy: 4, changed: 5, invalid: 6, disk: 7 } as const;

export interface Refused {
  reason: number;
  text: string;
  retryAfterMs: number;
  groups: Run | null;
}

/** What was asked for; one of these. */
export type Answer =
  | { opened: { size: number; segments: Uint8Array; have: Uint8Array | null } }
  | { segment: { segment: number; groups: Uint8Array } }
  | { group: { index: number; data: Uint8Array } }
  | { refused: Refused };

export interface FetchResponse {
  content: number;
  answer: Answer | null;
}

export function writeResponse({ content, answer }: FetchResponse): Uint8Array {
  const out = new Writer().number(1, content);
  if (answer === null) return out.end();
  if ('opened' in answer) {
    const { size, segments, have } = answer.opened;
    const opened = new Writer().number(1, size).bytes(2, segments);
    if (have) opened.bytes(3, have, true);
    out.bytes(2, opened.end(), true);
  } else if ('segment' in answer) {
    out.bytes(3, new Writer().number(1, answer.segment.segment).bytes(2, answer.segment.groups).end(), true);
  } else if ('group' in answer) {
    out.bytes(4, new Writer().number(1, answer.group.index).bytes(2, answer.group.data).end(), true);
  } else {
    const { reason, text, retryAfterMs, groups } = answer.refused;
    const refused = new Writer().number(1, reason).text(2, text).number(3, retryAfterMs);
    if (groups) refused.bytes(4, writeRun(groups), true);
    out.bytes(5, refused.end(), true);
  }
  return out.end();
}

export function readResponse(message: Uint8Array): FetchResponse {
  let content = 0;
  let answer: Answer | null = null;
  for (const [field, value] of fieldsOf(message)) {
    if (field === 1) {
      content = number(new Map([[1, value]]), 1);
      continue;
    }
    if (field > 5) continue;
    const of = read(bytes(new Map([[field, value]]), field));
    if (field === 2) answer = { opened: { size: number(of, 1), segments: bytes(of, 2), have: of.has(3) ? bytes(of, 3) : null } };
    else if (field === 3) answer = { segment: { segment: number(of, 1), groups: bytes(of, 2) } };
    else if (field === 4) answer = { group: { index: number(of, 1), data: bytes(of, 2) } };
    else {
      const groups = of.has(4) ? readRun(bytes(of, 4)) : null;
      answer = { refused: { reason: number(of, 1), text: text(of, 2), retryAfterMs: number(of, 3), groups } };
    }
  }
  return { content, answer };
}

/** A content that somebody wants to give. */
export interface OfferRequest {
  ticket: Uint8Array;
  root: Uint8Array;
  name: string;
  size: number;
  isCollection: boolean;
  addresses: string[];
  key: Uint8Array;
  secret: Uint8Array;
  total: number;
}

export function writeOffer(offer: OfferRequest): Uint8Array {
  const out = new Writer().bytes(1, offer.ticket).bytes(2, offer.root).text(3, offer.name).number(4, offer.size).number(5, offer.isCollection ? 1 : 0);
  for (const address of offer.addresses) out.text(6, address);
  return out.bytes(7, offer.key).bytes(8, offer.secret).number(9, offer.total).end();
}

export function readOffer(message: Uint8Array): OfferRequest {
  const fields = read(message);
  return {
    ticket: bytes(fields, 1),
    root: bytes(fields, 2),
    name: text(fields, 3),
    size: number(fields, 4),
    isCollection: number(fields, 5) !== 0,
    // A browser has no use for addresses.
    addresses: [],
    key: bytes(fields, 7),
    secret: bytes(fields, 8),
    total: number(fields, 9),
  };
}

/** What became of an offer; one of these. */
export type OfferState = { asking: true } | { fetched: number } | { done: true } | { refused: string } | { already: true };

export function writeOfferState(state: OfferState): Uint8Array {
  const out = new Writer();
  if ('asking' in state) return out.number(1, 1, true).end();
  if ('fetched' in state) return out.number(2, state.fetched, true).end();
  if ('done' in state) return out.number(3, 1, true).end();
  if ('refused' in state) return out.bytes(4, new TextEncoder().encode(state.refused), true).end();
  return out.number(5, 1, true).end();
}

export function readOfferState(message: Uint8Array): OfferState | null {
  const fields = read(message);
  if (fields.has(1)) return { asking: true };
  if (fields.has(2)) return { fetched: number(fields, 2) };
  if (fields.has(3)) return { done: true };
  if (fields.has(4)) return { refused: text(fields, 4) };
  return fields.has(5) ? { already: true } : null;
}

import type { Message } from './protocol.ts';

/** Something that was typed and is not known to be on disk. */
export interface Pending {
  sent_id: string;
  room: string;
  text: string;
  action: boolean;
  reply_to: number | null;
  typed_ms: number;
  /** `waiting` for a connection, `sending`, or refused. */
  state: 'waiting' | 'sending' | 'failed';
  /** Why it was refused. */
  why: string;
  /** How often it was sent again by itself. */
  tries: number;
}

/** What the list of messages shows, from top to bottom. */
export type Row =
  | { kind: 'day'; key: string; at_ms: number }
  | { kind: 'unread'; key: string }
  | { kind: 'message'; key: string; message: Message; isFirst: boolean }
  | { kind: 'pending'; key: string; pending: Pending; isFirst: boolean };

/** Messages of one sender stand together when they are this close. */
const GROUP_MS = 5 * 60_000;

/** Lays out messages: days between them, those of one sender together, and a line above the first unread one. */
export function rowsOf(messages: readonly Message[], pending: readonly Pending[], firstUnread: number | null, own: string): Row[] {
  const rows: Row[] = [];
  let before: { from: string; at_ms: number; isPlain: boolean } | null = null;
  for (const message of messages) {
    const isNewDay = !before || dayOf(before.at_ms) !== dayOf(message.at_ms);
    if (isNewDay) rows.push({ kind: 'day', key: `day ${dayOf(message.at_ms)}`, at_ms: message.at_ms });
    const isUnread = message.seq === firstUnread;
    if (isUnread) rows.push({ kind: 'unread', key: 'unread' });
    const isPlain = !message.action && message.reply_to === undefined;
    const isFirst: boolean = isNewDay || isUnread || !before || !isPlain || !before.isPlain || before.from !== message.from || message.at_ms - before.at_ms > GROUP_MS;
    rows.push({ kind: 'message', key: `m${message.seq}`, message, isFirst });
    before = { from: message.from, at_ms: message.at_ms, isPlain: !message.action };
  }
  for (const one of pending) {
    const isFirst: boolean = !before || before.from !== own || !before.isPlain || one.action || one.reply_to !== null;
    rows.push({ kind: 'pending', key: `p${one.sent_id}`, pending: one, isFirst });
    before = { from: own, at_ms: one.typed_ms, isPlain: !one.action };
  }
  return rows;
}

/** A day of this machine's zone, as a number. */
function dayOf(ms: number): number {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

/** Puts messages among others, by their numbers; of two with one number the second list's counts. */
export function merged(present: readonly Message[], more: readonly Message[]): Message[] {
  const last = present.at(-1);
  const first = more[0];
  if (!first) return [...present];
  if (!last || first.seq > last.seq) return [...present, ...more];
  const bySeq = new Map(present.map((message) => [message.seq, message]));
  for (const message of more) bySeq.set(message.seq, message);
  return [...bySeq.values()].sort((one, other) => one.seq - other.seq);
}

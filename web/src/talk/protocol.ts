/** How present somebody is. */
export type Presence = 'online' | 'idle' | 'away' | 'offline';
/** What one wants to be told of a place. */
export type Level = 'all' | 'mentions' | 'nothing';

/** A message as the server tells it; `room` is a room's name or `@login`. */
export interface Message {
  room?: string;
  id: number;
  seq: number;
  from: string;
  text: string;
  at_ms: number;
  action?: boolean;
  sent_id?: string;
  reply_to?: number;
  mentions?: string[];
  edited_ms?: number;
  deleted_ms?: number;
  reactions?: { emoji: string; logins: string[] }[];
  /** It was said before one listened. */
  history?: boolean;
}

/** A room in a list. */
export interface RoomView {
  room: string;
  topic: string;
  owner?: string;
  keep: boolean;
  default: boolean;
  slow_s: number;
  members: number;
  head: number;
  /** Absent if one was never there. */
  read?: number;
  unread: number;
  mentions: number;
  notify: Level;
  created_ms: number;
}

export interface Member {
  login: string;
  presence: Presence;
}

export interface User extends Member {
  note?: string;
  since_ms?: number;
  rooms?: string[];
}

export interface ConversationView {
  room: string;
  presence: Presence;
  head: number;
  read: number;
  unread: number;
  notify: Level;
  last_ms: number;
}

/** Why somebody is in a room, or not any more. */
export interface Why {
  cause: 'asked' | 'arrived' | 'deleted' | 'creator_gone' | 'kicked' | 'banned';
  by?: string;
  reason?: string;
  until_ms?: number;
  /** It in a sentence, in the account's language. */
  text?: string;
}

export interface Joined extends Why {
  room: string;
  head: number;
  read: number;
  unread: number;
  topic: string;
  owner?: string;
  keep: boolean;
  default: boolean;
  members: number;
  skipped?: number;
}

/** What the server says; what is not listed is ignored. */
export type Said =
  | { type: 'hello'; login: string; version: string; time_ms: number; default_room: string; lang: string; idle_ms: number }
  | ({ type: 'message' | 'changed' | 'mentioned'; room: string } & Message)
  | { type: 'sent'; room: string; id: number; seq: number; at_ms: number; sent_id?: string; duplicate?: boolean }
  | ({ type: 'joined' } & Joined)
  | ({ type: 'left'; room: string } & Why)
  | { type: 'presence'; room: string; joined?: string[]; left?: string[]; changed?: Member[]; members: number }
  | { type: 'typing'; room: string; login: string }
  | { type: 'read'; room: string; read: number; unread: number; mentions: number }
  | { type: 'changed_room'; room: string; by: string; topic?: string; keep?: boolean; slow_s?: number; created?: boolean; deleted?: boolean; banned?: string; unbanned?: string; muted?: string; unmuted?: string }
  | ({ type: 'room' } & RoomView)
  | { type: 'rooms'; rooms: RoomView[] }
  | { type: 'conversations'; conversations: ConversationView[] }
  | { type: 'users'; users: User[] }
  | { type: 'members'; room: string; members: Member[] }
  | { type: 'history'; room: string; messages: Message[]; more: boolean; head: number }
  | { type: 'found'; messages: (Message & { room: string })[]; more: boolean }
  | { type: 'blocked'; logins: string[] }
  | { type: 'time'; t1_us: number; t2_us: number; t3_us: number }
  | { type: 'ok' }
  | { type: 'error'; code: string; text: string; retry_after_ms?: number }
  | { type: 'bye'; cause: 'shutdown' | 'revoked' | 'slow' | 'silent' | 'asked'; text: string };

/** One kind of what the server says. */
export type SaidOf<Type extends Said['type']> = Extract<Said, { type: Type }>;

/** What a client says, and the type of the answer. */
export interface Asks {
  say: [{ room: string; text: string; sent_id: string; reply_to?: number; action?: boolean }, 'sent'];
  join: [{ room: string; after?: number }, 'joined'];
  leave: [{ room: string }, 'ok'];
  create: [{ room: string; keep?: boolean }, 'joined'];
  set: [{ room: string; topic?: string; keep?: boolean; slow_s?: number }, 'room'];
  delete_room: [{ room: string }, 'ok'];
  rooms: [object, 'rooms'];
  conversations: [object, 'conversations'];
  users: [object, 'users'];
  members: [{ room: string }, 'members'];
  history: [{ room: string; before?: number; after?: number; limit?: number }, 'history'];
  search: [{ words: string; room?: string; before?: number; limit?: number }, 'found'];
  edit: [{ room: string; seq: number; text: string }, 'changed'];
  delete: [{ room: string; seq: number }, 'changed'];
  react: [{ room: string; seq: number; emoji: string; off?: boolean }, 'changed'];
  read: [{ room: string; seq: number }, 'ok'];
  notify: [{ room: string; level: Level }, 'ok'];
  typing: [{ room: string }, 'ok'];
  away: [{ note?: string }, 'ok'];
  back: [object, 'ok'];
  kick: [{ room: string; login: string; reason?: string }, 'ok'];
  ban: [{ room: string; login: string; minutes?: number; reason?: string }, 'ok'];
  unban: [{ room: string; login: string }, 'ok'];
  mute: [{ room: string; login: string; minutes?: number; reason?: string }, 'ok'];
  unmute: [{ room: string; login: string }, 'ok'];
  block: [{ login: string }, 'ok'];
  unblock: [{ login: string }, 'ok'];
  blocked: [object, 'blocked'];
  lang: [{ code: string }, 'ok'];
  time: [{ t1_us: number }, 'time'];
}

/** A command that was refused; nothing was done. */
export class Refused extends Error {
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(code: string, text: string, retryAfterMs: number) {
    super(text);
    this.name = 'Refused';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The connection was lost before the answer came: it may have been done or not. */
export class Lost extends Error {
  constructor() {
    super('the connection was lost');
    this.name = 'Lost';
  }
}

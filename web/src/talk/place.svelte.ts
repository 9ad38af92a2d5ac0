import { SvelteMap } from 'svelte/reactivity';

import type { Joined, Level, Member, Message, RoomView } from './protocol.ts';
import { merged, type Pending } from './rows.ts';

/** Messages that are kept, and so are in the document, however long the history is. */
export const WINDOW_MAX = 300;
/** While one reads back, what comes is kept behind the window's end up to this. */
const WINDOW_GROWN_MAX = 2 * WINDOW_MAX;
/** For how long "is typing" holds. */
const TYPING_MS = 5_000;

/** Where one talks: a room, or a private conversation whose name begins with `@`. */
export class Place {
  readonly name: string;
  readonly isPrivate: boolean;
  topic = $state('');
  owner = $state<string | null>(null);
  isKept = $state(false);
  isDefault = $state(false);
  slowS = $state(0);
  memberCount = $state(0);
  notify = $state<Level>('all');
  /** One is in it, and told of what happens there. */
  isJoined = $state(false);

  head = $state(0);
  read = $state(0);
  unread = $state(0);
  mentions = $state(0);
  lastMs = $state(0);
  /** The first message that was unread when one came. */
  firstUnread = $state<number | null>(null);

  /** A part of the history, by its numbers. */
  messages = $state.raw<Message[]>([]);
  isLoaded = $state(false);
  hasOlder = $state(true);
  hasNewer = $state(false);
  isLoading = $state(false);
  problem = $state.raw<unknown>(null);
  /** Its newest message is looked at, and the view goes along with what comes. */
  isFollowing = $state(true);

  pending = $state<Pending[]>([]);
  typing = new SvelteMap<string, number>();
  members = $state.raw<Member[] | null>(null);

  draft = $state('');
  replyTo = $state<Message | null>(null);
  editing = $state<Message | null>(null);

  constructor(name: string) {
    this.name = name;
    this.isPrivate = name.startsWith('@');
  }

  /** The name as it is shown: without the mark of a private conversation. */
  get title(): string {
    return this.isPrivate ? this.name.slice(1) : this.name;
  }

  /** Unread messages that are meant for oneself. */
  get loud(): number {
    if (this.notify === 'nothing') return 0;
    return this.isPrivate ? this.unread : this.mentions;
  }

  /** The newest number that one has without a gap before it. */
  get last(): number {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get first(): number {
    return this.messages[0]?.seq ?? 0;
  }

  take(view: RoomView) {
    this.topic = view.topic;
    this.owner = view.owner ?? null;
    this.isKept = view.keep;
    this.isDefault = view.default;
    this.slowS = view.slow_s;
    this.memberCount = view.members;
    this.notify = view.notify;
    this.head = view.head;
    this.unread = view.unread;
    this.mentions = view.mentions;
    this.read = view.read ?? view.head - view.unread;
  }

  enter(joined: Joined) {
    this.isJoined = true;
    this.topic = joined.topic;
    this.owner = joined.owner ?? null;
    this.isKept = joined.keep;
    this.isDefault = joined.default;
    this.memberCount = joined.members;
    this.head = Math.max(this.head, joined.head);
    this.read = joined.read;
    this.unread = joined.unread;
    if (joined.unread === 0) this.mentions = 0;
  }

  /** Shows a page of the history in place of what was there. */
  show(messages: Message[], head: number, hasOlder: boolean) {
    this.messages = messages;
    this.head = Math.max(this.head, head);
    this.hasOlder = hasOlder;
    this.hasNewer = this.last < this.head && messages.length > 0;
    this.isLoaded = true;
    this.problem = null;
  }

  /** Forgets what is shown, because what is between it and now is not known. */
  forget() {
    this.messages = [];
    this.isLoaded = false;
    this.hasOlder = true;
    this.hasNewer = false;
  }

  prepend(messages: Message[], hasOlder: boolean) {
    const all = merged(messages, this.messages);
    this.hasOlder = hasOlder;
    if (all.length > WINDOW_MAX) this.hasNewer = true;
    this.messages = all.slice(0, WINDOW_MAX);
  }

  append(messages: Message[], hasNewer: boolean) {
    const all = merged(this.messages, messages);
    this.hasNewer = hasNewer;
    if (all.length > WINDOW_MAX) this.hasOlder = true;
    this.messages = all.slice(-WINDOW_MAX);
  }

  /**
   * Takes what was fetched again, and what came since. While one reads back, nothing of what they see goes.
   *
   * Says whether there was no room for all of it.
   */
  renew(messages: Message[], hasNewer: boolean): boolean {
    if (this.isFollowing) {
      this.append(messages, hasNewer);
      return false;
    }
    const all = merged(this.messages, messages);
    const isCut = all.length > WINDOW_GROWN_MAX;
    this.hasNewer = hasNewer || isCut;
    this.messages = all.slice(0, WINDOW_GROWN_MAX);
    return isCut;
  }

  /**
   * Takes a message that was just said. `isFollowing`: its end is looked at, so that the beginning may go.
   *
   * Says whether something between is missing.
   */
  hear(message: Message, isFollowing: boolean): boolean {
    const isNew = message.seq > this.head;
    this.head = Math.max(this.head, message.seq);
    this.lastMs = Math.max(this.lastMs, message.at_ms);
    this.typing.delete(message.from);
    this.settle(message.sent_id);
    if (!this.isLoaded || this.hasNewer) return false;
    const isGap = isNew && this.messages.length > 0 && message.seq > this.last + 1;
    const all = merged(this.messages, [message]);
    if (isFollowing) {
      if (all.length > WINDOW_MAX) this.hasOlder = true;
      this.messages = all.slice(-WINDOW_MAX);
    } else {
      // Somebody reads back: nothing of what they see goes, and the end waits to be fetched.
      if (all.length > WINDOW_GROWN_MAX) this.hasNewer = true;
      this.messages = all.slice(0, WINDOW_GROWN_MAX);
    }
    return isGap;
  }

  /** A message is another one now. */
  change(message: Message) {
    const index = this.messages.findIndex((one) => one.seq === message.seq);
    if (index >= 0) this.messages = this.messages.with(index, message);
  }

  /** What was typed is said. */
  settle(sentId: string | undefined) {
    if (sentId !== undefined && this.pending.some((one) => one.sent_id === sentId)) this.pending = this.pending.filter((one) => one.sent_id !== sentId);
  }

  /** Somebody types; says when that is over. */
  typed(login: string, nowMs: number) {
    this.typing.set(login, nowMs + TYPING_MS);
    setTimeout(() => {
      if ((this.typing.get(login) ?? Infinity) <= nowMs + TYPING_MS) this.typing.delete(login);
    }, TYPING_MS);
  }

  /** Who came, who went, and who is how present. */
  move(joined: string[], left: string[], changed: Member[], count: number) {
    this.memberCount = count;
    if (!this.members) return;
    const byLogin = new Map(this.members.map((member) => [member.login, member]));
    for (const login of joined) byLogin.set(login, { login, presence: 'online' });
    for (const login of left) byLogin.delete(login);
    for (const member of changed) if (byLogin.has(member.login)) byLogin.set(member.login, member);
    // Of many who come at once only some are named: then the list is asked for again.
    this.members = byLogin.size === count ? [...byLogin.values()] : null;
  }
}

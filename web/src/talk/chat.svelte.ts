import { SvelteMap } from 'svelte/reactivity';

import { api } from '../api/client.ts';
import { locale } from '../i18n/language.svelte.ts';
import { alert } from './alerts.ts';
import { Clock, localUs } from './clock.ts';
import { History } from './history.ts';
import { Link } from './link.ts';
import { Memory } from './memory.ts';
import { Outbox } from './outbox.ts';
import { Place } from './place.svelte.ts';
import { Lost, type Asks, type Joined, type Level, type Message, type Presence, type RoomView, type Said, type SaidOf, type User } from './protocol.ts';
import type { Pending } from './rows.ts';
import { told } from './told.ts';

/** For how long a lost connection is nobody's business. */
const OFFLINE_SHOWN_MS = 3_000;
const CLOCK_MS = 60_000;
/** A connection that slept shows within this whether it is still there. */
const AWAKE_MS_MAX = 4_000;
const READINGS_AT_FIRST = 3;
const TYPING_EVERY_MS = 3_000;
const PRESENCE_MS = 60_000;
/** What happens within this is shown together. */
const GATHER_MS = 40;

/** The chat as one account sees it: where it talks, who is there, and how the connection is. */
export class Chat {
  readonly login: string;
  defaultRoom = $state('lobby');
  places = new SvelteMap<string, Place>();
  presence = new SvelteMap<string, Presence>();
  users = $state.raw<User[]>([]);
  current = $state<Place | null>(null);
  /** Messages are looked at: the view is there, and its window has the focus. */
  isLooked = $state(false);
  isOpen = $state(false);
  /** The connection was lost for longer than a moment, and is tried again at this time of `Date.now`. */
  isOfflineShown = $state(false);
  nextAttemptMs = $state(0);
  isAttempting = $state(false);
  /** The lists of rooms and conversations are there. */
  isListed = $state(false);
  isAway = $state(false);

  readonly clock = new Clock();
  readonly memory: Memory;
  readonly outbox: Outbox;
  readonly history: History;
  readonly #link: Link;
  #timers: ReturnType<typeof setInterval>[] = [];
  #offlineTimer: ReturnType<typeof setTimeout> | undefined;
  #typedMs = -Infinity;
  #gathered: Said[] = [];
  #tookMs = -Infinity;
  #stop = new AbortController();

  readonly joined = $derived([...this.places.values()].filter((place) => !place.isPrivate && (place.isJoined || place.mentions > 0)).sort((one, other) => Number(other.isDefault) - Number(one.isDefault) || one.name.localeCompare(other.name)));
  readonly conversations = $derived([...this.places.values()].filter((place) => place.isPrivate).sort((one, other) => other.lastMs - one.lastMs || one.name.localeCompare(other.name)));
  readonly loud = $derived([...this.places.values()].reduce((sum, place) => sum + place.loud, 0));
  readonly logins = $derived([...new Set([...this.users.map((user) => user.login), ...this.conversations.map((place) => place.title)])].filter((login) => login !== this.login).sort());

  constructor(login: string) {
    this.login = login;
    this.memory = new Memory(login);
    this.history = new History((fields) => this.ask('history', fields));
    this.outbox = new Outbox(
      (pending) => this.ask('say', { room: pending.room, text: pending.text, sent_id: pending.sent_id, ...(pending.action ? { action: true } : {}), ...(pending.reply_to === null ? {} : { reply_to: pending.reply_to }) }),
      (name) => this.place(name),
      (pending, sent) => this.#sent(pending, sent),
    );
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#link = new Link(() => `${scheme}//${location.host}/v1/chat?enter=false&lang=${locale.code}`, {
      opened: (hello) => void this.#opened(hello),
      heard: (said) => this.#gather(said),
      lost: (nextMs, cause) => this.#lost(nextMs, cause),
      attempting: () => (this.isAttempting = true),
    });
  }

  start() {
    this.outbox.restore(this.login);
    this.#link.start();
    this.#offlineTimer = setTimeout(() => (this.isOfflineShown = !this.isOpen), OFFLINE_SHOWN_MS);
    const { signal } = this.#stop;
    const look = () => this.#look();
    for (const [target, name] of [[window, 'focus'], [window, 'blur'], [document, 'visibilitychange']] as const) target.addEventListener(name, look, { signal });
    addEventListener('online', () => this.#link.hurry(), { signal });
    // What was typed without a connection goes with the tab.
    addEventListener('beforeunload', (event) => !this.isOpen && this.outbox.list.length > 0 && event.preventDefault(), { signal });
    this.#timers.push(setInterval(() => void this.#readClock(), CLOCK_MS));
    this.#timers.push(setInterval(() => this.isOpen && !document.hidden && void this.listUsers(), PRESENCE_MS));
    this.isLooked = document.hasFocus();
  }

  stop() {
    this.#stop.abort();
    this.#timers.forEach(clearInterval);
    clearTimeout(this.#offlineTimer);
    this.#link.stop();
  }

  ask<Type extends keyof Asks>(type: Type, fields: Asks[Type][0]): Promise<SaidOf<Asks[Type][1]>> {
    return this.#link.ask(type, fields);
  }

  /** Tries to connect now. */
  hurry() {
    this.#link.hurry();
  }

  /** The place of a name; it is made if there was none. */
  place(name: string): Place {
    const key = name.toLowerCase();
    let place = this.places.get(key);
    if (!place) {
      place = new Place(name);
      place.draft = this.memory.drafts[key] ?? '';
      this.places.set(key, place);
    }
    return place;
  }

  /** Goes somewhere: a room is entered, and what was said there is shown. */
  async visit(name: string) {
    const place = this.place(name);
    this.current = place;
    if (!this.isListed) return;
    if (!place.isPrivate && !place.isJoined) {
      try {
        await this.join(place.name);
      } catch (thrown) {
        // The next connection comes here again.
        if (!(thrown instanceof Lost)) place.problem = thrown;
        return;
      }
    }
    if (!place.isLoaded) await this.history.begin(place);
  }

  async join(name: string): Promise<Place> {
    return this.#entered(await this.ask('join', { room: name }));
  }

  async create(name: string, keep: boolean): Promise<Place> {
    return this.#entered(await this.ask('create', { room: name, ...(keep ? { keep } : {}) }));
  }

  async leave(place: Place) {
    await this.ask('leave', { room: place.name });
    this.#forget(place);
  }

  /** All rooms that there are; what one knows of one's own is brought up to date. */
  async listRooms(): Promise<RoomView[]> {
    const { rooms } = await this.ask('rooms', {});
    for (const view of rooms) {
      if (this.places.has(view.room.toLowerCase()) || view.mentions > 0) this.place(view.room).take(view);
    }
    return rooms;
  }

  async listUsers() {
    const { users } = await this.ask('users', {});
    this.users = users;
    for (const user of users) this.presence.set(user.login, user.presence);
    this.isAway = users.find((user) => user.login === this.login)?.presence === 'away';
  }

  async listMembers(place: Place) {
    const { members } = await this.ask('members', { room: place.name });
    place.members = members;
    for (const member of members) this.presence.set(member.login, member.presence);
  }

  /** Says something, now or as soon as there is a connection. */
  say(place: Place, text: string, more: { action?: boolean; replyTo?: number | null } = {}) {
    const id = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    this.outbox.add({ sent_id: id, room: place.name, text, action: more.action ?? false, reply_to: more.replyTo ?? null, typed_ms: this.clock.nowMs(), state: 'waiting', why: '', tries: 0 });
    place.firstUnread = null;
    if (this.isOpen) this.outbox.pump();
  }

  async edit(place: Place, seq: number, text: string) {
    place.change(await this.ask('edit', { room: place.name, seq, text }));
  }

  async remove(place: Place, seq: number) {
    place.change(await this.ask('delete', { room: place.name, seq }));
  }

  async react(place: Place, message: Message, emoji: string) {
    const mine = message.reactions?.some((one) => one.emoji === emoji && one.logins.includes(this.login));
    place.change(await this.ask('react', { room: place.name, seq: message.seq, emoji, ...(mine ? { off: true } : {}) }));
  }

  async setLevel(place: Place, level: Level) {
    await this.ask('notify', { room: place.name, level });
    place.notify = level;
  }

  /** One has read up to a message. */
  markRead(place: Place, seq: number) {
    if (seq <= place.read || !this.isOpen) return;
    place.read = seq;
    place.unread = Math.max(0, place.head - seq);
    if (place.unread === 0) place.mentions = 0;
    this.ask('read', { room: place.name, seq }).catch(() => {});
  }

  /** Tells others that one is writing, not with every letter. */
  tellTyping(place: Place) {
    const now = performance.now();
    if (!this.isOpen || now - this.#typedMs < TYPING_EVERY_MS) return;
    this.#typedMs = now;
    this.ask('typing', { room: place.name }).catch(() => {});
  }

  keepDraft(place: Place, text: string) {
    place.draft = text;
    this.memory.keepDraft(place.name.toLowerCase(), text);
  }

  /** The next place with something unread: what is meant for oneself comes first. */
  nextUnread(): Place | undefined {
    const all = [...this.joined, ...this.conversations].filter((place) => place !== this.current && place.notify !== 'nothing');
    return all.find((place) => place.loud > 0) ?? all.find((place) => place.unread > 0);
  }

  async #opened(hello: SaidOf<'hello'>) {
    clearTimeout(this.#offlineTimer);
    this.isOpen = true;
    this.isAttempting = false;
    this.isOfflineShown = false;
    this.defaultRoom = hello.default_room;
    this.#speak(hello.lang);
    try {
      for (let reading = 0; reading < READINGS_AT_FIRST; reading += 1) void this.#readClock();
      const remembered = this.memory.rooms ?? [];
      const isRoom = this.current && !this.current.isPrivate;
      const wanted = new Set([hello.default_room, ...remembered, ...(isRoom && this.current ? [this.current.name] : [])].map((name) => name.toLowerCase()));
      const [{ rooms }] = await Promise.all([this.ask('rooms', {}), this.#listConversations(), this.listUsers()]);
      await Promise.all(rooms.filter((view) => wanted.has(view.room.toLowerCase())).map((view) => this.#comeBack(view)));
      this.#dropMissing(rooms);
      this.isListed = true;
      this.outbox.pump();
      if (this.current) await this.visit(this.current.name);
      this.#remember();
    } catch {
      // The connection went in the middle: the next one begins anew.
    }
  }

  /** Enters a room again where one was, and fetches what one missed there. */
  async #comeBack(view: RoomView) {
    const place = this.place(view.room);
    const isAtEnd = place.isLoaded && !place.hasNewer && place.messages.length > 0;
    place.take(view);
    try {
      const joined = await this.ask('join', { room: view.room, ...(isAtEnd ? { after: place.last } : {}) });
      place.enter(joined);
      place.members = null;
      if ((joined.skipped ?? 0) > 0) place.forget();
    } catch (thrown) {
      place.isJoined = false;
      place.problem = thrown;
      return;
    }
    await this.#renew(place);
  }

  /** What was edited meanwhile is only found by asking: at once where one looks, elsewhere when one goes there. */
  async #renew(place: Place) {
    if (!place.isLoaded) return;
    if (place === this.current) await this.history.refresh(place);
    else place.forget();
  }

  async #listConversations() {
    const { conversations } = await this.ask('conversations', {});
    for (const view of conversations) {
      const place = this.place(view.room);
      place.head = view.head;
      place.read = view.read;
      place.unread = view.unread;
      place.notify = view.notify;
      place.lastMs = view.last_ms;
      this.presence.set(place.title, view.presence);
    }
    for (const place of this.conversations) await this.#renew(place);
  }

  /** A room that is not there any more is nowhere. */
  #dropMissing(rooms: RoomView[]) {
    const there = new Set(rooms.map((view) => view.room.toLowerCase()));
    for (const place of [...this.places.values()]) {
      if (!place.isPrivate && place.isJoined && !there.has(place.name.toLowerCase())) this.#forget(place);
    }
  }

  /** Takes what happens at once while little does, and together while much does: each time the page is laid out anew. */
  #gather(said: Said) {
    this.#gathered.push(said);
    if (this.#gathered.length > 1) return;
    const sinceMs = performance.now() - this.#tookMs;
    if (sinceMs >= GATHER_MS) this.#take();
    else setTimeout(() => this.#take(), GATHER_MS - sinceMs);
  }

  #take() {
    const all = this.#gathered;
    this.#gathered = [];
    this.#tookMs = performance.now();
    for (const said of all) this.#heard(said);
  }

  #heard(said: Said) {
    switch (said.type) {
      case 'message':
        this.#message(said.room, said);
        break;
      case 'changed':
        this.place(said.room).change(said);
        break;
      case 'mentioned': {
        const place = this.place(said.room);
        place.mentions += 1;
        alert(this, place, said, true);
        break;
      }
      case 'joined':
        this.#entered(said);
        if (said.cause !== 'asked') told(said.text);
        break;
      case 'left':
        if (said.cause !== 'asked') told(said.text);
        this.#forget(this.place(said.room));
        break;
      case 'presence':
        this.place(said.room).move(said.joined ?? [], said.left ?? [], said.changed ?? [], said.members);
        for (const login of said.joined ?? []) this.presence.set(login, 'online');
        for (const { login, presence } of said.changed ?? []) this.presence.set(login, presence);
        break;
      case 'typing':
        if (said.login !== this.login) this.place(said.room).typed(said.login, Date.now());
        break;
      case 'read': {
        const place = this.place(said.room);
        place.read = said.read;
        place.unread = said.unread;
        place.mentions = said.mentions;
        break;
      }
      case 'changed_room':
        this.#changedRoom(said);
        break;
      default:
        // Answers find whoever asked by themselves; what is newer than this page is ignored.
        break;
    }
  }

  #message(room: string, message: Message) {
    const place = this.place(room);
    const isNew = message.seq > place.head;
    const isRead = place === this.current && this.isLooked && place.isFollowing;
    if (place.hear(message, place !== this.current || place.isFollowing)) void this.history.refresh(place);
    this.outbox.keep();
    if (!isNew || message.from === this.login) return;
    const isCalled = message.mentions?.some((login) => login.toLowerCase() === this.login.toLowerCase()) ?? false;
    if (!message.history && !isRead) {
      if (place.unread === 0) place.firstUnread = message.seq;
      place.unread += 1;
      if (isCalled) place.mentions += 1;
    }
    if (!message.history) alert(this, place, message, isCalled || place.isPrivate);
  }

  #changedRoom(said: SaidOf<'changed_room'>) {
    const place = this.places.get(said.room.toLowerCase());
    if (!place) return;
    if (said.topic !== undefined) place.topic = said.topic;
    if (said.keep !== undefined) place.isKept = said.keep;
    if (said.slow_s !== undefined) place.slowS = said.slow_s;
  }

  #entered(joined: Joined): Place {
    const place = this.place(joined.room);
    place.enter(joined);
    this.#remember();
    return place;
  }

  /** A place is gone. What was begun there is not. */
  #forget(place: Place) {
    this.places.delete(place.name.toLowerCase());
    const left = [...place.pending.map((one) => one.text), place.draft].filter((text) => text !== '').join('\n');
    place.pending = [];
    this.memory.keepDraft(place.name.toLowerCase(), '');
    const home = this.place(this.defaultRoom);
    if (left) this.keepDraft(home, home.draft === '' ? left : `${home.draft}\n${left}`);
    this.#remember();
  }

  #remember() {
    if (this.isListed) this.memory.rooms = this.joined.filter((place) => place.isJoined).map((place) => place.name);
  }

  #sent(pending: Pending, sent: SaidOf<'sent'>) {
    const place = this.place(sent.room);
    const isThere = place.messages.some((one) => one.seq === sent.seq);
    const message: Message = { id: sent.id, seq: sent.seq, from: this.login, text: pending.text, at_ms: sent.at_ms, action: pending.action, sent_id: pending.sent_id, ...(pending.reply_to === null ? {} : { reply_to: pending.reply_to }) };
    if (isThere) place.settle(pending.sent_id);
    else this.#message(sent.room, message);
    this.place(pending.room).settle(pending.sent_id);
  }

  #lost(nextMs: number, cause: string | null) {
    const wasOpen = this.isOpen;
    this.#take();
    this.isOpen = false;
    this.isAttempting = false;
    this.nextAttemptMs = nextMs;
    this.outbox.lost();
    if (wasOpen) this.#offlineTimer = setTimeout(() => (this.isOfflineShown = !this.isOpen), OFFLINE_SHOWN_MS);
    // A login that ended is told by no WebSocket; this request is answered with it.
    if (cause === 'revoked' || cause === null) void api.GET('/v1/me').catch(() => {});
  }

  #look() {
    const isLooked = !document.hidden && document.hasFocus();
    const isBack = isLooked && !this.isLooked;
    this.isLooked = isLooked;
    if (!isBack) return;
    if (!this.isOpen) this.#link.hurry();
    else void this.#awake();
  }

  /** One comes back to the window: everything since is fetched, and a connection that died asleep is found out. */
  async #awake() {
    try {
      await this.#readClock(AWAKE_MS_MAX);
      if (this.current?.isLoaded) await this.history.refresh(this.current);
    } catch {
      // The link comes back by itself.
    }
  }

  async #readClock(answerMs?: number) {
    if (!this.isOpen) return;
    const t1 = localUs();
    const answer = await this.#link.ask('time', { t1_us: t1 }, answerMs).catch(() => null);
    if (answer) this.clock.take(answer.t1_us, answer.t2_us, answer.t3_us, localUs());
  }

  #speak(code: string) {
    if (code !== 'en' && code !== 'es') return;
    if (!locale.isChosen) locale.follow(code);
    else if (locale.code !== code) this.ask('lang', { code: locale.code }).catch(() => {});
  }
}

import { Lost, Refused, type SaidOf } from './protocol.ts';
import type { Place } from './place.svelte.ts';
import type { Pending } from './rows.ts';

/** What came too fast is sent again by itself after such a wait, and so often. */
const PATIENCE_MS_MAX = 5_000;
const TRIES_MAX = 5;
const STORED_AS = 'chaski.outbox';

/** How a message is said; the answer says that it is on disk. */
export type Say = (pending: Pending) => Promise<SaidOf<'sent'>>;

/**
 * What was typed, until the server has it on disk.
 *
 * It is sent again over every new connection under its own name, so that it is one message however often that happens. A reload of
 * the tab finds it again.
 */
export class Outbox {
  readonly #say: Say;
  readonly #placeOf: (name: string) => Place;
  readonly #sent: (pending: Pending, sent: SaidOf<'sent'>) => void;
  #owner = '';
  #all: string[] = [];

  constructor(say: Say, placeOf: (name: string) => Place, sent: (pending: Pending, sent: SaidOf<'sent'>) => void) {
    this.#say = say;
    this.#placeOf = placeOf;
    this.#sent = sent;
  }

  /** Takes up what an earlier load of the page has left of the same account. */
  restore(owner: string) {
    this.#owner = owner;
    try {
      const stored = JSON.parse(sessionStorage.getItem(STORED_AS) ?? 'null') as { owner: string; list: Pending[] } | null;
      if (stored?.owner !== owner) return;
      for (const pending of stored.list) this.#put({ ...pending, state: pending.state === 'failed' ? 'failed' : 'waiting' });
    } catch {
      // What cannot be read was not written by this page.
      sessionStorage.removeItem(STORED_AS);
    }
  }

  add(pending: Pending) {
    this.#put(pending);
    this.keep();
  }

  #put(pending: Pending) {
    const place = this.#placeOf(pending.room);
    if (!place.pending.some((one) => one.sent_id === pending.sent_id)) place.pending.push(pending);
    if (!this.#all.includes(place.name)) this.#all.push(place.name);
  }

  /** Everything that is not on disk, oldest first. */
  get list(): Pending[] {
    return this.#all.flatMap((name) => this.#placeOf(name).pending).sort((one, other) => one.typed_ms - other.typed_ms);
  }

  /** Sends what waits. */
  pump() {
    for (const pending of this.list) if (pending.state === 'waiting') void this.#send(pending);
  }

  /** What was under way when the connection was lost waits for the next one. */
  lost() {
    for (const pending of this.list) if (pending.state === 'sending') pending.state = 'waiting';
  }

  retry(pending: Pending) {
    pending.state = 'waiting';
    pending.tries = 0;
    this.pump();
  }

  discard(pending: Pending) {
    this.#placeOf(pending.room).settle(pending.sent_id);
    this.keep();
  }

  /** Writes down what is left, for the next load of this tab. */
  keep() {
    const list = this.list;
    if (list.length === 0) sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, JSON.stringify({ owner: this.#owner, list }));
  }

  async #send(pending: Pending) {
    pending.state = 'sending';
    try {
      this.#sent(pending, await this.#say(pending));
    } catch (thrown) {
      if (thrown instanceof Lost) pending.state = 'waiting';
      else this.#refused(pending, thrown);
    }
    this.keep();
  }

  #refused(pending: Pending, thrown: unknown) {
    const wait = thrown instanceof Refused ? thrown.retryAfterMs : 0;
    if (wait > 0 && wait <= PATIENCE_MS_MAX && pending.tries < TRIES_MAX) {
      pending.tries += 1;
      setTimeout(() => {
        if (pending.state !== 'sending') return;
        pending.state = 'waiting';
        this.pump();
      }, wait);
      return;
    }
    pending.state = 'failed';
    pending.why = thrown instanceof Error ? thrown.message : String(thrown);
  }
}

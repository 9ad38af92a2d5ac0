import { Lost, Refused, type SaidOf } from './protocol.ts';
import type { Place } from './place.svelte.ts';

/** Messages of a page. */
const PAGE = 100;
/** The most that the server gives at once. */
const PAGE_MAX = 200;
/** With more unread ones than this, one begins at the first of them. */
const UNREAD_AT_END_MAX = 30;
/** How many read ones stand above the first unread one then. */
const READ_ABOVE = 20;
/** Of what came in a longer absence the newest is shown, not everything. */
const REFRESH_PAGES_MAX = 5;

/** Which part of a history is wanted. */
export type Ask = (fields: { room: string; before?: number; after?: number; limit?: number }) => Promise<SaidOf<'history'>>;

/** Pages through histories: one request for a place at a time, in the order in which they were wanted. */
export class History {
  readonly #ask: Ask;
  readonly #turns = new WeakMap<Place, Promise<void>>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Shows the newest messages, or where the unread ones begin. */
  begin(place: Place): Promise<void> {
    return this.#inTurn(place, () => this.#begin(place));
  }

  async #begin(place: Place) {
    if (place.isLoaded) return;
    const isBehind = place.unread > UNREAD_AT_END_MAX && place.read > 0;
    const room = place.name;
    place.firstUnread = place.unread > 0 && place.read < place.head ? place.read + 1 : null;
    if (isBehind) {
      const page = await this.#ask({ room, after: Math.max(0, place.read - READ_ABOVE), limit: PAGE });
      place.show(page.messages, page.head, (page.messages[0]?.seq ?? 1) > 1);
    } else {
      await this.#end(place);
    }
    place.isFollowing = !place.hasNewer && !isBehind;
  }

  /** Shows the newest messages. */
  newest(place: Place): Promise<void> {
    return this.#inTurn(place, async () => {
      await this.#end(place);
      place.isFollowing = true;
    });
  }

  /** Shows a message with what was said around it. */
  around(place: Place, seq: number): Promise<void> {
    return this.#inTurn(place, async () => {
      const page = await this.#ask({ room: place.name, before: seq + PAGE / 2, limit: PAGE });
      place.isFollowing = false;
      place.show(page.messages, page.head, page.more);
    });
  }

  older(place: Place): Promise<void> {
    if (place.isLoading || !place.isLoaded || !place.hasOlder) return Promise.resolve();
    return this.#inTurn(place, async () => {
      const page = await this.#ask({ room: place.name, before: place.first, limit: PAGE });
      place.prepend(page.messages, page.more);
    });
  }

  newer(place: Place): Promise<void> {
    if (place.isLoading || !place.isLoaded || !place.hasNewer) return Promise.resolve();
    return this.#inTurn(place, async () => {
      const page = await this.#ask({ room: place.name, after: place.last, limit: PAGE });
      place.head = Math.max(place.head, page.head);
      place.append(page.messages, page.more);
    });
  }

  /** Fetches again what is shown, edits and deletions included, and what came since. */
  refresh(place: Place): Promise<void> {
    return this.#inTurn(place, () => (place.isLoaded ? this.#refresh(place) : this.#begin(place)));
  }

  async #refresh(place: Place) {
    const hadNewer = place.hasNewer;
    let after = Math.max(0, place.first - 1);
    for (let pages = 1; ; pages += 1) {
      const page = await this.#ask({ room: place.name, after, limit: PAGE_MAX });
      place.head = Math.max(place.head, page.head);
      after = page.messages.at(-1)?.seq ?? after;
      // Behind the end of the window nothing is known, and nothing is put there.
      const end = hadNewer ? place.last : Infinity;
      const known = page.messages.filter((message) => message.seq <= end);
      const isCut = known.length > 0 && place.renew(known, hadNewer);
      if (isCut || !page.more || page.messages.length === 0 || (hadNewer && after >= place.last)) return;
      if (pages < REFRESH_PAGES_MAX) continue;
      if (place.isFollowing) await this.#end(place);
      else place.hasNewer = true;
      return;
    }
  }

  async #end(place: Place) {
    const page = await this.#ask({ room: place.name, limit: PAGE });
    place.show(page.messages, page.head, page.more);
  }

  #inTurn(place: Place, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(place) ?? Promise.resolve()).then(() => this.#alone(place, work));
    this.#turns.set(place, turn);
    return turn;
  }

  async #alone(place: Place, work: () => Promise<void>) {
    place.isLoading = true;
    try {
      await work();
      place.problem = null;
    } catch (thrown) {
      // Whoever has never written to somebody may begin.
      if (thrown instanceof Refused && thrown.code === 'no_conversation') place.show([], place.head, false);
      // The next connection asks again.
      else if (!(thrown instanceof Lost)) place.problem = thrown;
    } finally {
      place.isLoading = false;
    }
  }
}

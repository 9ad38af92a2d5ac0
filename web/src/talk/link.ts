import { Lost, Refused, type Asks, type Said, type SaidOf } from './protocol.ts';

/** The first wait before another attempt; each failure doubles it. */
const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 30_000;
/** What is asked is answered by then, or the connection is taken for lost: a sleeping laptop leaves none that says so. */
const ANSWER_MS_MAX = 15_000;

/** What a link tells whoever made it. */
export interface LinkListener {
  /** The connection is there; nothing was asked on it yet. */
  opened(hello: SaidOf<'hello'>): void;
  /** Something happened that nobody asked for. */
  heard(said: Said): void;
  /** It is gone; the next attempt is made at this time of `Date.now`. */
  lost(nextAttemptMs: number, cause: string | null): void;
  /** An attempt begins. */
  attempting(): void;
}

interface Waiting {
  resolve(said: Said): void;
  reject(why: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

/** How long to wait before an attempt, after so many that failed: spread, so that not everyone comes back at once. */
export function waitMs(failures: number, random: number): number {
  const wait = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.min(failures, 10));
  return Math.round(wait * (0.75 + random / 2));
}

/** A connection to the chat that comes back by itself. */
export class Link {
  readonly #url: () => string;
  readonly #listener: LinkListener;
  #socket: WebSocket | null = null;
  #isOpen = false;
  #isWanted = false;
  #failures = 0;
  #next = 1;
  #waiting = new Map<number, Waiting>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #cause: string | null = null;

  constructor(url: () => string, listener: LinkListener) {
    this.#url = url;
    this.#listener = listener;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  start() {
    this.#isWanted = true;
    this.#attempt();
  }

  /** Says goodbye and does not come back. */
  stop() {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#drop();
  }

  /** Makes the next attempt now. */
  hurry() {
    if (!this.#isWanted || this.#socket) return;
    clearTimeout(this.#timer);
    this.#attempt();
  }

  /** Takes the connection for lost, whatever the browser still believes. */
  giveUp() {
    if (!this.#socket) return;
    this.#socket.close(4000);
    this.#ended();
  }

  /**
   * Asks for something; the answer is of the type that `Asks` names.
   *
   * Throws `Refused` when the server says no, and `Lost` when it did not say.
   */
  ask<Type extends keyof Asks>(type: Type, fields: Asks[Type][0], answerMs = ANSWER_MS_MAX): Promise<SaidOf<Asks[Type][1]>> {
    const socket = this.#socket;
    if (!socket || !this.#isOpen) return Promise.reject(new Lost());
    const ref = this.#next++;
    return new Promise<Said>((resolve, reject) => {
      const timer = setTimeout(() => this.giveUp(), answerMs);
      this.#waiting.set(ref, { resolve, reject, timer });
      socket.send(JSON.stringify({ ...fields, type, ref }));
    }) as Promise<SaidOf<Asks[Type][1]>>;
  }

  #attempt() {
    this.#listener.attempting();
    const socket = new WebSocket(this.#url());
    this.#socket = socket;
    this.#cause = null;
    const ifPresent = (action: () => void) => () => {
      if (this.#socket === socket) action();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#hear(String(event.data));
    };
    socket.onclose = ifPresent(() => this.#ended());
    // A server that takes the connection and says nothing is none.
    this.#timer = setTimeout(ifPresent(() => this.giveUp()), ANSWER_MS_MAX);
  }

  #hear(text: string) {
    const said = JSON.parse(text) as Said & { ref?: number };
    if (said.type === 'hello') {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.#isOpen = true;
      this.#listener.opened(said);
      return;
    }
    if (said.type === 'bye') this.#cause = said.cause;
    const waiting = said.ref === undefined ? undefined : this.#waiting.get(said.ref);
    if (!waiting || said.ref === undefined) {
      this.#listener.heard(said);
      return;
    }
    this.#waiting.delete(said.ref);
    clearTimeout(waiting.timer);
    if (said.type === 'error') waiting.reject(new Refused(said.code, said.text, said.retry_after_ms ?? 0));
    else waiting.resolve(said);
  }

  #ended() {
    this.#drop();
    if (!this.#isWanted) return;
    const wait = waitMs(this.#failures, Math.random());
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#attempt(), wait);
    this.#listener.lost(Date.now() + wait, this.#cause);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#isOpen = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) {
      clearTimeout(one.timer);
      one.reject(new Lost());
    }
  }
}

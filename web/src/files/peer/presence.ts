import { Problem } from '../../api/problem.ts';
import type { Standing } from './messages.ts';
import { SocketPipe } from './pipe.ts';
import { makeIdentity, type Identity } from './sealed.ts';
import { bytesOfHex, hexOf, type Server } from './server.ts';
import type { Held, Shares } from './shares.ts';
import { ticketKey, type TicketKey } from './ticket.ts';

const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const ID_DIGITS = 32;

interface Announced {
  heartbeat_s: number;
  revision: number;
  relay: boolean;
  ticket_keys: { id: number; key: string }[];
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * This page as a peer: announced, heard, published, and called through the server. Its key is made for it alone and ends with it, so that
 * two pages of an account are two peers, and nothing of them is left behind.
 */
export class Presence {
  readonly standing: Standing = { stage: 'off', isReached: false, trouble: null };
  identity: Identity | null = null;
  keys: TicketKey[] = [];
  #revision = 0;
  /** What the server was told, by the numbers of the shares. */
  readonly #told = new Set<number>();
  #isStarted = false;
  #hasChanged = false;
  #wake: (() => void) | null = null;

  constructor(
    readonly name: string,
    readonly server: Server,
    readonly shares: Shares,
    readonly tell: () => void,
    readonly announced: (peer: string) => void,
    readonly shared: (held: Held) => void,
    readonly called: (pipe: SocketPipe) => void,
  ) {}

  get id(): string | null {
    return this.identity && hexOf(this.identity.fingerprint).slice(0, ID_DIGITS);
  }

  /** Becomes a peer, once, and tells the server of what has changed. */
  start() {
    this.#hasChanged = true;
    if (this.#isStarted) {
      this.#wake?.();
      return;
    }
    this.#isStarted = true;
    this.standing.stage = 'starting';
    void this.#run();
    void this.#stand();
  }

  async #run() {
    try {
      this.identity = await makeIdentity();
      await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
    } catch {
      this.#stop('old-browser');
      return;
    }
    for (let failures = 0; ; ) {
      try {
        const heartbeatMs = await this.#announce();
        failures = 0;
        for (;;) {
          while (this.#hasChanged) {
            this.#hasChanged = false;
            await this.#publish();
          }
          await Promise.race([pause(heartbeatMs), new Promise<void>((resolve) => (this.#wake = resolve))]);
          await this.server.ask('POST', `/v1/peers/${this.id}/heartbeat`, {});
        }
      } catch (thrown) {
        const problem = Problem.of(thrown);
        // Not known any more is no failure: it is announced again at once.
        if (problem.kind === 'not-found') continue;
        this.standing.stage = 'away';
        this.standing.trouble = { kind: 'server', text: problem.message };
        this.tell();
        await pause(problem.retryAfterS ? problem.retryAfterS * 1000 : RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!);
      }
    }
  }

  async #announce(): Promise<number> {
    const { fingerprint } = this.identity!;
    const body = { name: this.name, addresses: [], key: hexOf(fingerprint), relay: true, sealed: true };
    const answer = await this.server.ask<Announced>('PUT', `/v1/peers/${this.id}`, body);
    this.keys = await Promise.all(answer.ticket_keys.map(({ id, key }) => ticketKey(id, bytesOfHex(key))));
    if (answer.revision !== this.#revision) this.#begin();
    this.standing.stage = 'live';
    this.standing.trouble = answer.relay ? null : { kind: 'no-relay' };
    this.announced(this.id!);
    this.tell();
    return answer.heartbeat_s * 1000;
  }

  /** Tells everything anew. */
  #begin() {
    this.#revision = 0;
    this.#told.clear();
    this.#hasChanged = true;
  }

  /** Tells the server what has changed of the files. */
  async #publish(): Promise<void> {
    const here = this.shares.all().filter(({ share }) => share.root !== null && share.stage !== 'failed');
    const put = here.filter(({ share }) => !this.#told.has(share.id));
    const remove = [...this.#told].filter((id) => !here.some(({ share }) => share.id === id));
    if (put.length === 0 && remove.length === 0) return;
    const [from, to] = [this.#revision, this.#revision + 1];
    let answer: { revision: number; ignored: string[] };
    try {
      answer = await this.server.ask('PATCH', `/v1/peers/${this.id}/files`, { from, to, put: put.map(entryOf), remove: remove.map(String) });
    } catch (thrown) {
      const problem = Problem.of(thrown);
      if (problem.kind === 'wrong-revision') {
        this.#begin();
        return this.#publish();
      }
      // Without a login it is asked again later: a new one may be on its way.
      if (problem.status < 400 || problem.status >= 500 || [401, 404].includes(problem.status) || put.length === 0) throw problem;
      // Something in it cannot be: one more try for each alone would find which, but what was dropped together is refused together.
      for (const { share } of put) Object.assign(share, { stage: 'failed', trouble: { kind: 'refused', text: problem.message } });
      this.tell();
      return;
    }
    this.#revision = answer.revision;
    for (const id of remove) this.#told.delete(id);
    for (const held of put) {
      const { share } = held;
      this.#told.add(share.id);
      const names = 'rooms' in share.audience ? share.audience.rooms.map((room) => `room ${room}`) : 'accounts' in share.audience ? share.audience.accounts.map((login) => `account ${login}`) : [];
      if (names.some((name) => answer.ignored.includes(name))) {
        share.stage = 'failed';
        share.trouble = { kind: 'ignored' };
      } else {
        // What is told anew to a server that has forgotten it is no news to anybody else.
        const isNew = share.stage !== 'shared';
        share.stage = 'shared';
        if (isNew) this.shared(held);
      }
    }
    this.tell();
  }

  #stop(kind: 'old-browser') {
    this.standing.stage = 'away';
    this.standing.trouble = { kind };
    this.tell();
  }

  /** Keeps the line on which the server tells of calls. */
  async #stand() {
    for (let failures = 0; ; ) {
      const isWanted = this.standing.stage === 'live' && this.standing.trouble?.kind !== 'no-relay';
      if (isWanted && (await this.#attend())) failures = 0;
      await pause(isWanted ? RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]! : 200);
    }
  }

  /** Takes calls until the line is lost; tells whether there was one. */
  #attend(): Promise<boolean> {
    return new Promise((resolve) => {
      const path = `/v1/peers/${this.id}/relay`;
      const line = new WebSocket(this.server.socket(path));
      line.onopen = () => {
        this.standing.isReached = true;
        this.tell();
      };
      line.onmessage = ({ data }) => {
        const call = typeof data === 'string' ? callOf(data) : null;
        if (call === null) return;
        // Whoever has given up meanwhile calls again.
        SocketPipe.open(this.server.socket(`${path}/${encodeURIComponent(call)}`)).then(this.called, () => {});
      };
      line.onclose = () => {
        const was = this.standing.isReached;
        this.standing.isReached = false;
        this.tell();
        resolve(was);
      };
    });
  }
}

function callOf(text: string): string | null {
  try {
    const word = JSON.parse(text) as { call?: unknown };
    return typeof word.call === 'string' ? word.call : null;
  } catch {
    return null;
  }
}

function entryOf({ share }: Held) {
  const { id, name, size, root, type, sinceMs, audience } = share;
  return { file: String(id), name, path: name, size, root, type, kind: 'file', since_ms: sinceMs, audience };
}

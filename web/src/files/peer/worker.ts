/**
 * The peer of this page, in a thread of its own: there timers go on while the page is in the background, so that it stays live, and
 * hashing keeps nobody from typing.
 */
import { Download } from './download.ts';
import type { Audience, Command, Event, State, Transfer } from './messages.ts';
import { offerTo, Secrets } from './offering.ts';
import { Presence } from './presence.ts';
import type { Rate } from './rate.ts';
import { Server } from './server.ts';
import { Serving } from './serving.ts';
import { Shares, SHARES_MAX, type Held } from './shares.ts';

/** How often the page is told. */
const TELL_MS = 200;
/** Transfers that have ended and are still listed. */
const ENDED_MAX = 50;
/** Downloads that go on at a time; others wait. */
const DOWNLOADS_MAX = 3;

const post = (event: Event) => (postMessage as (message: unknown) => void)(event);

interface Listed {
  transfer: Transfer;
  rate: Rate;
  download: Download | null;
}

class Peer {
  readonly server = new Server();
  readonly shares = new Shares();
  readonly serving: Serving;
  readonly #secrets = new Secrets();
  presence: Presence | null = null;
  #name = '';
  /** By numbers that the page gives to what it fetches; what others fetch has negative ones. */
  readonly #transfers = new Map<number, Listed>();
  #next = -1;
  #isTelling = false;
  #hashing: Promise<void> = Promise.resolve();
  #running = 0;
  readonly #waiting: number[] = [];

  constructor() {
    this.serving = new Serving({
      shares: this.shares,
      identity: () => this.presence?.identity ?? null,
      keys: () => this.presence?.keys ?? [],
      now: () => this.server.now(),
      opens: (secret, root) => this.#secrets.opens(secret, root),
      list: (transfer, rate) => this.#listOut(transfer, rate),
      tell: () => this.#tell(),
    });
    // Rates fall while nothing comes, too.
    setInterval(() => this.#isBusy() && this.#tell(), 1000);
  }

  take(command: Command) {
    switch (command.do) {
      case 'login':
        this.server.csrf = command.csrf;
        this.#name = command.name;
        break;
      case 'share':
        this.#share(command.files, command.audience);
        break;
      case 'unshare':
        this.shares.remove(command.id);
        this.presence?.start();
        break;
      case 'fetch':
        this.#fetch(command);
        break;
      case 'cancel':
        void this.#transfers.get(command.id)?.download?.cancel();
        break;
      case 'retry':
        this.#queue(command.id);
        break;
      case 'forget':
        void this.#transfers.get(command.id)?.download?.cancel();
        this.#transfers.delete(command.id);
        break;
    }
    this.#tell();
  }

  #begin(): Presence {
    this.presence ??= new Presence(
      this.#name,
      this.server,
      this.shares,
      () => this.#tell(),
      (peer) => post({ tell: 'announced', peer }),
      (held) => this.#shared(held),
      (pipe) => void this.serving.answer(pipe),
    );
    this.presence.start();
    return this.presence;
  }

  #shared(held: Held) {
    const { share } = held;
    post({ tell: 'shared', share: { ...share } });
    if (!('accounts' in share.audience)) return;
    const offerer = {
      server: this.server,
      id: () => this.presence?.id ?? null,
      identity: () => this.presence?.identity ?? null,
      allow: (secret: Uint8Array, root: string) => this.#secrets.allow(secret, root),
      list: (transfer: Transfer, rate: Rate) => this.#listOut(transfer, rate),
      tell: () => this.#tell(),
    };
    for (const login of share.audience.accounts) void offerTo(login, held, offerer);
  }

  #listOut(transfer: Transfer, rate: Rate) {
    transfer.id = this.#next--;
    this.#list({ transfer, rate, download: null });
  }

  #share(files: File[], audience: Audience) {
    const presence = this.#begin();
    for (const file of files) {
      const held = this.shares.add(file, audience);
      const { share } = held;
      if (this.shares.all().length > SHARES_MAX) {
        Object.assign(share, { stage: 'failed', trouble: { kind: 'too-many' } });
        continue;
      }
      // One after the other: a disk reads one file faster than two.
      this.#hashing = this.#hashing.then(async () => {
        try {
          if (!(await this.shares.hash(held, () => this.#tell()))) return;
          share.stage = 'publishing';
          presence.start();
        } catch (thrown) {
          const kind = thrown instanceof RangeError ? 'too-large' : 'unreadable';
          Object.assign(share, { stage: 'failed', trouble: { kind } });
        }
        this.#tell();
      });
    }
  }

  #fetch({ id, root, name, size, link, target }: Extract<Command, { do: 'fetch' }>) {
    const transfer: Transfer = {
      id,
      way: 'in',
      root,
      name,
      size,
      bytes: 0,
      rate: 0,
      stage: 'finding',
      partners: [],
      liars: [],
      trouble: null,
      sinceMs: Date.now(),
    };
    const download = new Download(transfer, this.server, () => this.presence?.id ?? null, link, target, () => this.#tell());
    this.#list({ transfer, rate: download.rate, download });
    this.#queue(id);
  }

  #queue(id: number) {
    this.#waiting.push(id);
    this.#advance();
  }

  #advance() {
    while (this.#running < DOWNLOADS_MAX) {
      const id = this.#waiting.shift();
      if (id === undefined) return;
      const download = this.#transfers.get(id)?.download;
      if (!download || download.transfer.stage === 'cancelled') continue;
      this.#running += 1;
      void download.run().then((file) => {
        if (download.transfer.stage === 'done') post({ tell: 'fetched', id, root: download.transfer.root, file });
        this.#running -= 1;
        this.#tell();
        this.#advance();
      });
    }
  }

  #list(listed: Listed) {
    this.#transfers.set(listed.transfer.id, listed);
    const ended = [...this.#transfers.values()].filter(({ transfer, download }) => !isGoing(transfer) && !(download && transfer.stage === 'failed'));
    for (const { transfer, download } of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) {
      void download?.cancel();
      this.#transfers.delete(transfer.id);
    }
  }

  #isBusy(): boolean {
    return [...this.#transfers.values()].some(({ transfer }) => isGoing(transfer));
  }

  /** Tells the page how everything is, soon and not too often. */
  #tell() {
    if (this.#isTelling) return;
    this.#isTelling = true;
    setTimeout(() => {
      this.#isTelling = false;
      post({ tell: 'state', state: this.#state() });
    }, TELL_MS);
  }

  #state(): State {
    return {
      standing: { ...(this.presence?.standing ?? { stage: 'off', isReached: false, trouble: null }) },
      shares: this.shares.all().map(({ share }) => ({ ...share })),
      transfers: [...this.#transfers.values()].map(({ transfer, rate }) => ({ ...transfer, rate: isGoing(transfer) ? rate.now() : 0 })),
    };
  }
}

function isGoing({ stage }: Transfer): boolean {
  return stage === 'finding' || stage === 'asking' || stage === 'passing';
}

const peer = new Peer();
onmessage = ({ data }: MessageEvent<Command>) => peer.take(data);

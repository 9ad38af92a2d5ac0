import { Problem } from '../../api/problem.ts';
import { Mismatch, Shape, Verifier } from './content.ts';
import { Have } from './have.ts';
import type { Transfer, Trouble } from './messages.ts';
import { Rate } from './rate.ts';
import { bytesOfHex, type Server } from './server.ts';
import { NoRoom, openSink, type Sink } from './sink.ts';
import { Source, type SourceOffer } from './source.ts';

/** Sources that are asked at a time. */
const SOURCES_MAX = 4;
/** How often it is asked who has it, while somebody sends, and while nobody does. */
const REFRESH_MS = 30_000;
const SEARCH_MS = 3000;
/** How long nobody may be there. */
const PATIENCE_MS = 45_000;

interface Tickets {
  size: number;
  name: string;
  kind: 'file' | 'collection';
  sources: SourceOffer[];
}

class Failed extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.text ?? trouble.kind);
  }
}

/**
 * One download: sources come and go, what is missing is asked of whoever has it, and nothing is kept that was not checked. Lost sources
 * are looked for again; what is there stays, until it is given up.
 */
export class Download {
  readonly rate = new Rate();
  readonly #sources = new Map<string, Source>();
  readonly #banned = new Set<string>();
  #sink: Sink | null = null;
  #verifier: Verifier | null = null;
  #have = new Have(0);
  #next = 0;
  readonly #asked = new Set<number>();
  #isOver = false;
  #wake: (() => void) | null = null;
  #failure: Trouble | null = null;
  #lastWhy: string | null = null;

  constructor(
    readonly transfer: Transfer,
    readonly server: Server,
    readonly own: () => string | null,
    /** The capability of a link, where one has come by that. */
    readonly link: string | null,
    readonly target: FileSystemFileHandle | null,
    readonly tell: () => void,
  ) {}

  /** Fetches it; null when it was given up, or is at its target already. */
  async run(): Promise<File | null> {
    const { transfer } = this;
    this.#isOver = false;
    this.#failure = null;
    Object.assign(transfer, { stage: 'finding', trouble: null });
    this.tell();
    try {
      await this.#fetch();
      if (this.#failure) throw new Failed(this.#failure);
      if (this.#isOver) return null;
      const file = await this.#sink!.finish();
      transfer.stage = 'done';
      return file;
    } catch (thrown) {
      transfer.stage = 'failed';
      transfer.trouble = troubleOf(thrown);
      return null;
    } finally {
      for (const source of this.#sources.values()) source.close();
      this.#sources.clear();
      this.#name();
    }
  }

  /** Gives it up, with what is there of it. */
  async cancel() {
    if (this.transfer.stage !== 'failed' && this.transfer.stage !== 'done') this.transfer.stage = 'cancelled';
    this.#isOver = true;
    this.#wake?.();
    const sink = this.#sink;
    this.#sink = null;
    this.#verifier = null;
    await sink?.discard().catch(() => {});
  }

  async #fetch() {
    let lastSource = Date.now();
    for (;;) {
      if (this.#isOver || this.#failure) return;
      if (this.#verifier && this.#have.isAll) return;
      await this.#find();
      if (this.#sources.size > 0) lastSource = Date.now();
      else if (Date.now() - lastSource > PATIENCE_MS) throw new Failed(this.#lastWhy === null ? { kind: 'nobody' } : { kind: 'lost', text: this.#lastWhy });
      if (this.#verifier && this.#have.isAll) return;
      await this.#rest(this.#sources.size > 0 ? REFRESH_MS : SEARCH_MS);
    }
  }

  #rest(ms: number): Promise<void> {
    if (this.#isOver || this.#failure) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Asks the server who has it, and calls those who are not spoken to. */
  async #find() {
    let found: Tickets;
    try {
      found = await this.server.ask<Tickets>('POST', `/v1/files/${this.transfer.root}/tickets`, this.link === null ? {} : { link: this.link });
    } catch (thrown) {
      const problem = Problem.of(thrown);
      if (problem.status === 404) {
        const isHopeless = this.#banned.size > 0 && this.#sources.size === 0;
        if (isHopeless || (this.#verifier === null && this.#lastWhy === null)) throw new Failed({ kind: 'nobody' });
        return;
      }
      // The server comes back, and the rest goes on meanwhile.
      if (problem.kind === 'unreachable' || problem.status >= 500 || problem.status === 429) return;
      throw problem;
    }
    if (found.kind === 'collection') throw new Failed({ kind: 'folder' });
    await this.#begin(found);
    const others = found.sources.filter(({ peer, key }) => peer !== this.own() && !this.#banned.has(key));
    if (others.length > 0 && !others.some(({ relay }) => relay)) throw new Failed({ kind: 'unreachable' });
    for (const offer of others) {
      const known = this.#sources.get(offer.key);
      if (known) known.offer = offer;
      else if (offer.relay && this.#sources.size < SOURCES_MAX && !this.#have.isAll) this.#call(offer);
    }
  }

  async #begin(found: Tickets) {
    const { transfer } = this;
    if (this.#verifier) return;
    Object.assign(transfer, { size: found.size, name: transfer.name || found.name });
    const shape = new Shape(found.size);
    const sink = await openSink(transfer.name, found.size, this.target);
    if (this.#isOver) return sink.discard();
    this.#sink = sink;
    this.#have = new Have(shape.groups);
    this.#next = 0;
    this.#verifier = new Verifier(shape, bytesOfHex(transfer.root));
    // An empty content has nothing that could be sent, and is known by its root.
    if (shape.groups === 0 && transfer.root !== EMPTY_ROOT) throw new Failed({ kind: 'lost', text: 'its size is not what its hash says' });
    transfer.bytes = 0;
  }

  #call(offer: SourceOffer) {
    const source: Source = new Source(offer, this.server, this.#verifier!, {
      next: (mayHave) => this.#nextGroup(mayHave),
      arrived: (group, data) => this.#arrived(group, data),
      released: (groups) => this.#released(groups),
      opened: () => {
        this.transfer.stage = 'passing';
        this.#name();
      },
    });
    this.#sources.set(offer.key, source);
    this.transfer.stage = this.transfer.stage === 'finding' ? 'asking' : this.transfer.stage;
    this.tell();
    source.run().then(
      (why) => (this.#lastWhy = why),
      (thrown) => this.#lost(offer, thrown),
    ).finally(() => {
      if (this.#sources.get(offer.key) === source) this.#sources.delete(offer.key);
      this.#released(source.outstanding());
      this.#name();
      this.#wake?.();
    });
  }

  #lost(offer: SourceOffer, thrown: unknown) {
    if (thrown instanceof Mismatch) {
      this.#banned.add(offer.key);
      this.transfer.liars.push(`${offer.account}/${offer.name}`);
      this.#lastWhy = thrown.message;
      // Others are warned; that this one is not asked again does not depend on it.
      this.server.ask('POST', `/v1/peers/${offer.peer}/reports`, { root: this.transfer.root }).catch(() => {});
    } else if (isOfDisk(thrown)) {
      this.#failure = troubleOf(thrown);
    } else {
      this.#lastWhy = thrown instanceof Error ? thrown.message : String(thrown);
    }
  }

  #name() {
    const open = [...this.#sources.values()].filter((source) => source.isOpen);
    this.transfer.partners = open.map(({ offer }) => `${offer.account}/${offer.name}`);
    this.tell();
  }

  /** The next group that nobody was asked for. */
  #nextGroup(mayHave: (group: number) => boolean): number | null {
    const total = this.#have.total;
    this.#next = this.#have.missing(this.#next);
    for (let group = this.#next; group < total; group = this.#have.missing(group + 1)) {
      if (!this.#asked.has(group) && mayHave(group)) {
        this.#asked.add(group);
        return group;
      }
    }
    return null;
  }

  async #arrived(group: number, data: Uint8Array) {
    const sink = this.#sink;
    const verifier = this.#verifier;
    if (!sink || !verifier || this.#isOver) return;
    verifier.checkGroup(group, data);
    await sink.write(verifier.shape.start(group), data).catch((thrown: unknown) => {
      throw new NoRoom(thrown);
    });
    this.#asked.delete(group);
    if (this.#have.has(group)) return;
    this.#have.add(group);
    this.transfer.bytes += data.length;
    this.rate.add(data.length);
    this.tell();
    if (this.#have.isAll) this.#wake?.();
  }

  #released(groups: number[]) {
    for (const group of groups) this.#asked.delete(group);
    if (groups.length > 0) {
      this.#next = 0;
      for (const source of this.#sources.values()) source.askMore();
    }
  }
}

const EMPTY_ROOT = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';

/** The place where it goes is in the way, whoever sends it. */
function isOfDisk(thrown: unknown): boolean {
  return thrown instanceof NoRoom;
}

function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof Failed) return thrown.trouble;
  if (isOfDisk(thrown)) return { kind: 'no-room', text: (thrown as NoRoom).message };
  return { kind: 'server', text: Problem.of(thrown).message };
}

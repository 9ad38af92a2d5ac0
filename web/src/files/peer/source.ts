import { Mismatch, type Verifier } from './content.ts';
import { Have } from './have.ts';
import { SocketPipe } from './pipe.ts';
import { callPeer, type SealedLine } from './sealed.ts';
import { bytesOfBase64, bytesOfHex, type Server } from './server.ts';
import { FETCH } from './serving.ts';
import { readResponse, Reason, writeRequest, type Answer, type Ask, type Refused } from './wire.ts';

/** Groups that one source may have under way: 4 MiB. */
const WINDOW_GROUPS = 16;
/** The longest answer: the values of all segments of the largest content, or a group, with what is around it. */
const ANSWER_BYTES_MAX = 1 << 20;
/** How long a source may leave questions unanswered. */
const STALL_MS = 20_000;
const CONTENT = 1;

/** A peer that has it, as the server names it. */
export interface SourceOffer {
  peer: string;
  account: string;
  name: string;
  key: string;
  relay: boolean;
  ticket: string;
}

/** What a download wants of its sources. */
export interface Asker {
  /** Chooses the next group to be asked for. */
  next(mayHave: (group: number) => boolean): number | null;
  /** Checks a group and writes it; throws `Mismatch` where it is not the content. */
  arrived(group: number, data: Uint8Array): Promise<void>;
  /** These are not on their way any more. */
  released(groups: number[]): void;
  opened(): void;
}

/** Somebody who sends: asked as far ahead as the window goes. */
export class Source {
  isOpen = false;
  #line: SealedLine | null = null;
  #have: Have | null = null;
  readonly #lacks = new Set<number>();
  readonly #outstanding = new Set<number>();
  readonly #lists = new Set<number>();
  #restsUntil = 0;
  #isClosed = false;

  constructor(
    public offer: SourceOffer,
    readonly server: Server,
    readonly verifier: Verifier,
    readonly asker: Asker,
  ) {}

  outstanding(): number[] {
    return [...this.#outstanding];
  }

  close() {
    this.#isClosed = true;
    this.#line?.close();
  }

  /** Speaks to it until it is of no more use; tells why it is not. */
  async run(): Promise<string> {
    const pipe = await SocketPipe.open(this.server.socket(`/v1/peers/${this.offer.peer}/call`));
    if (this.#isClosed) pipe.close();
    const line = await callPeer(pipe, bytesOfHex(this.offer.key));
    this.#line = line;
    let heardAt = Date.now();
    const watch = setInterval(() => {
      const isDue = !this.isOpen || this.#outstanding.size > 0;
      if (!isDue) heardAt = Date.now();
      else if (Date.now() - heardAt > STALL_MS) line.close();
      this.askMore();
    }, 1000);
    try {
      await line.send(Uint8Array.of(FETCH));
      if ((await line.receive(0)) === null) return 'it has hung up';
      await this.#send({ open: { root: this.verifier.root, ticket: bytesOfBase64(this.offer.ticket), secret: new Uint8Array(), collection: new Uint8Array() } });
      for (;;) {
        const message = await line.receive(ANSWER_BYTES_MAX);
        if (message === null) return 'it has hung up';
        heardAt = Date.now();
        const { content, answer } = readResponse(message);
        const why = content === CONTENT && answer ? await this.#take(answer) : null;
        if (why !== null) return why;
        this.askMore();
      }
    } catch (thrown) {
      if (this.#isClosed) return 'it is not needed any more';
      throw thrown;
    } finally {
      clearInterval(watch);
      line.close();
    }
  }

  #send(ask: Ask): Promise<void> {
    return this.#line!.send(writeRequest({ content: CONTENT, ask }));
  }

  /** Fills the window. What cannot be sent is found out where answers are read. */
  askMore() {
    if (!this.isOpen || Date.now() < this.#restsUntil) return;
    const mayHave = (group: number) => !this.#lacks.has(group) && (this.#have?.has(group) ?? true);
    while (this.#outstanding.size < WINDOW_GROUPS) {
      const group = this.asker.next(mayHave);
      if (group === null) return;
      const segment = this.verifier.shape.segmentOf(group);
      if (!this.verifier.knows(segment) && !this.#lists.has(segment)) {
        this.#lists.add(segment);
        this.#send({ segment }).catch(() => {});
      }
      this.#outstanding.add(group);
      this.#send({ groups: { first: group, count: 1 } }).catch(() => {});
    }
  }

  /** Takes an answer; a text says why there is no more to be had. */
  async #take(answer: Answer): Promise<string | null> {
    if ('opened' in answer) {
      const { size, segments, have } = answer.opened;
      if (this.isOpen) throw new Mismatch();
      if (size !== this.verifier.shape.size) return 'what it has is of another size';
      this.verifier.takeTop(segments);
      this.#have = have && Have.read(this.verifier.shape.groups, have);
      this.isOpen = true;
      this.asker.opened();
    } else if ('segment' in answer) {
      if (!this.#lists.has(answer.segment.segment)) throw new Mismatch();
      this.verifier.takeSegment(answer.segment.segment, answer.segment.groups);
    } else if ('group' in answer) {
      const { index, data } = answer.group;
      // What was not asked for could come again and again, and never be wrong.
      if (!this.#outstanding.has(index)) throw new Mismatch();
      await this.asker.arrived(index, data.slice());
      this.#outstanding.delete(index);
    } else {
      return this.#refused(answer.refused);
    }
    return null;
  }

  #refused({ reason, text, retryAfterMs, groups }: Refused): string | null {
    if (!groups) return text;
    const gone: number[] = [];
    const end = Math.min(groups.first + groups.count, this.verifier.shape.groups);
    for (let group = groups.first; group < end; group++) {
      if (!this.#outstanding.delete(group)) continue;
      if (reason !== Reason.busy) this.#lacks.add(group);
      gone.push(group);
    }
    if (reason === Reason.busy) this.#restsUntil = Date.now() + Math.min(Math.max(retryAfterMs, 100), 60_000);
    this.asker.released(gone);
    return null;
  }
}


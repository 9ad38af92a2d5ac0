import { isSame } from './content.ts';
import type { Transfer } from './messages.ts';
import { Rate } from './rate.ts';
import { answerCall, type Identity, type Pipe, type SealedLine } from './sealed.ts';
import { hexOf } from './server.ts';
import type { Held, Shares } from './shares.ts';
import { Denied, verifyTicket, type TicketKey } from './ticket.ts';
import { readRequest, Reason, writeResponse, type Answer, type Open, type Refused, type Run } from './wire.ts';

/** What a call is for: the first message on its line. */
export const FETCH = 1;
export const OFFER = 2;
/** The code by which gRPC says that there is no such call. */
const UNIMPLEMENTED = 12;

/** The longest request: names and tickets. */
export const REQUEST_BYTES_MAX = 64 << 10;
const LINES_MAX = 16;
const LINES_PER_ACCOUNT_MAX = 8;
const OPEN_MAX = 64;
const WAITING_MAX = 8192;
const BUSY_RETRY_MS = 500;

/** What serving needs to know of this page. */
export interface House {
  shares: Shares;
  identity(): Identity | null;
  keys(): TicketKey[];
  now(): number;
  /** Tells whether a secret was given away for a content. */
  opens(secret: Uint8Array, root: string): boolean;
  /** Lists a transfer from now on. */
  list(transfer: Transfer, rate: Rate): void;
  tell(): void;
}

/** A content that a caller has open. */
interface Opening {
  held: Held;
  transfer: Transfer;
  rate: Rate;
}

type Job = { content: number } & ({ segment: number } | { groups: Run } | { close: true });

/** Answers the calls of other peers. */
export class Serving {
  #lines = 0;
  readonly #accounts = new Map<string, number>();

  constructor(readonly house: House) {}

  /** Answers one call until the caller has hung up. */
  async answer(pipe: Pipe) {
    const identity = this.house.identity();
    if (!identity || this.#lines >= LINES_MAX) {
      pipe.close();
      return;
    }
    this.#lines += 1;
    let line: SealedLine | null = null;
    try {
      line = await answerCall(pipe, identity);
      const call = await line.receive(REQUEST_BYTES_MAX);
      if (call?.[0] === FETCH) {
        // It is served: the first message says so, and nothing else.
        await line.send(new Uint8Array());
        await new Stream(this, line).run();
      } else if (call) {
        await line.refuse(UNIMPLEMENTED, 'this peer takes no files');
      }
    } catch {
      // How it ended is the caller's business.
    } finally {
      this.#lines -= 1;
      line?.close();
    }
  }

  /** Takes a place for one more line of an account; tells whether there is one. */
  seat(account: string): boolean {
    const count = this.#accounts.get(account) ?? 0;
    if (count >= LINES_PER_ACCOUNT_MAX) return false;
    this.#accounts.set(account, count + 1);
    return true;
  }

  leave(account: string) {
    const count = this.#accounts.get(account) ?? 1;
    if (count === 1) this.#accounts.delete(account);
    else this.#accounts.set(account, count - 1);
  }
}

/** One line that is served: what was asked for, in the order in which it was asked. */
class Stream {
  readonly #open = new Map<number, Opening>();
  #jobs: Job[] = [];
  #account: string | null = null;
  #hasHungUp = false;
  #wake: (() => void) | null = null;

  constructor(
    readonly serving: Serving,
    readonly line: SealedLine,
  ) {}

  async run() {
    const listening = this.#listen();
    try {
      while (!this.#hasHungUp) {
        const job = this.#jobs.shift();
        if (job) await this.#serve(job);
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.line.close();
      await listening;
      if (this.#account !== null) this.serving.leave(this.#account);
      for (const opening of this.#open.values()) this.#end(opening);
    }
  }

  async #listen() {
    try {
      for (;;) {
        const message = await this.line.receive(REQUEST_BYTES_MAX);
        if (message === null || this.#jobs.length >= WAITING_MAX) break;
        const { content, ask } = readRequest(message);
        if (ask === null) await this.#refuse(content, Reason.invalid, 'nothing is asked');
        else if ('open' in ask) await this.#take(content, ask.open);
        else if ('cancel' in ask) this.#cancel(content, ask.cancel);
        // What is closed or was refused has been told so.
        else if (this.#open.has(content)) this.#jobs.push({ content, ...ask });
        this.#wake?.();
      }
    } catch {
      // What cannot be read ends the line, as hanging up does.
    }
    this.#hasHungUp = true;
    this.#wake?.();
  }

  async #take(content: number, open: Open) {
    const { house } = this.serving;
    if (this.#open.has(content) || this.#open.size >= OPEN_MAX) return this.#refuse(content, Reason.invalid, `at most ${OPEN_MAX} contents may be open`);
    // Whose a secret is, the offer tells; only a ticket names an account.
    const isOffered = open.ticket.length === 0 && house.opens(open.secret, hexOf(open.root));
    let account: string;
    try {
      // A page shares no folders: a permission is for the content itself.
      if (open.collection.length > 0 && !isSame(open.collection, open.root)) throw new Denied('the folder that the ticket is for is not here');
      account = isOffered ? '' : await verifyTicket(open.ticket, house.keys(), { peer: house.identity()!.fingerprint, root: open.root, right: 'fetch' }, house.now());
    } catch (thrown) {
      return this.#refuse(content, Reason.ticket, thrown instanceof Denied ? thrown.message : 'the ticket cannot be checked');
    }
    if (this.#account === null) {
      if (!this.serving.seat(account)) return this.#refuse(content, Reason.busy, `as many downloads of ${account} as there may be are served already`, BUSY_RETRY_MS);
      this.#account = account;
    }
    const held = house.shares.find(hexOf(open.root));
    if (!held?.outline) return this.#refuse(content, Reason.notHere, 'it is not here any more');
    const { share } = held;
    const transfer: Transfer = {
      id: 0,
      way: 'out',
      root: share.root!,
      name: share.name,
      size: share.size,
      bytes: 0,
      rate: 0,
      stage: 'passing',
      partners: [account],
      liars: [],
      trouble: null,
      sinceMs: Date.now(),
    };
    const rate = new Rate();
    this.#open.set(content, { held, transfer, rate });
    return this.#answer(content, { opened: { size: share.size, segments: held.outline.top, have: null } });
  }

  async #serve(job: Job) {
    const opening = this.#open.get(job.content);
    if (!opening) return;
    if ('close' in job) {
      this.#open.delete(job.content);
      this.#end(opening);
    } else if ('segment' in job) {
      const groups = opening.held.outline!.segment(job.segment);
      if (groups.length === 0) await this.#refuse(job.content, Reason.notHere, 'there is no such segment');
      else await this.#answer(job.content, { segment: { segment: job.segment, groups } });
    } else {
      const { first, count } = job.groups;
      if (count > 1) this.#jobs.unshift({ content: job.content, groups: { first: first + 1, count: count - 1 } });
      await this.#serveGroup(job.content, opening, first);
    }
  }

  async #serveGroup(content: number, { held, transfer, rate }: Opening, group: number) {
    const { house } = this.serving;
    const { shape } = held.outline!;
    const { share } = held;
    // Stopped meanwhile: what was not sent is not sent any more.
    if (house.shares.get(share.id) !== held) {
      this.#open.delete(content);
      return this.#refuse(content, Reason.notHere, 'it is not here any more');
    }
    if (shape.length(group) === 0) return this.#refuse(content, Reason.notYet, 'there is no such group', 0, { first: group, count: 1 });
    let data: Uint8Array;
    try {
      const start = shape.start(group);
      data = new Uint8Array(await held.file.slice(start, start + shape.length(group)).arrayBuffer());
    } catch {
      this.#open.delete(content);
      Object.assign(share, { stage: 'failed', trouble: { kind: 'unreadable' } });
      house.tell();
      return this.#refuse(content, Reason.changed, 'the file was changed while it was shared');
    }
    await this.#answer(content, { group: { index: group, data } });
    // Listed with the first byte: whoever only looks fetches nothing.
    if (transfer.bytes === 0 && transfer.partners[0] !== '') house.list(transfer, rate);
    transfer.bytes += data.length;
    share.sent += data.length;
    rate.add(data.length);
    house.tell();
  }

  #end({ transfer }: Opening) {
    transfer.stage = transfer.bytes >= transfer.size ? 'done' : 'cancelled';
    this.serving.house.tell();
  }

  #cancel(content: number, gone: Run) {
    this.#jobs = this.#jobs.flatMap((job): Job[] => {
      if (job.content !== content || !('groups' in job)) return [job];
      const [start, end] = [job.groups.first, job.groups.first + job.groups.count];
      const [from, to] = [gone.first, gone.first + gone.count];
      const left = [
        { first: start, count: Math.min(end, from) - start },
        { first: Math.max(start, to), count: end - Math.max(start, to) },
      ];
      return left.filter(({ count }) => count > 0).map((groups) => ({ content, groups }));
    });
  }

  #refuse(content: number, reason: number, text: string, retryAfterMs = 0, groups: Refused['groups'] = null) {
    return this.#answer(content, { refused: { reason, text, retryAfterMs, groups } });
  }

  #answer(content: number, answer: Answer): Promise<void> {
    return this.line.send(writeResponse({ content, answer }));
  }
}


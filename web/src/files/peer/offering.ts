import { Problem } from '../../api/problem.ts';
import type { Transfer } from './messages.ts';
import { SocketPipe } from './pipe.ts';
import { Rate } from './rate.ts';
import { callPeer, type Identity } from './sealed.ts';
import { bytesOfBase64, bytesOfHex, hexOf, type Server } from './server.ts';
import { OFFER, REQUEST_BYTES_MAX } from './serving.ts';
import type { Held } from './shares.ts';
import { readOfferState, writeOffer } from './wire.ts';

/** Peers that are asked at the same time. */
const ASKED_MAX = 8;

interface Receiver {
  peer: string;
  account: string;
  name: string;
  key: string;
  relay: boolean;
  sealed: boolean;
  ticket: string;
}

/** What offering needs to know of this page. */
export interface Offerer {
  server: Server;
  id(): string | null;
  identity(): Identity | null;
  /** Lets whoever shows the secret fetch a content, until what is returned is called. */
  allow(secret: Uint8Array, root: string): () => void;
  list(transfer: Transfer, rate: Rate): void;
  tell(): void;
}

/**
 * Brings a file to the programs of a person that take files: each is asked, and fetches it from here if it wants it. Pages are not asked:
 * their people find it by the message.
 */
export async function offerTo(login: string, { share }: Held, offerer: Offerer) {
  const { server } = offerer;
  const from = offerer.id();
  if (from === null || share.root === null) return;
  let receivers: Receiver[];
  try {
    const body = { from, root: share.root, name: share.name, size: share.size, kind: 'file', to: { account: login } };
    receivers = (await server.ask<{ receivers: Receiver[] }>('POST', '/v1/offers', body)).receivers;
  } catch (thrown) {
    // Nobody there is the usual case; the file can be found all the same.
    void Problem.of(thrown);
    return;
  }
  const asked = receivers.filter(({ relay, sealed }) => relay && !sealed).slice(0, ASKED_MAX);
  await Promise.all(asked.map((receiver) => offer(receiver, share, offerer)));
}

async function offer({ peer, account, name, key, ticket }: Receiver, share: Held['share'], offerer: Offerer) {
  const identity = offerer.identity();
  if (!identity || share.root === null) return;
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const end = offerer.allow(secret, share.root);
  const rate = new Rate();
  const transfer: Transfer = {
    id: 0,
    way: 'out',
    root: share.root,
    name: share.name,
    size: share.size,
    bytes: 0,
    rate: 0,
    stage: 'asking',
    partners: [`${account}/${name}`],
    liars: [],
    trouble: null,
    sinceMs: Date.now(),
  };
  try {
    const line = await callPeer(await SocketPipe.open(offerer.server.socket(`/v1/peers/${peer}/call`)), bytesOfHex(key));
    try {
      const { fingerprint } = identity;
      await line.send(Uint8Array.of(OFFER));
      await line.send(
        writeOffer({
          ticket: bytesOfBase64(ticket),
          root: bytesOfHex(share.root),
          name: share.name,
          size: share.size,
          isCollection: false,
          addresses: [],
          key: fingerprint,
          secret,
          total: share.size,
        }),
      );
      // What takes no files says so at once, and nothing is listed of it.
      if ((await line.receive(0)) === null) return;
      offerer.list(transfer, rate);
      for (;;) {
        const message = await line.receive(REQUEST_BYTES_MAX);
        const state = message && readOfferState(message);
        if (message === null) throw new Error('it has hung up');
        if (state && 'fetched' in state) {
          rate.add(state.fetched - transfer.bytes);
          Object.assign(transfer, { stage: 'passing', bytes: state.fetched });
        } else if (state && ('done' in state || 'already' in state)) {
          Object.assign(transfer, { stage: 'done', bytes: share.size });
          return;
        } else if (state && 'refused' in state) {
          throw new Error(state.refused);
        }
        offerer.tell();
      }
    } finally {
      line.close();
    }
  } catch (thrown) {
    Object.assign(transfer, { stage: 'failed', trouble: { kind: 'declined', text: thrown instanceof Error ? thrown.message : String(thrown) } });
  } finally {
    end();
    offerer.tell();
  }
}

/** The secrets that go with offers, with what each opens. */
export class Secrets {
  readonly #roots = new Map<string, string>();

  allow(secret: Uint8Array, root: string): () => void {
    const key = hexOf(secret);
    this.#roots.set(key, root);
    return () => this.#roots.delete(key);
  }

  opens(secret: Uint8Array, root: string): boolean {
    return this.#roots.get(hexOf(secret)) === root;
  }
}

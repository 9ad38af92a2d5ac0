/**
 * The sealed line: what two peers say to each other inside a call through the server, when one of them is a browser and has no TLS of its
 * own to speak. `docs/adr/0019` says why it is so, and `docs/files.md` has it to the byte; a peer that speaks TLS tells the two apart by the
 * first byte of a call.
 *
 *     initiator                                          responder
 *     magic, ephemeral key ───────────────────────────▶
 *                          ◀── ephemeral key, public key, signature
 *     frames of AES-256-GCM ◀─────────────────────────▶ frames of AES-256-GCM
 *
 * Whoever calls knows from the server the hash of the public key that must answer. Who calls is shown by tickets, inside.
 */

/** Bytes both ways; the pipe decides how they are cut. */
export interface Pipe {
  /** Sends bytes; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** The next bytes; null when there are no more. */
  read(): Promise<Uint8Array | null>;
  close(): void;
}

/** A key of one's own, by which others know this peer. */
export interface Identity {
  privateKey: CryptoKey;
  /** The public key as a SubjectPublicKeyInfo. */
  publicKey: Uint8Array;
  /** SHA-256 of that. */
  fingerprint: Uint8Array;
}

/** The line cannot be opened, or is not what it should be. */
export class LineError extends Error {
  constructor(
    readonly kind: 'lost' | 'stranger' | 'foreign' | 'forged' | 'worn' | 'refused',
    message: string,
  ) {
    super(message);
    this.name = 'LineError';
  }
}

/** What a call begins with; a ClientHello of TLS begins with 0x16. */
export const MAGIC = new TextEncoder().encode('chaski-sealed\x01');
const SIGNED = new TextEncoder().encode('chaski sealed line 1, responder');
const FROM_INITIATOR = new TextEncoder().encode('chaski sealed line 1, from the initiator');
const FROM_RESPONDER = new TextEncoder().encode('chaski sealed line 1, from the responder');

const POINT_BYTES = 65;
const PUBLIC_KEY_BYTES = 91;
const SIGNATURE_BYTES = 64;
const TAG_BYTES = 16;
/** Bytes of a sealed frame, with its length before it: what the relay takes as one message. */
const FRAME_BYTES_MAX = 65_536;
const PLAIN_BYTES_MAX = FRAME_BYTES_MAX - 2 - TAG_BYTES;
/** What stands before each message, as gRPC has it: what it is, and its length. */
const HEAD_BYTES = 5;
const SAID = 0;
const REFUSED = 1;
const REFUSAL_BYTES_MAX = 4096;
/** Frames of one direction, far below what AES-GCM bears under one key; whoever has more to say opens another line. */
export const FRAMES_MAX = 2 ** 20;
/** How often something is said on a silent line: the server ends calls in which nothing passes for a minute. */
const BEAT_MS = 20_000;
const SILENCE_MS = 60_000;
const HANDSHAKE_MS = 10_000;

const ecdh = { name: 'ECDH', namedCurve: 'P-256' };
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
const signing = { name: 'ECDSA', hash: 'SHA-256' };

/** WebCrypto takes what is no shared memory; nothing here is. */
type Bytes = Uint8Array<ArrayBuffer>;
const plain = (bytes: Uint8Array) => bytes as Bytes;

export function joined(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export async function sha256(bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', plain(bytes)));
}

/** Makes a key that ends with the page: its private half can be read by nobody. */
export async function makeIdentity(): Promise<Identity> {
  const pair = await crypto.subtle.generateKey(ecdsa, false, ['sign', 'verify']);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  return { privateKey: pair.privateKey, publicKey, fingerprint: await sha256(publicKey) };
}

/** Takes exact numbers of bytes out of a pipe. */
class Reader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(readonly pipe: Pipe) {}

  /** So many bytes; null when the pipe has ended before the first. */
  async exact(length: number): Promise<Bytes | null> {
    while (this.#bytes < length) {
      const chunk = await this.pipe.read();
      if (chunk === null) {
        if (this.#bytes === 0) return null;
        throw new LineError('lost', 'the line was cut');
      }
      if (chunk.length > 0) this.#chunks.push(chunk);
      this.#bytes += chunk.length;
    }
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#bytes -= length;
    return out;
  }
}

interface Ephemeral {
  point: Uint8Array;
  privateKey: CryptoKey;
}

async function makeEphemeral(): Promise<Ephemeral> {
  const pair = await crypto.subtle.generateKey(ecdh, false, ['deriveBits']);
  return { point: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)), privateKey: pair.privateKey };
}

/** The keys of both directions, from what only the two ends know and from all that was said. */
async function keysOf(own: Ephemeral, other: Uint8Array, transcript: Uint8Array): Promise<{ initiator: CryptoKey; responder: CryptoKey }> {
  const point = await crypto.subtle.importKey('raw', plain(other), ecdh, false, []).catch(() => {
    throw new LineError('foreign', 'no point of the curve');
  });
  const secret = await crypto.subtle.deriveBits({ name: 'ECDH', public: point }, own.privateKey, 256);
  const master = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const key = (info: Uint8Array) =>
    crypto.subtle.deriveKey({ name: 'HKDF', hash: 'SHA-256', salt: plain(transcript), info: plain(info) }, master, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const [initiator, responder] = await Promise.all([key(FROM_INITIATOR), key(FROM_RESPONDER)]);
  return { initiator, responder };
}

/** Gives up a pipe that says nothing, by closing it. */
async function inTime<Done>(pipe: Pipe, work: Promise<Done>): Promise<Done> {
  const timer = setTimeout(() => pipe.close(), HANDSHAKE_MS);
  try {
    return await work;
  } catch (thrown) {
    pipe.close();
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

/** Opens a line to the peer with this key, and to nobody else. */
export function callPeer(pipe: Pipe, fingerprint: Uint8Array): Promise<SealedLine> {
  return inTime(pipe, call(pipe, fingerprint));
}

async function call(pipe: Pipe, fingerprint: Uint8Array): Promise<SealedLine> {
  const own = await makeEphemeral();
  await pipe.write(joined(MAGIC, own.point));
  const reader = new Reader(pipe);
  const point = await reader.exact(POINT_BYTES).catch(() => null);
  if (point === null) throw new LineError('lost', 'it has hung up');
  // TLS answers with an alert, whose first byte is another one.
  if (point[0] !== 4) throw new LineError('foreign', 'it does not speak as browsers do');
  const rest = await reader.exact(PUBLIC_KEY_BYTES + SIGNATURE_BYTES);
  if (rest === null) throw new LineError('lost', 'it has hung up');
  const publicKey = rest.slice(0, PUBLIC_KEY_BYTES);
  const hash = await sha256(publicKey);
  if (hash.some((byte, index) => byte !== fingerprint[index])) throw new LineError('stranger', 'somebody else answers for it');
  const transcript = await sha256(joined(MAGIC, own.point, point, publicKey));
  const key = await crypto.subtle.importKey('spki', publicKey, ecdsa, false, ['verify']);
  const isSigned = await crypto.subtle.verify(signing, key, rest.slice(PUBLIC_KEY_BYTES), joined(SIGNED, transcript));
  if (!isSigned) throw new LineError('stranger', 'somebody else answers for it');
  const keys = await keysOf(own, point, transcript);
  return new SealedLine(reader, keys.initiator, keys.responder);
}

/** Answers a call as the peer whose identity it is. */
export function answerCall(pipe: Pipe, identity: Identity): Promise<SealedLine> {
  return inTime(pipe, answer(pipe, identity));
}

async function answer(pipe: Pipe, identity: Identity): Promise<SealedLine> {
  const reader = new Reader(pipe);
  const hello = await reader.exact(MAGIC.length + POINT_BYTES);
  if (hello === null) throw new LineError('lost', 'it has hung up');
  if (MAGIC.some((byte, index) => byte !== hello[index])) throw new LineError('foreign', 'it does not speak the sealed line');
  const point = hello.slice(MAGIC.length);
  const own = await makeEphemeral();
  const transcript = await sha256(joined(hello, own.point, identity.publicKey));
  const keys = await keysOf(own, point, transcript);
  const signature = await crypto.subtle.sign(signing, identity.privateKey, joined(SIGNED, transcript));
  await pipe.write(joined(own.point, identity.publicKey, new Uint8Array(signature)));
  return new SealedLine(reader, keys.responder, keys.initiator);
}

/** Messages to and from the other end, each whole or not at all. */
export class SealedLine {
  readonly #reader: Reader;
  readonly #seal: CryptoKey;
  readonly #unseal: CryptoKey;
  #sent = 0;
  #heard = 0;
  #heardAt = Date.now();
  #last: Promise<void> = Promise.resolve();
  /** What was unsealed and belongs to messages that were not taken yet. */
  #open: Uint8Array[] = [];
  #openBytes = 0;
  #beat: ReturnType<typeof setInterval> | undefined;
  isClosed = false;

  constructor(reader: Reader, seal: CryptoKey, unseal: CryptoKey) {
    this.#reader = reader;
    this.#seal = seal;
    this.#unseal = unseal;
    this.#beat = setInterval(() => {
      if (Date.now() - this.#heardAt > SILENCE_MS) this.close();
      else void this.#queue([new Uint8Array()]).catch(() => this.close());
    }, BEAT_MS);
  }

  /** Sends a message behind all before it; resolves when there is room for more. */
  send(message: Uint8Array): Promise<void> {
    return this.#sendAs(SAID, message);
  }

  /** Refuses the call, with a code of gRPC's and a text for people. */
  refuse(code: number, text: string): Promise<void> {
    return this.#sendAs(REFUSED, joined(Uint8Array.of(code), new TextEncoder().encode(text)));
  }

  #sendAs(kind: number, message: Uint8Array): Promise<void> {
    const whole = new Uint8Array(HEAD_BYTES + message.length);
    whole[0] = kind;
    new DataView(whole.buffer).setUint32(1, message.length);
    whole.set(message, HEAD_BYTES);
    const frames = [];
    for (let at = 0; at < whole.length; at += PLAIN_BYTES_MAX) frames.push(whole.subarray(at, at + PLAIN_BYTES_MAX));
    return this.#queue(frames);
  }

  #queue(frames: Uint8Array[]): Promise<void> {
    const sending = this.#last.then(async () => {
      for (const frame of frames) await this.#sendFrame(frame);
    });
    this.#last = sending.catch(() => {});
    return sending;
  }

  async #sendFrame(frame: Uint8Array) {
    if (this.isClosed) throw new LineError('lost', 'the line is closed');
    if (this.#sent >= FRAMES_MAX) throw new LineError('worn', 'the line has carried as much as it may');
    const head = lengthOf(frame.length + TAG_BYTES);
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce(this.#sent++), additionalData: head }, this.#seal, plain(frame));
    await this.#reader.pipe.write(joined(head, new Uint8Array(sealed)));
  }

  /**
   * The next message, of at most so many bytes; null when the other end has hung up between two. Throws what it refuses the call with. One
   * at a time may wait.
   */
  async receive(bytesMax: number): Promise<Uint8Array | null> {
    if (!(await this.#gather(HEAD_BYTES, this.#openBytes === 0))) return null;
    const head = this.#take(HEAD_BYTES);
    const length = new DataView(head.buffer).getUint32(1);
    const longest = head[0] === REFUSED ? REFUSAL_BYTES_MAX : bytesMax;
    if (length > longest || head[0]! > REFUSED) throw new LineError('forged', `a message of ${length} bytes`);
    await this.#gather(length, false);
    const message = this.#take(length);
    if (head[0] === REFUSED) throw new LineError('refused', new TextDecoder().decode(message.subarray(1)));
    return message;
  }

  async #gather(length: number, mayEnd: boolean): Promise<boolean> {
    while (this.#openBytes < length) {
      const frame = await this.#receiveFrame();
      if (frame === null) {
        if (mayEnd && this.#openBytes === 0) return false;
        throw new LineError('lost', 'the line was cut');
      }
      if (frame.length === 0) continue;
      this.#open.push(frame);
      this.#openBytes += frame.length;
    }
    return true;
  }

  async #receiveFrame(): Promise<Uint8Array | null> {
    const head = await this.#reader.exact(2);
    if (head === null) return null;
    const length = (head[0]! << 8) | head[1]!;
    if (length < TAG_BYTES || length > FRAME_BYTES_MAX - 2) throw new LineError('forged', 'no frame has this length');
    if (this.#heard >= FRAMES_MAX) throw new LineError('worn', 'the line has carried as much as it may');
    const sealed = await this.#reader.exact(length);
    if (sealed === null) throw new LineError('lost', 'the line was cut');
    try {
      const frame = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce(this.#heard++), additionalData: head }, this.#unseal, sealed);
      this.#heardAt = Date.now();
      return new Uint8Array(frame);
    } catch {
      throw new LineError('forged', 'what came was changed on its way');
    }
  }

  /** Takes what was gathered, into memory of its own. */
  #take(length: number): Bytes {
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const chunk = this.#open[0]!;
      const part = chunk.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#open.shift();
      else this.#open[0] = chunk.subarray(part.length);
    }
    this.#openBytes -= length;
    return out;
  }

  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.#beat);
    this.#reader.pipe.close();
  }
}

function lengthOf(length: number): Bytes {
  return Uint8Array.of(length >> 8, length & 0xff);
}

/** The number of a frame as its nonce: each is used once under its key. */
function nonce(number: number): Bytes {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint32(8, number);
  return bytes;
}

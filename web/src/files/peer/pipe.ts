import { LineError, type Pipe } from './sealed.ts';

/** What may wait in the browser to be sent: enough for a path that is fast and long. */
const UNSENT_BYTES_MAX = 1 << 20;
const ROOM_POLL_MS = 4;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Hands bytes to whoever reads, when they come. */
export class Inbox {
  #chunks: Uint8Array[] = [];
  #hasEnded = false;
  #wake: (() => void) | null = null;

  push(chunk: Uint8Array) {
    if (this.#hasEnded) return;
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  end() {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) return chunk;
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}

/** A call through the server, as a pipe. */
export class SocketPipe implements Pipe {
  readonly #socket: WebSocket;
  readonly #inbox = new Inbox();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#inbox.push(new Uint8Array(data));
      else this.close();
    };
    socket.onclose = () => this.#inbox.end();
  }

  /** Opens the WebSocket at a path of the server; what the server says in refusing it is not shown to scripts. */
  static async open(url: URL): Promise<SocketPipe> {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const pipe = new SocketPipe(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new LineError('lost', 'it does not answer the call'));
    });
    return pipe;
  }

  async write(bytes: Uint8Array) {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new LineError('lost', 'the line is closed');
    this.#socket.send(bytes as Uint8Array<ArrayBuffer>);
    while (this.#socket.bufferedAmount > UNSENT_BYTES_MAX && this.#socket.readyState === WebSocket.OPEN) await pause(ROOM_POLL_MS);
  }

  read(): Promise<Uint8Array | null> {
    return this.#inbox.next();
  }

  close() {
    this.#inbox.end();
    this.#socket.close();
  }
}

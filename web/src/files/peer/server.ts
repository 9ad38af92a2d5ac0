import { Problem } from '../../api/problem.ts';

/** The server, as a worker asks it: the session's cookie goes along by itself, the token beside it is told by the page. */
export class Server {
  csrf = '';
  /** How far the server's clock is before this machine's. */
  #ahead = 0;

  /** The server's time, as well as it is known: tickets are made by it. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  async ask<Answer>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const headers = new Headers({ 'X-CSRF-Token': this.csrf });
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    const sent = Date.now();
    let response: Response;
    try {
      response = await fetch(path, { method, headers, credentials: 'same-origin', ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    } catch (thrown) {
      throw Problem.of(thrown);
    }
    this.#read(response.headers.get('Date'), sent);
    const text = await response.text();
    let answer: unknown = null;
    try {
      answer = text === '' ? null : JSON.parse(text);
    } catch {
      // A proxy's page in place of an answer: its status says enough.
    }
    if (!response.ok) throw Problem.read(response, answer);
    return answer as Answer;
  }

  /** The header counts whole seconds, and is from between sending and now. */
  #read(date: string | null, sent: number) {
    const told = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(told)) return;
    const offset = told + 500 - (sent + Date.now()) / 2;
    // Less than that is the way and the rounding.
    this.#ahead = Math.abs(offset) < 2000 ? 0 : offset;
  }

  /** The address of a WebSocket. */
  socket(path: string): URL {
    const url = new URL(path, location.origin);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url;
  }
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16));
}

/** Reads URL-safe base64 without padding. */
export function bytesOfBase64(text: string): Uint8Array {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

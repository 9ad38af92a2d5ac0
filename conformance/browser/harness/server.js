import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { eventually } from './eventually.js';
import { Ports } from './ports.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOORS = ['amqp', 'amqps', 'http', 'https', 'management', 'line', 'line-tls'];

/** `chaski serve` with a data directory and ports of its own, which a restart keeps. */
export class Server {
  #binary = process.env.CHASKI_BIN ?? join(ROOT, 'target/release/chaski');
  #settings;
  #directory;
  #process;
  #ports;
  /** What the server told when it was ready: the address of each door, `page`, `admin-link` and `join-link`. */
  ready = {};

  constructor(settings) {
    this.#settings = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  }

  static async start(settings = {}) {
    const server = new Server(settings);
    server.#ports = await Ports.reserve(DOORS.length);
    server.#directory = await mkdtemp(join(tmpdir(), 'chaski-browser-'));
    await server.begin();
    return server;
  }

  /** Starts it, or starts it again, and returns when it listens. */
  async begin() {
    const doors = DOORS.flatMap((door, index) => [`--${door}`, `127.0.0.1:${this.#ports.numbers[index]}`]);
    const args = ['serve', '--data', join(this.#directory, 'data'), ...doors, '--ready-json', ...this.#settings];
    this.#process = spawn(this.#binary, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const told = await new Promise((resolve, reject) => {
      let text = '';
      this.#process.stdout.on('data', (bytes) => {
        text += bytes;
        if (text.includes('\n')) resolve(JSON.parse(text.slice(0, text.indexOf('\n'))));
      });
      this.#process.once('exit', (code) => reject(new Error(`the server ended with ${code} while starting`)));
      this.#process.once('error', reject);
    });
    // The links to the first account are told once.
    this.ready = { ...this.ready, ...told };
  }

  /** Ends it in good order; its data stays. */
  async halt() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }

  async stop() {
    if (this.#process.exitCode === null) await this.halt();
    await this.#ports.release();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get page() {
    return `http://${this.ready.http}/`;
  }

  /** Asks the HTTP interface; a refusal is an error. */
  async ask(who, method, path, body) {
    const response = await fetch(new URL(path, this.page), {
      method,
      headers: {
        'content-type': 'application/json',
        ...(who ? { authorization: `Basic ${Buffer.from(`${who}:${passwordOf(who)}`).toString('base64')}` } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async account(login, more = {}) {
    await this.ask(null, 'POST', '/v1/accounts', { login, password: passwordOf(login), ...more });
  }

  say(login, room, text, more = {}) {
    return this.ask(login, 'POST', room.startsWith('@') ? `/v1/conversations/${room.slice(1)}/messages` : `/v1/rooms/${room}/messages`, { text, ...more });
  }

  /** A bare socket that is logged in, as `nc` would be. */
  async line(login) {
    const [host, port] = this.ready.line.split(':');
    const socket = net.connect(Number(port), host);
    const line = { heard: '', say: (text) => socket.write(`${text}\n`), end: () => socket.destroy() };
    socket.setEncoding('utf8');
    socket.on('data', (text) => (line.heard += text));
    await once(socket, 'connect');
    line.say(login);
    line.say(passwordOf(login));
    line.say('#lR');
    await eventually(() => line.heard.includes('lobby'), `${login} is logged in by a bare socket`);
    return line;
  }
}

/** Every account of these tests has a password that follows from its login. */
export function passwordOf(login) {
  return login === 'guest' ? 'guest' : `${login}-has-a-word`;
}

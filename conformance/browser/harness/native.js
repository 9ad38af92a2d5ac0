import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { passwordOf } from './server.js';

const BINARY = process.env.CHASKI_BIN ?? fileURLToPath(new URL('../../../target/release/chaski', import.meta.url));

/** Somebody at a terminal, with a home of their own, who is logged in. */
export class Native {
  #running = [];

  static async start(server, login) {
    const native = new Native();
    native.home = await mkdtemp(join(tmpdir(), 'chaski-native-'));
    native.folder = join(native.home, 'folder');
    await mkdir(native.folder);
    const { code, text } = await native.run(['login', server.page, '--login', login, '--password-stdin'], `${passwordOf(login)}\n`);
    if (code !== 0) throw new Error(`${login} is not logged in: ${text}`);
    return native;
  }

  #spawn(words, input = '') {
    const env = { HOME: this.home, XDG_CONFIG_HOME: join(this.home, '.config'), NO_COLOR: '1', PATH: process.env.PATH };
    const process_ = spawn(BINARY, words, { env, cwd: this.folder, stdio: ['pipe', 'pipe', 'pipe'] });
    process_.stdin.end(input);
    process_.text = '';
    for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (bytes) => (process_.text += bytes));
    return process_;
  }

  /** Runs a command to its end. */
  async run(words, input) {
    const running = this.#spawn(words, input);
    const [code] = await once(running, 'close');
    return { code, text: running.text };
  }

  /** Starts a command that goes on. */
  begin(words) {
    const running = this.#spawn(words);
    this.#running.push(running);
    return running;
  }

  async stop() {
    for (const running of this.#running) {
      const ended = running.exitCode === null ? once(running, 'close') : null;
      running.kill('SIGINT');
      await ended;
    }
    await rm(this.home, { recursive: true, force: true });
  }
}

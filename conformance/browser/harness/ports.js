import { once } from 'node:events';
import net from 'node:net';

// Linux gives the ports from 32768 on to outgoing connections: one of them may sit on a server's port before it is back.
const [LOWEST, HIGHEST] = [10_240, 32_000];
// The most that one server may want, and the port that says whose they are.
const SLICE = 16;

/** Loopback ports that stay a server's own while it is down: nobody who asks in this way is given them until `release`. */
export class Ports {
  #held;
  numbers;

  static async reserve(count) {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const start = LOWEST + SLICE * Math.floor((Math.random() * (HIGHEST - LOWEST)) / SLICE);
      const numbers = Array.from({ length: count }, (_, index) => start + 1 + index);
      // Whoever listens on a slice's first port has the whole slice, until its process ends at the latest.
      const held = await listen(start);
      if (!held) continue;
      if (await areFree(numbers)) return new Ports(held, numbers);
      await close(held);
    }
    throw new Error(`no ${count} ports in a row are free between ${LOWEST} and ${HIGHEST}`);
  }

  constructor(held, numbers) {
    // Whoever forgets to release them ends nevertheless.
    this.#held = held.unref();
    this.numbers = numbers;
  }

  /** Lets others have them. */
  release() {
    return close(this.#held);
  }
}

async function listen(port) {
  const listener = net.createServer().listen(port, '127.0.0.1');
  try {
    await once(listener, 'listening');
    return listener;
  } catch {
    return null;
  }
}

async function areFree(numbers) {
  for (const number of numbers) {
    const listener = await listen(number);
    if (!listener) return false;
    await close(listener);
  }
  return true;
}

async function close(listener) {
  listener.close();
  await once(listener, 'close');
}

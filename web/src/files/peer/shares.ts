import { Outline, Shape } from './content.ts';
import { VALUE_BYTES } from './blake3.ts';
import type { Audience, Share } from './messages.ts';
import { hexOf } from './server.ts';

/** Files that one page shares: what the server takes in one request. */
export const SHARES_MAX = 500;

/** A file of this page, with what peers verify it by. */
export interface Held {
  share: Share;
  file: File;
  outline: Outline | null;
}

/** The files of this page. */
export class Shares {
  readonly #held = new Map<number, Held>();
  #next = 1;

  all(): Held[] {
    return [...this.#held.values()];
  }

  get(id: number): Held | undefined {
    return this.#held.get(id);
  }

  /** Finds a content that can be fetched. */
  find(root: string): Held | undefined {
    return this.all().find(({ share }) => share.root === root && share.stage !== 'failed');
  }

  add(file: File, audience: Audience): Held {
    const share: Share = {
      id: this.#next++,
      name: file.name.normalize('NFC'),
      size: file.size,
      type: file.type || 'application/octet-stream',
      sinceMs: Date.now(),
      audience,
      stage: 'hashing',
      hashed: 0,
      root: null,
      trouble: null,
      sent: 0,
    };
    const held = { share, file, outline: null };
    this.#held.set(share.id, held);
    return held;
  }

  remove(id: number) {
    this.#held.delete(id);
  }

  /** Hashes a file, group by group, until it is done or was removed; tells whether it is done. */
  async hash(held: Held, tell: () => void): Promise<boolean> {
    const { share, file } = held;
    const shape = new Shape(file.size);
    const values = new Uint8Array(shape.groups * VALUE_BYTES);
    for (let group = 0; group < shape.groups; group++) {
      if (!this.#held.has(share.id)) return false;
      const start = shape.start(group);
      const bytes = new Uint8Array(await file.slice(start, start + shape.length(group)).arrayBuffer());
      values.set(shape.hashGroup(group, bytes), group * VALUE_BYTES);
      share.hashed = start + bytes.length;
      tell();
    }
    held.outline = new Outline(shape, values);
    share.root = hexOf(held.outline.root);
    return this.#held.has(share.id);
  }
}

import { Malformed } from './wire.ts';

/** A set of a content's groups: a bit for each. */
export class Have {
  readonly #bits: Uint8Array;
  count = 0;

  constructor(readonly total: number) {
    this.#bits = new Uint8Array(Math.ceil(total / 8));
  }

  has(group: number): boolean {
    return ((this.#bits[group >> 3] ?? 0) & (1 << (group & 7))) !== 0;
  }

  add(group: number) {
    if (group >= this.total || this.has(group)) return;
    this.#bits[group >> 3]! |= 1 << (group & 7);
    this.count += 1;
  }

  get isAll(): boolean {
    return this.count === this.total;
  }

  /** Finds the first group at or behind `from` that is not in the set; `total` where there is none. */
  missing(from: number): number {
    let group = from;
    while (group < this.total && this.has(group)) {
      if ((group & 7) === 0 && this.#bits[group >> 3] === 0xff) group += 8;
      else group += 1;
    }
    return Math.min(group, this.total);
  }

  /**
   * Reads the form for the wire: 0 and the lengths of runs, by turns outside and inside the set, or 1 and the bitmap, group 0 in the lowest
   * bit of the first byte.
   */
  static read(total: number, bytes: Uint8Array): Have {
    const have = new Have(total);
    if (bytes[0] === 1) {
      if (bytes.length !== Math.ceil(total / 8) + 1) throw new Malformed('a bitmap of another length');
      for (let group = 0; group < total; group++) if ((bytes[1 + (group >> 3)]! & (1 << (group & 7))) !== 0) have.add(group);
      return have;
    }
    if (bytes[0] !== 0) throw new Malformed('no set of groups');
    let at = 1;
    const length = () => {
      let value = 0;
      for (let shift = 0; shift < 35; shift += 7) {
        const byte = bytes[at++];
        if (byte === undefined) break;
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) return value;
      }
      throw new Malformed('a run is cut');
    };
    let group = 0;
    while (at < bytes.length) {
      group += length();
      const inside = length();
      if (inside === 0 || group + inside > total) throw new Malformed('a run of groups that there are not');
      for (const end = group + inside; group < end; group++) have.add(group);
    }
    return have;
  }
}

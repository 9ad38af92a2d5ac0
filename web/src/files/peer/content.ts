import { hashSubtree, joinValues, VALUE_BYTES } from './blake3.ts';

/** Bytes that are verified at once: a chunk group. */
export const GROUP_BYTES = 256 * 1024;
/** Groups of a segment, whose values are one list. */
export const SEGMENT_GROUPS = 4096;
/** Bytes of the largest content: 16 TiB. */
export const CONTENT_BYTES_MAX = GROUP_BYTES * 2 ** 26;
const GROUP_CHUNKS = GROUP_BYTES / 1024;

/** How a content of a size is cut; `docs/adr/0017` says why so. */
export class Shape {
  readonly size: number;
  readonly groups: number;
  readonly segments: number;

  constructor(size: number) {
    if (!Number.isSafeInteger(size) || size < 0 || size > CONTENT_BYTES_MAX) throw new RangeError(`no content has ${size} bytes`);
    this.size = size;
    this.groups = Math.ceil(size / GROUP_BYTES);
    this.segments = Math.ceil(this.groups / SEGMENT_GROUPS);
  }

  start(group: number): number {
    return group * GROUP_BYTES;
  }

  /** Bytes of a group; 0 where there is none. */
  length(group: number): number {
    return Math.max(0, Math.min(this.size - group * GROUP_BYTES, GROUP_BYTES));
  }

  segmentOf(group: number): number {
    return Math.floor(group / SEGMENT_GROUPS);
  }

  /** The groups of a segment, from the first to the one behind the last. */
  groupsOf(segment: number): [number, number] {
    return [Math.min(segment * SEGMENT_GROUPS, this.groups), Math.min((segment + 1) * SEGMENT_GROUPS, this.groups)];
  }

  /** Hashes the bytes of one group. The only group of a content has the root as its value. */
  hashGroup(group: number, bytes: Uint8Array): Uint8Array {
    return hashSubtree(bytes, group * GROUP_CHUNKS, this.groups <= 1);
  }

  /** Finds a segment's value from those of its groups; the only one's is the root. */
  mergeSegment(values: Uint8Array): Uint8Array {
    return merge(values, this.segments === 1);
  }

  /** Finds the root from the values of all segments. */
  mergeRoot(values: Uint8Array): Uint8Array {
    return values.length === 0 ? hashSubtree(new Uint8Array(), 0, true) : merge(values, true);
  }
}

/**
 * Finds the value above all of a list's. The left side of a node is the largest power of two of chunks that leaves something for the
 * right, and groups and segments are powers of two of chunks, so the same holds in counts of them.
 */
function merge(values: Uint8Array, isRoot: boolean): Uint8Array {
  const count = values.length / VALUE_BYTES;
  if (count === 1) return values.slice();
  const left = 2 ** Math.ceil(Math.log2(count) - 1) * VALUE_BYTES;
  return joinValues(merge(values.subarray(0, left), false), merge(values.subarray(left), false), isRoot);
}

export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** The values of a content that is here. */
export class Outline {
  readonly root: Uint8Array;
  /** Those of all segments, as they go over the wire; empty where the only group's value is the root. */
  readonly top: Uint8Array;

  constructor(
    readonly shape: Shape,
    readonly values: Uint8Array,
  ) {
    const segments = new Uint8Array(shape.segments * VALUE_BYTES);
    for (let segment = 0; segment < shape.segments; segment++) segments.set(shape.mergeSegment(this.segment(segment)), segment * VALUE_BYTES);
    this.root = shape.mergeRoot(segments);
    this.top = shape.groups > 1 ? segments : new Uint8Array();
  }

  /** The values of a segment's groups. */
  segment(segment: number): Uint8Array {
    const [start, end] = this.shape.groupsOf(segment);
    return this.values.subarray(start * VALUE_BYTES, end * VALUE_BYTES);
  }
}

/** What is not part of the content: somebody lied, or a disk did. */
export class Mismatch extends Error {
  constructor() {
    super('not what the hash of the content says');
    this.name = 'Mismatch';
  }
}

/** Verifies what comes of a content, whoever sends it: lists against what is above them, groups against their list. */
export class Verifier {
  #top: Uint8Array | null = null;
  readonly #segments = new Map<number, Uint8Array>();

  constructor(
    readonly shape: Shape,
    readonly root: Uint8Array,
  ) {
    // What has no inner nodes has no lists.
    if (shape.groups <= 1) {
      this.#top = root;
      this.#segments.set(0, root);
    } else if (shape.segments === 1) {
      this.#top = root;
    }
  }

  get knowsTop(): boolean {
    return this.#top !== null;
  }

  knows(segment: number): boolean {
    return this.#segments.has(segment);
  }

  takeTop(values: Uint8Array) {
    if (this.shape.groups <= 1) return;
    if (values.length !== this.shape.segments * VALUE_BYTES || !isSame(this.shape.mergeRoot(values), this.root)) throw new Mismatch();
    this.#top ??= values.slice();
  }

  takeSegment(segment: number, values: Uint8Array) {
    const [start, end] = this.shape.groupsOf(segment);
    const due = this.#top?.subarray(segment * VALUE_BYTES, (segment + 1) * VALUE_BYTES);
    if (!due || start === end || values.length !== (end - start) * VALUE_BYTES || !isSame(this.shape.mergeSegment(values), due)) throw new Mismatch();
    if (!this.#segments.has(segment)) this.#segments.set(segment, values.slice());
  }

  /** Forgets a segment's list, when all of its groups are here. */
  forget(segment: number) {
    if (this.shape.groups > 1) this.#segments.delete(segment);
  }

  checkGroup(group: number, bytes: Uint8Array) {
    const segment = this.shape.segmentOf(group);
    const place = (group - this.shape.groupsOf(segment)[0]) * VALUE_BYTES;
    const due = this.#segments.get(segment)?.subarray(place, place + VALUE_BYTES);
    if (!due || bytes.length !== this.shape.length(group) || !isSame(this.shape.hashGroup(group, bytes), due)) throw new Mismatch();
  }
}

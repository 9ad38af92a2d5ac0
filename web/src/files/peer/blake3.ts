/**
 * BLAKE3, as far as contents need it: values of whole subtrees, and of what is above them. The page's Content-Security-Policy forbids
 * WebAssembly, so it is plain arithmetic, unrolled as far as an engine's registers go.
 */

/** Bytes of a value, and of a root. */
export const VALUE_BYTES = 32;
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const IV = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
/** Values that wait for their right neighbour: one for each level of the largest tree. */
const LEVELS_MAX = 54;

/** Compresses one block of 16 words into a chaining value. */
function compress(cv: Int32Array, words: Int32Array, at: number, low: number, high: number, length: number, flags: number) {
  let m0 = words[at + 0]!, m1 = words[at + 1]!, m2 = words[at + 2]!, m3 = words[at + 3]!, m4 = words[at + 4]!, m5 = words[at + 5]!, m6 = words[at + 6]!, m7 = words[at + 7]!;
  let m8 = words[at + 8]!, m9 = words[at + 9]!, m10 = words[at + 10]!, m11 = words[at + 11]!, m12 = words[at + 12]!, m13 = words[at + 13]!, m14 = words[at + 14]!, m15 = words[at + 15]!;
  let v0 = cv[0]!, v1 = cv[1]!, v2 = cv[2]!, v3 = cv[3]!, v4 = cv[4]!, v5 = cv[5]!, v6 = cv[6]!, v7 = cv[7]!;
  let v8 = 0x6a09e667, v9 = 0xbb67ae85 | 0, v10 = 0x3c6ef372, v11 = 0xa54ff53a | 0, v12 = low, v13 = high, v14 = length, v15 = flags;
  let t;
  for (let round = 0; round < 7; round++) {
    v0 = (v0 + v4 + m0) | 0; v12 ^= v0; v12 = (v12 >>> 16) | (v12 << 16); v8 = (v8 + v12) | 0; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + m1) | 0; v12 ^= v0; v12 = (v12 >>> 8) | (v12 << 24); v8 = (v8 + v12) | 0; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + m2) | 0; v13 ^= v1; v13 = (v13 >>> 16) | (v13 << 16); v9 = (v9 + v13) | 0; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + m3) | 0; v13 ^= v1; v13 = (v13 >>> 8) | (v13 << 24); v9 = (v9 + v13) | 0; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + m4) | 0; v14 ^= v2; v14 = (v14 >>> 16) | (v14 << 16); v10 = (v10 + v14) | 0; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + m5) | 0; v14 ^= v2; v14 = (v14 >>> 8) | (v14 << 24); v10 = (v10 + v14) | 0; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + m6) | 0; v15 ^= v3; v15 = (v15 >>> 16) | (v15 << 16); v11 = (v11 + v15) | 0; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + m7) | 0; v15 ^= v3; v15 = (v15 >>> 8) | (v15 << 24); v11 = (v11 + v15) | 0; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + m8) | 0; v15 ^= v0; v15 = (v15 >>> 16) | (v15 << 16); v10 = (v10 + v15) | 0; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + m9) | 0; v15 ^= v0; v15 = (v15 >>> 8) | (v15 << 24); v10 = (v10 + v15) | 0; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + m10) | 0; v12 ^= v1; v12 = (v12 >>> 16) | (v12 << 16); v11 = (v11 + v12) | 0; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + m11) | 0; v12 ^= v1; v12 = (v12 >>> 8) | (v12 << 24); v11 = (v11 + v12) | 0; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + m12) | 0; v13 ^= v2; v13 = (v13 >>> 16) | (v13 << 16); v8 = (v8 + v13) | 0; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + m13) | 0; v13 ^= v2; v13 = (v13 >>> 8) | (v13 << 24); v8 = (v8 + v13) | 0; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + m14) | 0; v14 ^= v3; v14 = (v14 >>> 16) | (v14 << 16); v9 = (v9 + v14) | 0; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + m15) | 0; v14 ^= v3; v14 = (v14 >>> 8) | (v14 << 24); v9 = (v9 + v14) | 0; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25);
    // The words of the next round; those behind the last one are not used.
    t = m0; m0 = m2; m2 = m3; m3 = m10; m10 = m12; m12 = m9; m9 = m11; m11 = m5; m5 = t;
    t = m1; m1 = m6; m6 = m4; m4 = m7; m7 = m13; m13 = m14; m14 = m15; m15 = m8; m8 = t;
  }
  cv[0] = v0 ^ v8;
  cv[1] = v1 ^ v9;
  cv[2] = v2 ^ v10;
  cv[3] = v3 ^ v11;
  cv[4] = v4 ^ v12;
  cv[5] = v5 ^ v13;
  cv[6] = v6 ^ v14;
  cv[7] = v7 ^ v15;
}

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Reads bytes as little-endian words; `bytes` has a multiple of four. */
function wordsOf(bytes: Uint8Array): Int32Array {
  if (isLittleEndian) {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    return new Int32Array(aligned.buffer, aligned.byteOffset, bytes.length / 4);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: bytes.length / 4 }, (_, word) => view.getInt32(word * 4, true));
}

function bytesOf(cv: Int32Array): Uint8Array {
  const bytes = new Uint8Array(VALUE_BYTES);
  const view = new DataView(bytes.buffer);
  cv.forEach((word, index) => view.setInt32(index * 4, word, true));
  return bytes;
}

const cv = new Int32Array(8);
const last = new Uint8Array(BLOCK_BYTES);
const lastWords = new Int32Array(16);
const pair = new Int32Array(16);
const waiting = new Int32Array(LEVELS_MAX * 8);

/** Hashes one chunk into `cv`. `words` are those of its whole blocks. */
function hashChunk(bytes: Uint8Array, words: Int32Array, start: number, end: number, number: number, root: number) {
  const low = number | 0;
  const high = Math.floor(number / 2 ** 32);
  cv.set(IV);
  const blocks = Math.max(1, Math.ceil((end - start) / BLOCK_BYTES));
  for (let block = 0; block < blocks; block++) {
    const from = start + block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, end - from);
    const flags = (block === 0 ? CHUNK_START : 0) | (block === blocks - 1 ? CHUNK_END | root : 0);
    if (length === BLOCK_BYTES) {
      compress(cv, words, from / 4, low, high, length, flags);
    } else {
      last.fill(0);
      last.set(bytes.subarray(from, end));
      lastWords.set(wordsOf(last));
      compress(cv, lastWords, 0, low, high, length, flags);
    }
  }
}

/** Joins `cv`, the right one, with the top of what waits, into `cv`. */
function join(level: number, root: number) {
  pair.set(waiting.subarray(level * 8, level * 8 + 8));
  pair.set(cv, 8);
  cv.set(IV);
  compress(cv, pair, 0, 0, 0, BLOCK_BYTES, PARENT | root);
}

/**
 * Hashes bytes that are one subtree: its chaining value, or the hash if it is the whole content. `firstChunk` is where it begins in the
 * content, in chunks of 1,024 bytes.
 */
export function hashSubtree(bytes: Uint8Array, firstChunk: number, isRoot: boolean): Uint8Array {
  const words = wordsOf(bytes.subarray(0, bytes.length - (bytes.length % BLOCK_BYTES)));
  const chunks = Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES));
  const root = isRoot ? ROOT : 0;
  let depth = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    const start = chunk * CHUNK_BYTES;
    hashChunk(bytes, words, start, Math.min(start + CHUNK_BYTES, bytes.length), firstChunk + chunk, chunks === 1 ? root : 0);
    if (chunk === chunks - 1) break;
    // As many trees are whole now as the number of chunks ends in zeros.
    for (let whole = chunk + 1; (whole & 1) === 0; whole >>= 1) join(--depth, 0);
    waiting.set(cv, depth++ * 8);
  }
  while (depth > 0) join(--depth, depth === 0 ? root : 0);
  return bytesOf(cv);
}

/** Finds the value of the node above two others. */
export function joinValues(left: Uint8Array, right: Uint8Array, isRoot: boolean): Uint8Array {
  pair.set(wordsOf(left.slice()));
  pair.set(wordsOf(right.slice()), 8);
  cv.set(IV);
  compress(cv, pair, 0, 0, 0, BLOCK_BYTES, PARENT | (isRoot ? ROOT : 0));
  return bytesOf(cv);
}

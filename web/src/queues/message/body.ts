/** A body of a message, made ready to be shown. */
export interface Shown {
  text: string;
  /** It was laid out anew; `text` is not what was sent. */
  isLaidOut: boolean;
  /** It is no text: `text` is its beginning in hexadecimal. */
  isBinary: boolean;
  /** Its size in bytes. */
  size: number;
}

const DUMP_BYTES_MAX = 1_024;
const DUMP_ROW = 16;

/** The bytes of a body as it stands in JSON. */
export function bytesOf(body: string, encoding: 'utf8' | 'base64'): Uint8Array {
  return encoding === 'base64' ? Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0)) : new TextEncoder().encode(body);
}

/** Lays out JSON in lines if it is whole, and writes bytes that are no text in hexadecimal. */
export function shown(body: string, encoding: 'utf8' | 'base64'): Shown {
  const bytes = bytesOf(body, encoding);
  if (encoding === 'base64') return { text: dump(bytes), isLaidOut: false, isBinary: true, size: bytes.length };
  const text = laidOut(body);
  return { text: text ?? body, isLaidOut: text !== undefined && text !== body, isBinary: false, size: bytes.length };
}

function laidOut(body: string): string | undefined {
  if (!/^\s*[[{]/.test(body)) return undefined;
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return undefined;
  }
}

/** Bytes in rows of hexadecimal with what of them is letters. */
export function dump(bytes: Uint8Array): string {
  const rows = [];
  for (let from = 0; from < Math.min(bytes.length, DUMP_BYTES_MAX); from += DUMP_ROW) {
    const row = [...bytes.slice(from, from + DUMP_ROW)];
    const numbers = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    rows.push(`${from.toString(16).padStart(6, '0')}  ${numbers.padEnd(DUMP_ROW * 3 - 1)}  ${letters}`);
  }
  return rows.join('\n') + (bytes.length > DUMP_BYTES_MAX ? '\n…' : '');
}

/** The first line of a body, for a list. */
export function glimpse(body: string, encoding: 'utf8' | 'base64', lettersMax = 160): string {
  if (encoding === 'base64') return '';
  const line = body.slice(0, lettersMax * 2).replace(/\s+/g, ' ').trim();
  return line.length > lettersMax ? `${line.slice(0, lettersMax)}…` : line;
}

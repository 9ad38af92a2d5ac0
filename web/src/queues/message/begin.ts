/** Where in a stream one begins to read. */
export type Begin = 'first' | 'last' | 'offset' | 'time' | 'next';

/** The same as the server reads it; nothing while it is not whole. */
export function offsetOf(begin: Begin, offset: string | number | null, time: string): string | undefined {
  if (begin === 'offset') return /^\d+$/.test(String(offset ?? '').trim()) ? String(offset).trim() : undefined;
  if (begin === 'time') {
    const ms = new Date(time).getTime();
    return Number.isNaN(ms) ? undefined : `@${Math.max(0, Math.floor(ms / 1_000))}`;
  }
  return begin;
}

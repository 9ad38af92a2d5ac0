import type { IconName } from '../ui/icons.ts';

/** Images that a page may draw: formats without scripts. */
const IMAGES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
};

function endingOf(name: string): string {
  return /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
}

/** The type as which a file of this name may be shown, by a click; null for all that is only saved. */
export function isShown(name: string): string | null {
  return IMAGES[endingOf(name)] ?? null;
}

/** The greatest image that is shown: it lies in memory as pixels. */
export const SHOWN_BYTES_MAX = 32 << 20;

export function iconOf(kind: string): IconName {
  return kind === 'collection' ? 'folder' : 'files';
}

/** Bytes as messages have them, the same in every language. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let tenths = Math.floor((bytes * 10) / 1024);
  let unit = 0;
  while (tenths >= 10_240 && unit < units.length - 1) {
    tenths = Math.floor(tenths / 1024);
    unit += 1;
  }
  return `${Math.floor(tenths / 10)}.${tenths % 10} ${units[unit]}`;
}

/** A file that a room was told of. */
export interface Card {
  name: string;
  size: string;
  root: string;
  /** The right to it, if the message is a link that carries one. */
  key: string | null;
}

/** `NAME (SIZE) chaski:ROOT` is what the server says of a file that is shared; a bare link is somebody's own. */
const TOLD = /^([^\n]{1,1024}) \((\d[\d.]* (?:B|[KMGTPE]iB))\) chaski:([0-9a-f]{64})$/;
const LINK = /^chaski:([0-9a-f]{64})(?:\?key=([A-Za-z0-9_-]{1,128}))?$/;

/** Reads a message that is a file's card; `null` if it is none. */
export function cardOf(text: string): Card | null {
  const told = TOLD.exec(text);
  if (told) return { name: told[1] ?? '', size: told[2] ?? '', root: told[3] ?? '', key: null };
  const link = LINK.exec(text);
  return link ? { name: '', size: '', root: link[1] ?? '', key: link[2] ?? null } : null;
}

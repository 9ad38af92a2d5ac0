/** Who may find a file. */
export type Audience = { everyone: true } | { rooms: string[] } | { accounts: string[] };

/** Something that went wrong: `kind` is what the page has words for, `text` what somebody said of it. */
export interface Trouble {
  kind:
    | 'nobody'
    | 'unreachable'
    | 'folder'
    | 'no-room'
    | 'lost'
    | 'unreadable'
    | 'too-large'
    | 'too-many'
    | 'ignored'
    | 'refused'
    | 'declined'
    | 'no-relay'
    | 'insecure'
    | 'old-browser'
    | 'server';
  text?: string;
}

/** A file of this page that others may fetch. */
export interface Share {
  id: number;
  name: string;
  size: number;
  type: string;
  sinceMs: number;
  audience: Audience;
  stage: 'hashing' | 'publishing' | 'shared' | 'failed';
  /** Bytes that are hashed. */
  hashed: number;
  /** 64 hexadecimal digits, once it is hashed. */
  root: string | null;
  trouble: Trouble | null;
  /** Bytes that others have fetched. */
  sent: number;
}

/** Something that is fetched, or that somebody else fetches from here. */
export interface Transfer {
  id: number;
  way: 'in' | 'out';
  root: string;
  name: string;
  size: number;
  bytes: number;
  /** Bytes per second, at the moment. */
  rate: number;
  stage: 'finding' | 'asking' | 'passing' | 'done' | 'failed' | 'cancelled';
  /** From whom, or to whom. */
  partners: string[];
  /** Those who sent what was not the content. */
  liars: string[];
  trouble: Trouble | null;
  sinceMs: number;
}

/** How this page stands with the server, as a peer. */
export interface Standing {
  stage: 'off' | 'starting' | 'live' | 'away';
  /** Others can call it: the server relays, and the line is open. */
  isReached: boolean;
  trouble: Trouble | null;
}

/** What the page is shown of the peer, some times a second. */
export interface State {
  standing: Standing;
  shares: Share[];
  transfers: Transfer[];
}

/** What the page asks of the peer. */
export type Command =
  | { do: 'login'; csrf: string; name: string }
  | { do: 'share'; files: File[]; audience: Audience }
  | { do: 'unshare'; id: number }
  | { do: 'fetch'; id: number; root: string; name: string; size: number; link: string | null; target: FileSystemFileHandle | null }
  | { do: 'cancel'; id: number }
  | { do: 'retry'; id: number }
  | { do: 'forget'; id: number };

/** What the peer tells the page. */
export type Event =
  | { tell: 'state'; state: State }
  /** It is announced under this id, which the page logs out when it goes. */
  | { tell: 'announced'; peer: string }
  /** A share can be fetched from now on. */
  | { tell: 'shared'; share: Share }
  /** Everything of a transfer is here and checked; `file` is null where it was written to its target. */
  | { tell: 'fetched'; id: number; root: string; file: File | null };

/** What a browser remembers of an account's talking: its rooms and drafts. Nothing that others said. */
export class Memory {
  readonly #rooms: string;
  readonly #drafts: string;

  constructor(login: string) {
    this.#rooms = `chaski.rooms.${login}`;
    this.#drafts = `chaski.drafts.${login}`;
  }

  /** The rooms that one was in; `null` when one never was. */
  get rooms(): string[] | null {
    const stored = read(this.#rooms);
    return Array.isArray(stored) ? stored.filter((name): name is string => typeof name === 'string') : null;
  }

  set rooms(names: string[] | null) {
    write(this.#rooms, names);
  }

  get drafts(): Record<string, string> {
    const stored = read(this.#drafts);
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, string>) : {};
  }

  /** Keeps what was begun somewhere; an empty draft is forgotten. */
  keepDraft(place: string, text: string) {
    const { [place]: _, ...others } = this.drafts;
    write(this.#drafts, text === '' ? others : { ...others, [place]: text });
  }
}

function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

function write(key: string, value: unknown) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A full storage costs a draft, not the talk.
  }
}

import { api, done, type Shape } from '../api/client.ts';

const PAGE = 50;
/** Pages without a row that are looked at before somebody is asked whether to go on. */
const EMPTY_PAGES_MAX = 20;
const MIB = 1 << 20;

export type Kind = '' | 'image/*' | 'video/*' | 'audio/*' | 'text/*' | 'application/pdf';
export type SizeClass = '' | 'small' | 'middle' | 'large';
export type Sort = 'newest' | 'name' | 'largest' | 'smallest';

const SIZES: Record<SizeClass, { min_bytes?: number; max_bytes?: number }> = {
  '': {},
  small: { max_bytes: MIB - 1 },
  middle: { min_bytes: MIB, max_bytes: 100 * MIB },
  large: { min_bytes: 100 * MIB + 1 },
};
const SORTS: Record<Sort, { sort: 'name' | 'size' | 'since'; order: 'asc' | 'desc' }> = {
  newest: { sort: 'since', order: 'desc' },
  name: { sort: 'name', order: 'asc' },
  largest: { sort: 'size', order: 'desc' },
  smallest: { sort: 'size', order: 'asc' },
};

/** A search of the index: what is wanted, and what was found so far. */
export class Search {
  words = $state('');
  kind = $state<Kind>('');
  size = $state<SizeClass>('');
  owner = $state('');
  sort = $state<Sort>('newest');
  found = $state.raw<Shape<'File'>[]>([]);
  next = $state<string | null>(null);
  isBusy = $state(false);
  hasAnswer = $state(false);
  problem = $state.raw<unknown>(null);
  #number = 0;

  get isLimited(): boolean {
    return this.words.trim() !== '' || this.kind !== '' || this.size !== '' || this.owner.trim() !== '';
  }

  clear() {
    this.words = '';
    this.kind = '';
    this.size = '';
    this.owner = '';
    return this.begin();
  }

  /** Searches anew; what was found before stays until there is an answer. */
  begin(): Promise<void> {
    return this.#ask(null);
  }

  more(): Promise<void> {
    return this.#ask(this.next);
  }

  async #ask(from: string | null) {
    const number = ++this.#number;
    const before = from === null ? [] : this.found;
    this.isBusy = true;
    this.problem = null;
    try {
      let cursor = from;
      for (let pages = 0; pages < EMPTY_PAGES_MAX; pages++) {
        const page = await done(api.GET('/v1/files', { params: { query: { ...this.#query(), ...(cursor === null ? {} : { cursor }) } } }));
        if (number !== this.#number) return;
        cursor = page.next ?? null;
        this.found = [...before, ...page.files];
        this.next = cursor;
        if (page.files.length > 0 || cursor === null) break;
      }
      this.hasAnswer = true;
    } catch (thrown) {
      if (number === this.#number) this.problem = thrown;
    } finally {
      if (number === this.#number) this.isBusy = false;
    }
  }

  #query() {
    const [q, owner] = [this.words.trim(), this.owner.trim().replace(/^@/, '')];
    return {
      limit: PAGE,
      ...SORTS[this.sort],
      ...SIZES[this.size],
      ...(q === '' ? {} : { q }),
      ...(owner === '' ? {} : { owner }),
      ...(this.kind === '' ? {} : { type: this.kind }),
    };
  }
}

/** Nearer to the end than this is at the end. */
const END_PX = 48;
/** Nearer to an edge of what is loaded than this, more is wanted. */
const EDGE_PX = 1_200;

/** What the keeper tells of. */
export interface ScrollListener {
  /** The end is looked at, or not any more. */
  following(isFollowing: boolean): void;
  /** An edge of what is loaded comes near. */
  near(edge: 'older' | 'newer'): void;
  /** The lowest message that is seen. */
  seen(seq: number): void;
}

/**
 * Keeps what one reads where it is, whatever is put above, below or between.
 *
 * The browser's own anchoring is turned off: it does not hold while rows go at one end and come at the other. Before the rows
 * change, `note` remembers the first row that is seen; after it, `restore` puts that row where it was, or goes along with the end.
 */
export class ScrollKeeper {
  readonly #box: HTMLElement;
  readonly #list: HTMLElement;
  readonly #listener: ScrollListener;
  readonly #sizes: ResizeObserver;
  #anchor: { row: HTMLElement; key: string; top: number } | null = null;
  #isFollowing = true;
  #isHeld = false;

  constructor(box: HTMLElement, list: HTMLElement, listener: ScrollListener) {
    this.#box = box;
    this.#list = list;
    this.#listener = listener;
    box.addEventListener('scroll', this.#scrolled, { passive: true });
    this.#sizes = new ResizeObserver(() => this.restore());
    this.#sizes.observe(box);
    this.#sizes.observe(list);
  }

  end() {
    this.#box.removeEventListener('scroll', this.#scrolled);
    this.#sizes.disconnect();
  }

  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Another place is shown: it begins at its end, or where `showRow` says. */
  begin(isFollowing: boolean) {
    this.#anchor = null;
    this.#isFollowing = isFollowing;
  }

  /** Remembers where things are, before they change. */
  note() {
    const top = this.#box.getBoundingClientRect().top;
    for (const row of this.#list.children) {
      const rect = row.getBoundingClientRect();
      const key = (row as HTMLElement).dataset['key'];
      // A day's line moves with what is loaded above it.
      if (rect.bottom > top && key && !key.startsWith('day')) {
        this.#anchor = { row: row as HTMLElement, key, top: rect.top - top };
        return;
      }
    }
    this.#anchor = null;
  }

  /** Puts things back where they were, after they have changed. */
  restore() {
    if (this.#isHeld) return;
    if (this.#isFollowing) {
      this.#box.scrollTop = this.#box.scrollHeight;
    } else if (this.#anchor) {
      const row = this.#anchor.row.isConnected ? this.#anchor.row : this.#row(this.#anchor.key);
      if (row) {
        const moved = row.getBoundingClientRect().top - this.#box.getBoundingClientRect().top - this.#anchor.top;
        if (Math.abs(moved) >= 1) this.#box.scrollTop += moved;
      }
    }
    this.#look();
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.#follow(true);
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /** Goes to a row; says whether it is there. */
  showRow(key: string, block: ScrollLogicalPosition): boolean {
    const row = this.#row(key);
    if (!row) return false;
    // What is measured on the way is not to move it.
    this.#isHeld = true;
    row.scrollIntoView({ block });
    this.#isHeld = false;
    this.#follow(this.#isEnd());
    this.note();
    this.#look();
    return true;
  }

  #row(key: string): HTMLElement | null {
    return this.#list.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  #isEnd(): boolean {
    return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < END_PX;
  }

  #scrolled = () => {
    this.#follow(this.#isEnd());
    this.note();
    this.#look();
  };

  #follow(isFollowing: boolean) {
    if (isFollowing === this.#isFollowing) return;
    this.#isFollowing = isFollowing;
    this.#listener.following(isFollowing);
  }

  /** Says what is near and what is seen. */
  #look() {
    const below = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight;
    if (this.#box.scrollTop < EDGE_PX) this.#listener.near('older');
    if (below < EDGE_PX) this.#listener.near('newer');
    const bottom = this.#box.getBoundingClientRect().bottom;
    for (let row = this.#list.lastElementChild; row; row = row.previousElementSibling) {
      const seq = Number((row as HTMLElement).dataset['seq']);
      if (seq > 0 && row.getBoundingClientRect().top < bottom - 8) {
        this.#listener.seen(seq);
        return;
      }
    }
  }
}

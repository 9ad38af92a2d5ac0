/** Something that the page says beside what one looks at. */
export interface Notice {
  id: number;
  text: string;
  kind: 'info' | 'good' | 'problem';
  /** What one can do about it. */
  action?: { text: string; run: () => void } | undefined;
}

const SHOWN_MS = 6_000;
const SHOWN_MAX = 4;

class Notices {
  list = $state<Notice[]>([]);
  #next = 1;

  /** Says something; what went wrong stays until it is dismissed. */
  say(text: string, kind: Notice['kind'] = 'info', action?: Notice['action']) {
    const notice = { id: this.#next++, text, kind, action };
    this.list = [...this.list, notice].slice(-SHOWN_MAX);
    if (kind !== 'problem') setTimeout(() => this.dismiss(notice.id), SHOWN_MS);
  }

  dismiss(id: number) {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

/** What is said at the page's edge. */
export const notices = new Notices();

/** What was said last stays in the document: of several things at once a screen reader tells each that it finds. */
const HEARD_MAX = 10;

class Voice {
  lines = $state.raw<{ id: number; text: string }[]>([]);
  #next = 1;

  /** Has a screen reader say something; what is seen changes in no way. */
  say(text: string) {
    this.lines = [...this.lines, { id: this.#next++, text }].slice(-HEARD_MAX);
  }
}

/** What those who listen are told of. */
export const voice = new Voice();

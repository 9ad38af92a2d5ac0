import type { Message } from './protocol.ts';
import type { MessageTools } from './tools.svelte.ts';

/** What the keys of a message that has the focus act on. */
export interface RowKeys {
  message: (seq: number) => Message | undefined;
  tools: MessageTools;
  compose: () => void;
  toNewest: () => void;
}

/** The keys of the list of messages: the same as those of a selected message in the terminal. */
export function rowKeys(event: KeyboardEvent, keys: RowKeys) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>('[data-seq]') : null;
  // A button inside a row has the key to itself.
  if (row && event.target !== row) {
    if (event.key === 'Escape') row.focus();
    return;
  }
  const done = act(event.key, row, keys);
  if (done) {
    event.preventDefault();
    event.stopPropagation();
  }
}

function act(key: string, row: HTMLElement | null, { message: find, tools, compose, toNewest }: RowKeys): boolean {
  const message = row ? find(Number(row.dataset['seq'])) : undefined;
  switch (key) {
    case 'ArrowUp':
      return row ? step(row, 'previousElementSibling') : false;
    case 'ArrowDown':
      if (!row) return false;
      if (!step(row, 'nextElementSibling')) compose();
      return true;
    case 'End':
      toNewest();
      return true;
    case 'Escape':
      compose();
      return true;
    default:
      return message ? onMessage(key, message, tools) : false;
  }
}

function step(row: HTMLElement, way: 'previousElementSibling' | 'nextElementSibling'): boolean {
  let next = row[way];
  while (next && !(next instanceof HTMLElement && next.dataset['seq'])) next = next[way];
  if (!(next instanceof HTMLElement)) return false;
  next.focus();
  return true;
}

function onMessage(key: string, message: Message, tools: MessageTools): boolean {
  switch (key) {
    case 'r':
    case 'Enter':
      tools.reply(message);
      return true;
    case '+':
      tools.reacting = message;
      return true;
    case 'e':
      tools.edit(message);
      return true;
    case 'd':
      void tools.remove(message);
      return true;
    case 'm':
      tools.shown = message;
      return true;
    case 'g':
      if (message.reply_to !== undefined) tools.goTo(message.reply_to);
      return true;
    default:
      return false;
  }
}

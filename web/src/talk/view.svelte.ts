import type { Place } from './place.svelte.ts';

/** What stands open beside the messages, and over them. */
class TalkView {
  /** The pane at the side. */
  side = $state<'people' | 'search' | 'room' | null>(null);
  dialog = $state<'rooms' | 'new-room' | 'new-talk' | 'commands' | 'blocked' | 'invite' | null>(null);
  /** What the search begins with. */
  words = $state('');
  /** The message to go to and show for a moment. */
  jump = $state.raw<{ place: Place; seq: number } | null>(null);
  /** Puts the cursor into the composer. */
  compose: () => void = () => {};

  toggle(side: 'people' | 'search' | 'room') {
    this.side = this.side === side ? null : side;
  }

  search(words = '') {
    this.words = words;
    this.side = 'search';
  }
}

export const view = new TalkView();

import { Chat } from './chat.svelte.ts';

class Present {
  /** The chat of whoever is logged in. */
  chat = $state.raw<Chat | null>(null);

  /** Begins to talk as somebody; ends with the returned function. */
  begin(login: string): () => void {
    const chat = new Chat(login);
    this.chat = chat;
    chat.start();
    return () => {
      chat.stop();
      if (this.chat === chat) this.chat = null;
    };
  }
}

/** The one chat of the page, which goes on while one looks at other places. */
export const present = new Present();

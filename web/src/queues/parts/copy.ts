import { notices } from '../../ui/notices.svelte.ts';
import { words } from '../words/general.ts';

/** Copies a text. Browsers give no clipboard to pages that came without TLS, nor where it is forbidden: then `select` selects the text. */
export async function copied(text: string, select: () => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notices.say(words.copied, 'good');
  } catch {
    select();
    notices.say(words.copySelected);
  }
}

import { notices } from '../ui/notices.svelte.ts';

/** Says at the page's edge what the server told in a sentence. */
export function told(text: string | undefined) {
  if (text) notices.say(text);
}

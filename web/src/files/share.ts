import { notices } from '../ui/notices.svelte.ts';
import type { Audience } from './peer/messages.ts';

/** Shares files with a room or a person, from this page as long as it is open. The rest of it is loaded with the first. */
export async function shareFiles(list: File[], to: { room: string } | { account: string }) {
  if (list.length === 0) return;
  const audience: Audience = 'room' in to ? { rooms: [to.room] } : { accounts: [to.account] };
  const [{ files }, { words }] = await Promise.all([import('./files.svelte.ts'), import('./words.ts')]);
  files.share(list, audience);
  if (files.isSecure) notices.say(words.sharing(list.length, 'room' in to ? to.room : to.account));
}

/** The files of something that was dropped or pasted; folders are none. */
export function filesOf(data: DataTransfer | null): File[] {
  if (!data) return [];
  const items = [...data.items].filter(({ kind }) => kind === 'file');
  // Browsers pass a folder as a file that cannot be read.
  return items.flatMap((item) => (item.webkitGetAsEntry()?.isDirectory ? [] : (item.getAsFile() ?? [])));
}

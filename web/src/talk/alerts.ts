import { router, to } from '../app/router.svelte.ts';
import { voice } from '../ui/notices.svelte.ts';
import type { Chat } from './chat.svelte.ts';
import type { Place } from './place.svelte.ts';
import type { Message } from './protocol.ts';
import { words } from './words.ts';

/** What a notification shows of a message. */
const SHOWN_CHARS_MAX = 140;

/** Tells somebody of a message: aloud where they look, by the system where they do not, as far as they want that of the place. */
export function alert(chat: Chat, place: Place, message: Message, isLoud: boolean) {
  const isSeen = chat.isLooked && place === chat.current;
  if (isSeen) {
    voice.say(message.action ? `${message.from} ${message.text}` : words.saidBy(message.from, message.text));
    return;
  }
  if (place.notify === 'nothing' || (place.notify === 'mentions' && !isLoud)) return;
  const where = place.isPrivate ? words.privately(message.from) : words.saidIn(message.from, place.name);
  if (chat.isLooked && isLoud) voice.say(where);
  if (!('Notification' in window) || Notification.permission !== 'granted' || chat.isLooked) return;
  const notification = new Notification(where, { body: message.text.slice(0, SHOWN_CHARS_MAX), tag: place.name, icon: '/favicon.svg' });
  notification.onclick = () => {
    window.focus();
    router.go(to('talk', place.name));
    notification.close();
  };
}

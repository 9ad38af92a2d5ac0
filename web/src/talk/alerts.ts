import { router, to } from '../app/router.svelte.ts';
import { voice } from '../ui/notices.svelte.ts';
import { cardOf } from './card.ts';
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
    const card = cardOf(message.text);
    const text = card ? words.fileTold(card.name, card.size) : message.text;
    voice.say(message.action ? `${message.from} ${text}` : words.saidBy(message.from, text));
    return;
  }
  if (place.notify === 'nothing' || (place.notify === 'mentions' && !isLoud)) return;
  const where = place.isPrivate ? words.privately(message.from) : words.saidIn(message.from, place.name);
  if (chat.isLooked && isLoud) voice.say(where);
  if (!('Notification' in window) || Notification.permission !== 'granted' || chat.isLooked) return;
  show(where, message.text.slice(0, SHOWN_CHARS_MAX), place);
}

function show(title: string, body: string, place: Place) {
  let notification: Notification;
  try {
    notification = new Notification(title, { body, tag: place.name, icon: '/favicon.svg' });
  } catch {
    // Browsers of phones have notifications for service workers alone, and say so only here.
    return;
  }
  notification.onclick = () => {
    window.focus();
    router.go(to('talk', place.name));
    notification.close();
  };
}

import { router, to } from '../app/router.svelte.ts';
import { session } from '../app/session.svelte.ts';
import { moment } from '../i18n/format.ts';
import { locale } from '../i18n/language.svelte.ts';
import { notices } from '../ui/notices.svelte.ts';
import type { Chat } from './chat.svelte.ts';
import type { Place } from './place.svelte.ts';
import { parse, type Typed } from './typed.ts';
import { view } from './view.svelte.ts';
import { words } from './words.ts';

/** Bytes of UTF-8 that a message may have. */
const TEXT_BYTES_MAX = 8_192;

/**
 * Does what was typed in a place.
 *
 * Returns what is wrong with it, in a sentence, or `null`; what is said is on its way then, whatever the connection does.
 */
export async function run(chat: Chat, place: Place, text: string, replyTo: number | null): Promise<string | null> {
  const typed = parse(text);
  switch (typed.does) {
    case 'nothing':
      return null;
    case 'usage':
      return words.writtenSo(typed.usage);
    case 'unknown':
      return words.unknownCommand(typed.name);
    case 'say':
    case 'act': {
      const bytes = new TextEncoder().encode(typed.text).length;
      if (bytes > TEXT_BYTES_MAX) return words.tooLong(bytes - TEXT_BYTES_MAX);
      chat.say(place, typed.text, { action: typed.does === 'act', replyTo });
      return null;
    }
    case 'private':
      if (typed.text) chat.say(chat.place(`@${typed.login}`), typed.text);
      router.go(to('talk', `@${typed.login}`));
      return null;
    default:
      try {
        await (onPage(chat, place, typed) ?? atServer(chat, place, typed));
        return null;
      } catch (thrown) {
        return thrown instanceof Error && thrown.name === 'Refused' ? thrown.message : words.notNow;
      }
  }
}

/** What the page does by itself; `null` if it is for the server. */
function onPage(chat: Chat, place: Place, typed: Typed): Promise<void> | null {
  switch (typed.does) {
    case 'rooms':
      view.dialog = 'rooms';
      break;
    case 'users':
      view.dialog = 'new-talk';
      break;
    case 'help':
      view.dialog = 'commands';
      break;
    case 'search':
      view.search(typed.words);
      break;
    case 'who':
      if (typed.room && typed.room.toLowerCase() !== place.name.toLowerCase()) router.go(to('talk', typed.room));
      view.side = 'people';
      break;
    case 'topic':
      if (typed.text !== null) return null;
      notices.say(place.topic || words.noTopic);
      break;
    case 'time':
      notices.say(words.serverTime(moment(chat.clock.nowMs()), Math.ceil((chat.clock.errorUs ?? 0) / 1000)));
      break;
    case 'block':
      if (typed.login !== null) return null;
      view.dialog = 'blocked';
      break;
    case 'history':
      view.jump = { place, seq: Math.max(1, place.head - typed.count + 1) };
      break;
    case 'exit':
      return session.logOut();
    default:
      return null;
  }
  return Promise.resolve();
}

async function atServer(chat: Chat, place: Place, typed: Typed): Promise<void> {
  const room = place.name;
  switch (typed.does) {
    case 'create':
      router.go(to('talk', (await chat.create(typed.room, typed.keep)).name));
      break;
    case 'enter':
      router.go(to('talk', (await chat.join(typed.room)).name));
      break;
    case 'leave':
      await leave(chat, place);
      break;
    case 'delete-room':
      await chat.ask('delete_room', { room: typed.room });
      break;
    case 'topic':
      place.take(await chat.ask('set', { room, topic: typed.text ?? '' }));
      break;
    case 'slow':
      place.take(await chat.ask('set', { room, slow_s: typed.seconds }));
      break;
    case 'edit':
    case 'delete': {
      const seq = typed.seq ?? place.messages.findLast((message) => message.from === chat.login && !message.deleted_ms)?.seq;
      if (seq === undefined) throw Object.assign(new Error(words.nothingOwn), { name: 'Refused' });
      await (typed.does === 'edit' ? chat.edit(place, seq, typed.text) : chat.remove(place, seq));
      break;
    }
    case 'notify':
      await chat.setLevel(place, typed.level);
      notices.say(words.levelIs(words[typed.level]), 'good');
      break;
    case 'lang':
      await chat.ask('lang', { code: typed.code });
      locale.choose(typed.code);
      break;
    case 'away':
    case 'back':
      await (typed.does === 'away' ? chat.ask('away', { note: typed.note }) : chat.ask('back', {}));
      chat.isAway = typed.does === 'away';
      break;
    default:
      await moderate(chat, room, typed);
  }
}

/** Leaves a room and goes where one always is. */
export async function leave(chat: Chat, place: Place) {
  await chat.leave(place);
  router.replace(to('talk', chat.defaultRoom));
}

async function moderate(chat: Chat, room: string, typed: Typed) {
  switch (typed.does) {
    case 'kick':
      await chat.ask('kick', { room, login: typed.login, reason: typed.reason });
      break;
    case 'ban':
    case 'mute': {
      const fields = { room, login: typed.login };
      const whole = { ...fields, reason: typed.reason, ...(typed.minutes === null ? {} : { minutes: typed.minutes }) };
      if (typed.does === 'ban') await (typed.off ? chat.ask('unban', fields) : chat.ask('ban', whole));
      else await (typed.off ? chat.ask('unmute', fields) : chat.ask('mute', whole));
      break;
    }
    case 'block':
      await chat.ask(typed.off ? 'unblock' : 'block', { login: typed.login ?? '' });
      break;
    default:
      return;
  }
  notices.say(words.done, 'good');
}

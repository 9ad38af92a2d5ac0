import { to } from '../app/router.svelte.ts';
import { notices } from '../ui/notices.svelte.ts';
import { questions } from '../ui/questions.svelte.ts';
import type { Chat } from './chat.svelte.ts';
import type { Place } from './place.svelte.ts';
import type { Message } from './protocol.ts';
import { told } from './told.ts';
import { view } from './view.svelte.ts';
import { words } from './words.ts';

/** What can be done with a message. */
export class MessageTools {
  readonly #chat: Chat;
  readonly #place: Place;
  /** To which an emoji is being chosen. */
  reacting = $state.raw<Message | null>(null);
  /** Whose other possibilities are shown. */
  shown = $state.raw<Message | null>(null);

  constructor(chat: Chat, place: Place) {
    this.#chat = chat;
    this.#place = place;
  }

  reply(message: Message) {
    this.#place.editing = null;
    this.#place.replyTo = message;
    view.compose();
  }

  edit(message: Message) {
    if (message.from !== this.#chat.login || message.deleted_ms) return;
    this.#place.replyTo = null;
    this.#place.editing = message;
    view.compose();
  }

  react(message: Message, emoji: string) {
    this.#chat.react(this.#place, message, emoji).catch(this.#refused);
  }

  /** Its author may take a message back; so may the room's creator and administrators. */
  mayRemove(message: Message, isAdministrator: boolean): boolean {
    return !message.deleted_ms && (message.from === this.#chat.login || (!this.#place.isPrivate && (isAdministrator || this.#place.owner === this.#chat.login)));
  }

  async remove(message: Message) {
    if (!(await questions.ask({ title: words.removeSure, text: message.text, action: words.remove }))) return;
    this.#chat.remove(this.#place, message.seq).catch(this.#refused);
  }

  goTo(seq: number) {
    view.jump = { place: this.#place, seq };
  }

  copy(text: string) {
    // Without TLS a browser gives no clipboard.
    navigator.clipboard?.writeText(text).then(
      () => notices.say(words.copied, 'good'),
      () => notices.say(text),
    ) ?? notices.say(text);
  }

  copyLink(message: Message) {
    this.copy(`${location.origin}${location.pathname}${to('talk', this.#place.name)}?at=${message.seq}`);
  }

  #refused = (thrown: unknown) => told(thrown instanceof Error && thrown.name === 'Refused' ? thrown.message : words.notNow);
}

import { onDestroy } from 'svelte';

/** Something that one can do by a key, from the palette, or both. */
export interface Command {
  id: string;
  /** What it does, in the language that is spoken when it is shown. */
  title: () => string;
  /** Under which heading the keys list it. */
  group: () => string;
  /** Its keys: `ctrl+k`, `?`, `f6`, `arrowleft`. `ctrl` is the command key on a Mac, too. */
  keys?: string[];
  /** Its keys work while one types as well, but for single characters. */
  whileTyping?: boolean;
  /** False hides it for now. */
  when?: () => boolean;
  /** It is listed among the keys alone: an element handles them itself. */
  isListedOnly?: boolean;
  /** It has no place in the palette. */
  isHidden?: boolean;
  run?: () => void;
}

const LETTERS_STORED_AS = 'chaski.letters';

/** Names a press as commands do. */
export function nameOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): string {
  const key = event.key.toLowerCase();
  const held = [];
  if (event.ctrlKey || event.metaKey) held.push('ctrl');
  if (event.altKey) held.push('alt');
  // Shift is part of a character already; it is named with keys that write none.
  if (event.shiftKey && key.length > 1) held.push('shift');
  return [...held, key].join('+');
}

/** Says whether what is typed goes into an element. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'submit', 'range', 'file'].includes(target.type);
}

class Registry {
  #lists = $state.raw<(() => Command[])[]>([]);
  /** The same, plainly: what a component reads of the state while it goes away is what was there before its successor came. */
  #present: (() => Command[])[] = [];
  /** Keys that are single characters work. Whoever dictates, or rests on the keyboard, turns them off. */
  hasLetters = $state(localStorage.getItem(LETTERS_STORED_AS) !== 'off');
  readonly all = $derived(this.#lists.flatMap((list) => list()).filter((command) => command.when?.() ?? true));

  setLetters(isOn: boolean) {
    this.hasLetters = isOn;
    localStorage.setItem(LETTERS_STORED_AS, isOn ? 'on' : 'off');
  }

  add(list: () => Command[]): () => void {
    this.#put([...this.#present, list]);
    return () => this.#put(this.#present.filter((other) => other !== list));
  }

  #put(lists: (() => Command[])[]) {
    this.#present = lists;
    this.#lists = lists;
  }

  /** Runs what a key is for. The latest that came counts, as the view that is in front came last. */
  press(event: KeyboardEvent) {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const isCharacter = name.length === 1;
    const typing = isTyping(event.target);
    if (isCharacter && (typing || !this.hasLetters)) return;
    // While a dialog is open, the keys are its own.
    if (document.querySelector('dialog[open]') && name !== 'ctrl+k') return;
    const command = this.all.findLast((one) => one.run && !one.isListedOnly && one.keys?.includes(name) && (!typing || one.whileTyping));
    if (!command?.run) return;
    event.preventDefault();
    command.run();
  }
}

/** All commands that there are now: `?` lists them, Ctrl-K finds them. */
export const commands = new Registry();

/** Adds a component's commands for as long as it is there. To be called while it is made. */
export function useCommands(list: () => Command[]) {
  onDestroy(commands.add(list));
}

import { dictionary } from '../i18n/language.svelte.ts';
import { words as en } from './words.en.ts';
import { words as es } from './words.es.ts';

/** The words of the chat. */
export const words = dictionary(en, es);

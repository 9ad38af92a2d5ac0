import { dictionary } from '../i18n/language.svelte.ts';

/** The words of the queues. */
export const words = dictionary(
  { title: 'Queues', text: 'There are no queues yet.' },
  { title: 'Colas', text: 'Todavía no hay colas.' },
);

import { dictionary } from '../i18n/language.svelte.ts';

/** The words of the files. */
export const words = dictionary(
  { title: 'Files', text: 'Nothing is shared with you yet.' },
  { title: 'Archivos', text: 'Todavía no se comparte nada contigo.' },
);

import { dictionary } from '../../i18n/language.svelte.ts';

/** The words of charts. */
export const words = dictionary(
  {
    asTable: 'As a table',
    time: 'Time',
    told: (name: string, last: string, least: string, most: string) => `${name}: now ${last}, from ${least} to ${most}.`,
  },
  {
    asTable: 'Como tabla',
    time: 'Hora',
    told: (name, last, least, most) => `${name}: ahora ${last}, de ${least} a ${most}.`,
  },
);

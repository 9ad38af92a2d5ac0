import { session } from '../app/session.svelte.ts';

/** Says whether one may look after the whole server, though perhaps not change it. */
export function watches(): boolean {
  return session.isAdministrator || (session.account?.tags ?? []).includes('monitoring');
}

import { session } from '../app/session.svelte.ts';
import type { Rights } from './ask/queues.ts';

/** Says whether one may look after the whole server, though perhaps not change it. */
export function watches(): boolean {
  return session.isAdministrator || (session.account?.tags ?? []).includes('monitoring');
}

/** What one may do with something that has rights; the server knows better than its owner's name does. */
export function rightsOn(thing: { rights?: Rights; owner?: string | null }): Rights {
  if (thing.rights) return thing.rights;
  const isAll = session.isAdministrator || thing.owner === session.login;
  return { configure: isAll, write: true, read: true };
}

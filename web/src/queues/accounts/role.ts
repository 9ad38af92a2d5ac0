import type { Role } from '../ask/accounts.ts';
import { words } from '../words/access.ts';

/** The roles, in the order in which they are offered. */
export const ROLES = ['member', 'service', 'administrator'] as const satisfies Role[];

/** What a role is called. */
export function roleOf(role: Role): string {
  return { administrator: words.administrator, member: words.member, service: words.service }[role];
}

/** What an account of a role may do. */
export function textOf(role: Role): string {
  return { administrator: words.administratorText, member: words.memberText, service: words.serviceText }[role];
}

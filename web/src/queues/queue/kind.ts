import { to } from '../../app/router.svelte.ts';
import { HOME, type Queue } from '../ask/queues.ts';
import { words } from '../words/queues.ts';

/** What a kind of queue is called. */
export function kindOf(kind: Queue['kind']): string {
  return { queue: words.queue, quorum: words.quorum, stream: words.stream, partitioned: words.partitioned }[kind];
}

/** Where a queue's page is, or a part of it. */
export function addressOf(name: string, vhost: string, ...rest: string[]): string {
  const address = to('queues', 'queue', name, ...rest.filter((part) => part !== ''));
  return vhost === HOME ? address : `${address}?vhost=${encodeURIComponent(vhost)}`;
}

/** A number that was typed; nothing where none was. */
export function numberIn(typed: string): number | undefined {
  const text = typed.trim();
  return text === '' ? undefined : Number(text);
}

/** The entries of an object that have a value. */
export function given<Of extends Record<string, unknown>>(of: Of): { [Key in keyof Of]?: Exclude<Of[Key], undefined | ''> } {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined && value !== '' && value !== false)) as never;
}

import type { Queue } from './ask/queues.ts';

/** The queue that a queue's dead letters go to, where its arguments say so without an exchange between. */
export function lettersOf(queue: Pick<Queue, 'name' | 'arguments'>): string | undefined {
  const given = queue.arguments as Record<string, unknown>;
  if (given['x-dead-letter-exchange'] !== '') return undefined;
  const key = given['x-dead-letter-routing-key'];
  return typeof key === 'string' ? key : undefined;
}

/** For each queue that dead letters go to, the queues that they come from. */
export function lettersFrom(queues: readonly Pick<Queue, 'name' | 'arguments'>[]): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const queue of queues) {
    const to = lettersOf(queue);
    if (to !== undefined) sources.set(to, [...(sources.get(to) ?? []), queue.name]);
  }
  return sources;
}

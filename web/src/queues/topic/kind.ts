import type { Topic } from '../ask/topics.ts';
import { words } from '../words/topics.ts';

/** The kinds of topics. */
export const KINDS = ['topic', 'fanout', 'direct', 'headers', 'consistent-hash'] as const satisfies Topic['kind'][];

/** What a kind of topic is called. */
export function kindOf(kind: Topic['kind']): string {
  return { topic: words.kindTopic, fanout: words.kindFanout, direct: words.kindDirect, headers: words.kindHeaders, 'consistent-hash': words.kindHash }[kind];
}

/** How a kind of topic finds what its messages go to. */
export function textOf(kind: Topic['kind']): string {
  return { topic: words.kindTopicText, fanout: words.kindFanoutText, direct: words.kindDirectText, headers: words.kindHeadersText, 'consistent-hash': words.kindHashText }[kind];
}

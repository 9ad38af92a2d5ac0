import { api, done, type Shape } from '../../api/client.ts';
import { change, path, read } from './base.ts';

/** What one may do with a queue or a topic. */
export interface Rights {
  configure: boolean;
  write: boolean;
  read: boolean;
}

/** Messages a second. */
export interface Rates {
  published: number;
  delivered: number;
  settled: number;
}

/** How something went, step by step. */
export interface History {
  step_ms: number;
  points: Point[];
}

export interface Point extends Rates {
  at_ms: number;
  ready: number;
  unacknowledged: number;
}

export type Queue = Shape<'QueueOut'> & { rights?: Rights; rates?: Rates; depth?: number[] };
export type QueueWish = Shape<'QueueWish'>;
export type Message = Shape<'MessageOut'> & { body_truncated?: boolean; body_bytes?: number };
export type MessageWish = Shape<'MessageIn'>;
export type DeadLetter = Shape<'DeadLetter'>;
export type Group = Shape<'GroupOut'>;
export type Outcome = Shape<'Published'>;

/** A part of a list. */
export interface Page<Item> {
  items: Item[];
  next_cursor?: string | null;
}

export interface Consumer {
  tag: string;
  login?: string | null;
  address?: string | null;
  client?: string | null;
  connection: number;
  channel?: number | null;
  prefetch: number;
  ack_required: boolean;
  exclusive: boolean;
  active: boolean;
  unacknowledged?: number | null;
}

export interface QueueBinding {
  topic: string;
  pattern?: string;
  arguments?: Record<string, unknown>;
}

const at = (queue: string) => ({ path: { queue } });

export const queues = {
  list: (name: string, limit: number) => read<Page<Queue>>('/v1/queues', { limit, ...(name ? { name } : {}) }),
  look: (queue: string) => read<Queue>(path('queues', queue)),
  make: (queue: string, body: QueueWish) => done(api.PUT('/v1/queues/{queue}', { params: at(queue), body })),
  change: (queue: string, body: Shape<'QueueChange'>) => done(api.PATCH('/v1/queues/{queue}', { params: at(queue), body })),
  delete: (queue: string, only: { if_unused?: boolean; if_empty?: boolean }) => done(api.DELETE('/v1/queues/{queue}', { params: { ...at(queue), query: only } })),
  purge: (queue: string) => done(api.POST('/v1/queues/{queue}/purge', { params: at(queue) })),
  history: (queue: string, seconds: number) => read<History>(path('queues', queue, 'history'), { seconds }),
  consumers: (queue: string) => read<Page<Consumer>>(path('queues', queue, 'consumers')),
  bindings: (queue: string) => read<Page<QueueBinding>>(path('queues', queue, 'bindings')),
};

export const messages = {
  peek: (queue: string, limit: number) => read<Page<Message>>(path('queues', queue, 'peek'), { limit }),
  pull: (queue: string, body: Shape<'PullRequest'>) => done(api.POST('/v1/queues/{queue}/pull', { params: at(queue), body })),
  /** To a queue, or to what is bound to a topic. */
  publish: async (to: 'queues' | 'topics', name: string, wish: MessageWish): Promise<Outcome> => {
    const answer = await change<Shape<'BatchPublished'>>('POST', path(to, name, 'messages', 'batch'), { messages: [wish] });
    return answer.results[0] as Outcome;
  },
  settle: (body: Shape<'SettleRequest'>) => done(api.POST('/v1/leases', { body })),
};

export const letters = {
  list: (queue: string, limit: number) => done(api.GET('/v1/queues/{queue}/deadletters', { params: { ...at(queue), query: { limit } } })),
  replay: (queue: string, body: Shape<'Chosen'>) => done(api.POST('/v1/queues/{queue}/deadletters/replay', { params: at(queue), body })),
  discard: (queue: string, body: Shape<'Chosen'>) => done(api.POST('/v1/queues/{queue}/deadletters/discard', { params: at(queue), body })),
};

const inGroup = (queue: string, group: string) => ({ path: { queue, group } });

export const groups = {
  list: (queue: string) => done(api.GET('/v1/queues/{queue}/groups', { params: { ...at(queue), query: { limit: 1_000 } } })),
  place: (queue: string, group: string, offset: string) => done(api.PUT('/v1/queues/{queue}/groups/{group}', { params: inGroup(queue, group), body: { offset } })),
  forget: (queue: string, group: string) => done(api.DELETE('/v1/queues/{queue}/groups/{group}', { params: inGroup(queue, group) })),
};

export const keys = {
  list: (queue: string) => done(api.GET('/v1/queues/{queue}/keys', { params: at(queue) })),
  make: (queue: string, body: Shape<'KeyWish'>) => done(api.POST('/v1/queues/{queue}/keys', { params: at(queue), body })),
  delete: (queue: string, key: string) => done(api.DELETE('/v1/queues/{queue}/keys/{key}', { params: { path: { queue, key } } })),
};

export type Webhook = Shape<'WebhookOut'>;

export const webhooks = {
  all: () => read<Page<Webhook>>('/v1/webhooks'),
  list: (queue: string) => done(api.GET('/v1/queues/{queue}/webhooks', { params: at(queue) })),
  make: (queue: string, body: Shape<'NewWebhook'>) => done(api.POST('/v1/queues/{queue}/webhooks', { params: at(queue), body })),
  change: (id: string, body: Shape<'WebhookChange'>) => done(api.PATCH('/v1/webhooks/{id}', { params: { path: { id } }, body })),
  delete: (id: string) => done(api.DELETE('/v1/webhooks/{id}', { params: { path: { id } } })),
  test: (id: string) => done(api.POST('/v1/webhooks/{id}/test', { params: { path: { id } } })),
};

/** Sends a request, of any body, and waits for the worker's reply. */
export async function request(queue: string, body: string, type: string, waitMs: number): Promise<string> {
  const asked = api.POST('/v1/requests/{queue}', {
    params: { ...at(queue), query: { wait_ms: waitMs } },
    body: body as never,
    bodySerializer: (text: unknown) => text as string,
    headers: { 'Content-Type': type || 'text/plain; charset=utf-8' },
    parseAs: 'text',
  });
  return (await done(asked)) as unknown as string;
}

/** Answers a request that was pulled. */
export async function reply(lease: string, body: string): Promise<void> {
  await done(
    api.POST('/v1/leases/{lease}/reply', {
      params: { path: { lease } },
      body: body as never,
      bodySerializer: (text: unknown) => text as string,
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    }),
  );
}

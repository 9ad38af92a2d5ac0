import { api, done, type Shape } from '../../api/client.ts';

export type Queue = Shape<'QueueOut'>;
export type Rights = Queue['rights'];
export type QueueWish = Shape<'QueueWish'>;
export type Message = Shape<'MessageOut'> & Partial<Pick<Shape<'Peeked'>, 'body_bytes' | 'body_truncated'>>;
export type MessageWish = Shape<'MessageIn'>;
export type DeadLetter = Shape<'DeadLetter'>;
export type Group = Shape<'GroupOut'>;
export type Outcome = Shape<'Published'>;
export type QueueBinding = Shape<'Inbound'>;

/** The virtual host that everything is about which does not name another. */
export const HOME = '/';

const PAGE_MAX = 1_000;
/** More queues than that are found by name. */
const ALL_MAX = 5_000;

const at = (queue: string) => ({ path: { queue } });
const of = (queue: string, vhost: string) => ({ ...at(queue), query: { vhost } });

export const queues = {
  list: (name: string, limit: number, vhost: string) => done(api.GET('/v1/queues', { params: { query: { limit, history: true, vhost, ...(name ? { name } : {}) } } })),
  /** As many as are worth sorting; of those behind the first page without what they were lately. */
  all: async (name: string, vhost: string): Promise<{ items: Queue[]; next_cursor?: string | null }> => {
    const items: Queue[] = [];
    let cursor: string | null = null;
    do {
      const query = { limit: PAGE_MAX, history: cursor === null, vhost, ...(name ? { name } : {}), ...(cursor === null ? {} : { cursor }) };
      const page: Shape<'Page_QueueOut'> = await done(api.GET('/v1/queues', { params: { query } }));
      items.push(...page.items);
      cursor = page.next_cursor ?? null;
    } while (cursor !== null && items.length < ALL_MAX);
    return { items, next_cursor: cursor };
  },
  look: (queue: string, vhost: string) => done(api.GET('/v1/queues/{queue}', { params: of(queue, vhost) })),
  make: (queue: string, body: QueueWish) => done(api.PUT('/v1/queues/{queue}', { params: at(queue), body })),
  change: (queue: string, body: Shape<'QueueChange'>) => done(api.PATCH('/v1/queues/{queue}', { params: at(queue), body })),
  delete: (queue: string, only: { if_unused?: boolean; if_empty?: boolean }) => done(api.DELETE('/v1/queues/{queue}', { params: { ...at(queue), query: only } })),
  purge: (queue: string) => done(api.POST('/v1/queues/{queue}/purge', { params: at(queue) })),
  history: (queue: string, vhost: string) => done(api.GET('/v1/queues/{queue}/history', { params: of(queue, vhost) })),
  consumers: (queue: string, vhost: string) => done(api.GET('/v1/queues/{queue}/consumers', { params: of(queue, vhost) })),
  bindings: (queue: string, vhost: string) => done(api.GET('/v1/queues/{queue}/bindings', { params: of(queue, vhost) })),
};

export const messages = {
  /** Looks without taking; of a stream from `offset` on. */
  peek: (queue: string, limit: number, vhost: string, offset?: string) =>
    done(api.GET('/v1/queues/{queue}/peek', { params: { ...at(queue), query: { limit, vhost, ...(offset === undefined ? {} : { offset }) } } })),
  pull: (queue: string, body: Shape<'PullRequest'>) => done(api.POST('/v1/queues/{queue}/pull', { params: at(queue), body })),
  /** To a queue, or to what is bound to a topic. */
  publish: async (to: 'queues' | 'topics', name: string, wish: MessageWish): Promise<Outcome> => {
    const body = { messages: [wish] };
    const answer =
      to === 'queues'
        ? await done(api.POST('/v1/queues/{queue}/messages/batch', { params: at(name), body }))
        : await done(api.POST('/v1/topics/{topic}/messages/batch', { params: { path: { topic: name } }, body }));
    return answer.results[0] as Outcome;
  },
  settle: (body: Shape<'SettleRequest'>) => done(api.POST('/v1/leases', { body })),
  /** Gives messages back, also while the page goes; what is lost of it ends with its time. */
  giveBack: (leases: string[]) => {
    const nack = leases.map((lease) => ({ lease, delay_ms: 0 }));
    done(api.POST('/v1/leases', { body: { nack }, keepalive: true })).catch(() => {});
  },
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
  /** All that one may see. */
  all: () => done(api.GET('/v1/webhooks')),
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

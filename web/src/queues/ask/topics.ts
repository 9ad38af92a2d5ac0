import { api, done, type Shape } from '../../api/client.ts';
import { path, read, change } from './base.ts';
import type { Page, Rights } from './queues.ts';

export type Topic = Shape<'TopicOut'> & { rights?: Rights };
export type Binding = Shape<'Binding'>;

const at = (topic: string) => ({ path: { topic } });

export const topics = {
  list: (name: string, limit: number) => read<Page<Topic>>('/v1/topics', { limit, ...(name ? { name } : {}) }),
  look: (topic: string) => read<Topic>(path('topics', topic)),
  make: (topic: string, body: Shape<'TopicWish'>) => done(api.PUT('/v1/topics/{topic}', { params: at(topic), body })),
  delete: (topic: string) => done(api.DELETE('/v1/topics/{topic}', { params: at(topic) })),
  bindings: (topic: string) => done(api.GET('/v1/topics/{topic}/bindings', { params: at(topic) })),
  bind: (topic: string, body: Binding) => done(api.POST('/v1/topics/{topic}/bindings', { params: at(topic), body })),
  undo: (topic: string, body: Binding) => done(api.DELETE('/v1/topics/{topic}/bindings', { params: at(topic), body })),
};

export type Grant = Shape<'GrantOut'>;

/** What accounts may do with a queue or a topic. */
export const grants = {
  list: (of: 'queues' | 'topics', name: string) => read<Page<Grant>>(path(of, name, 'grants')),
  put: (of: 'queues' | 'topics', name: string, login: string, rights: Rights) => change('PUT', path(of, name, 'grants', login), rights),
  delete: (of: 'queues' | 'topics', name: string, login: string) => change('DELETE', path(of, name, 'grants', login)),
};

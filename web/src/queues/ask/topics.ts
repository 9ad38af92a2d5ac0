import { api, done, type Shape } from '../../api/client.ts';
import type { Rights } from './queues.ts';

export type Topic = Shape<'TopicOut'>;
export type Binding = Shape<'Binding'>;

const at = (topic: string) => ({ path: { topic } });

export const topics = {
  list: (name: string, limit: number) => done(api.GET('/v1/topics', { params: { query: { limit, ...(name ? { name } : {}) } } })),
  look: (topic: string) => done(api.GET('/v1/topics/{topic}', { params: at(topic) })),
  make: (topic: string, body: Shape<'TopicWish'>) => done(api.PUT('/v1/topics/{topic}', { params: at(topic), body })),
  delete: (topic: string) => done(api.DELETE('/v1/topics/{topic}', { params: at(topic) })),
  bindings: (topic: string) => done(api.GET('/v1/topics/{topic}/bindings', { params: at(topic) })),
  bind: (topic: string, body: Binding) => done(api.POST('/v1/topics/{topic}/bindings', { params: at(topic), body })),
  undo: (topic: string, body: Binding) => done(api.DELETE('/v1/topics/{topic}/bindings', { params: at(topic), body })),
};

export type Grant = Shape<'GrantOut'>;

const granted = (queue: string, login: string) => ({ path: { queue, login } });
const grantedTopic = (topic: string, login: string) => ({ path: { topic, login } });

/** What accounts may do with a queue or a topic. */
export const grants = {
  queues: {
    list: (name: string) => done(api.GET('/v1/queues/{queue}/grants', { params: { path: { queue: name } } })),
    put: (name: string, login: string, body: Rights) => done(api.PUT('/v1/queues/{queue}/grants/{login}', { params: granted(name, login), body })),
    delete: (name: string, login: string) => done(api.DELETE('/v1/queues/{queue}/grants/{login}', { params: granted(name, login) })),
  },
  topics: {
    list: (name: string) => done(api.GET('/v1/topics/{topic}/grants', { params: at(name) })),
    put: (name: string, login: string, body: Rights) => done(api.PUT('/v1/topics/{topic}/grants/{login}', { params: grantedTopic(name, login), body })),
    delete: (name: string, login: string) => done(api.DELETE('/v1/topics/{topic}/grants/{login}', { params: grantedTopic(name, login) })),
  },
};

import { api, done, type Shape } from '../../api/client.ts';
import { change, path, read } from './base.ts';
import type { History, Page, Point, Rates } from './queues.ts';

export interface Overview {
  server: { version: string; uptime_s: number };
  rates: Rates;
  totals: { queues: number; topics: number; connections: number; channels: number; consumers: number; messages_ready: number; messages_unacknowledged: number; message_bytes: number };
  memory: { used_bytes: number; high_bytes: number };
  disk: { free_bytes: number; low_bytes?: number | null; total_bytes?: number | null; used_bytes?: number | null };
  alarms: { cause: string }[];
  history?: History & { points: (Point & { memory_bytes?: number; disk_free_bytes?: number })[] };
}

export interface Connection {
  id: number;
  login?: string | null;
  vhost?: string | null;
  door: string;
  address: string;
  name?: string | null;
  client?: string | null;
  channels: number;
  age_s: number;
  state: string;
}

export type Session = Shape<'SessionOut'>;

export const server = {
  overview: () => read<Overview>('/v1/overview'),
};

export const connections = {
  list: (name: string, limit: number) => read<Page<Connection>>('/v1/connections', { limit, ...(name ? { name } : {}) }),
  close: (id: number, reason: string) => change('DELETE', path('connections', String(id)), undefined, reason ? { reason } : {}),
};

export const sessions = {
  list: (login: string | undefined, limit: number) => done(api.GET('/v1/sessions', { params: { query: { limit, ...(login ? { login } : {}) } } })),
  end: (session: string) => done(api.DELETE('/v1/sessions/{session}', { params: { path: { session } } })),
};

export interface Vhost {
  name: string;
  queues?: number;
  messages_ready?: number;
}

export interface Permission {
  login: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

export interface TopicPermission {
  login: string;
  vhost: string;
  topic: string;
  write: string;
  read: string;
}

export interface Policy {
  vhost: string;
  name: string;
  pattern: string;
  apply_to: string;
  priority: number;
  definition: Record<string, unknown>;
}

export const vhosts = {
  list: () => read<Page<Vhost>>('/v1/vhosts'),
  make: (name: string) => change('PUT', path('vhosts', name)),
  delete: (name: string) => change('DELETE', path('vhosts', name)),
};

export const permissions = {
  list: (only: { login?: string; vhost?: string }) => read<{ items: Permission[]; topics?: TopicPermission[] }>('/v1/permissions', only),
  put: (one: Permission) => change('PUT', path('vhosts', one.vhost, 'permissions', one.login), { configure: one.configure, write: one.write, read: one.read }),
  delete: (one: Permission) => change('DELETE', path('vhosts', one.vhost, 'permissions', one.login)),
  putTopic: (one: TopicPermission) => change('PUT', path('vhosts', one.vhost, 'topic-permissions', one.login, one.topic), { write: one.write, read: one.read }),
  deleteTopic: (one: TopicPermission) => change('DELETE', path('vhosts', one.vhost, 'topic-permissions', one.login, one.topic)),
};

export const policies = {
  list: () => read<Page<Policy>>('/v1/policies'),
  put: ({ vhost, name, ...rest }: Policy) => change('PUT', path('vhosts', vhost, 'policies', name), rest),
  delete: (one: Policy) => change('DELETE', path('vhosts', one.vhost, 'policies', one.name)),
};

export type AuditEntry = Shape<'EntryOut'>;
export type AuditWish = { actor?: string; action?: string; object?: string; since_ms?: number; until_ms?: number; before?: number; limit?: number };

export const audit = {
  list: (wish: AuditWish) => done(api.GET('/v1/audit', { params: { query: wish } })),
};

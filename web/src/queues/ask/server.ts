import { api, done, type Shape } from '../../api/client.ts';

export type Overview = Shape<'Overview'>;
export type Alarm = Shape<'AlarmOut'>['cause'];
export type Connection = Shape<'ConnectionOut'>;
export type Session = Shape<'SessionOut'>;
export type Permission = Shape<'PermissionOut'>;
export type TopicPermission = Shape<'TopicPermissionOut'>;
export type Policy = Shape<'PolicyOut'>;
export type AuditEntry = Shape<'EntryOut'>;

export const server = {
  overview: () => done(api.GET('/v1/overview')),
  raise: (alarm: Alarm) => done(api.PUT('/v1/alarms/{alarm}', { params: { path: { alarm } } })),
  clear: (alarm: Alarm) => done(api.DELETE('/v1/alarms/{alarm}', { params: { path: { alarm } } })),
};

export const connections = {
  list: (name: string, limit: number) => done(api.GET('/v1/connections', { params: { query: { limit, ...(name ? { name } : {}) } } })),
  close: (connection: string, reason: string) => done(api.DELETE('/v1/connections/{connection}', { params: { path: { connection }, query: reason ? { reason } : {} } })),
};

export const sessions = {
  list: (login: string | undefined, limit: number) => done(api.GET('/v1/sessions', { params: { query: { limit, ...(login ? { login } : {}) } } })),
  end: (session: string) => done(api.DELETE('/v1/sessions/{session}', { params: { path: { session } } })),
};

const at = (vhost: string) => ({ path: { vhost } });

export const vhosts = {
  list: () => done(api.GET('/v1/vhosts')),
  make: (vhost: string) => done(api.PUT('/v1/vhosts/{vhost}', { params: at(vhost) })),
  delete: (vhost: string) => done(api.DELETE('/v1/vhosts/{vhost}', { params: at(vhost) })),
};

const who = ({ vhost, login }: { vhost: string; login: string }) => ({ path: { vhost, login } });
const which = ({ vhost, login, topic }: { vhost: string; login: string; topic: string }) => ({ path: { vhost, login, topic } });

export const permissions = {
  list: (only: { login?: string; vhost?: string }) => done(api.GET('/v1/permissions', { params: { query: only } })),
  put: (one: Permission) =>
    done(api.PUT('/v1/vhosts/{vhost}/permissions/{login}', { params: who(one), body: { configure: one.configure, write: one.write, read: one.read } })),
  delete: (one: Permission) => done(api.DELETE('/v1/vhosts/{vhost}/permissions/{login}', { params: who(one) })),
  putTopic: (one: TopicPermission) =>
    done(api.PUT('/v1/vhosts/{vhost}/topic-permissions/{login}/{topic}', { params: which(one), body: { write: one.write, read: one.read } })),
  deleteTopic: (one: TopicPermission) => done(api.DELETE('/v1/vhosts/{vhost}/topic-permissions/{login}/{topic}', { params: which(one) })),
};

const policy = ({ vhost, name }: { vhost: string; name: string }) => ({ path: { vhost, policy: name } });

export const policies = {
  list: () => done(api.GET('/v1/policies')),
  put: ({ vhost, name, ...body }: Policy) => done(api.PUT('/v1/vhosts/{vhost}/policies/{policy}', { params: policy({ vhost, name }), body })),
  delete: (one: Policy) => done(api.DELETE('/v1/vhosts/{vhost}/policies/{policy}', { params: policy(one) })),
};

export type AuditWish = { actor?: string; action?: string; object?: string; since_ms?: number; until_ms?: number; before?: number; limit?: number };

export const audit = {
  list: (wish: AuditWish) => done(api.GET('/v1/audit', { params: { query: wish } })),
};

export type AuditPage = Awaited<ReturnType<typeof audit.list>>;

import { api, done, type Shape } from '../../api/client.ts';

export type Account = Shape<'AccountOut'>;
export type Role = Shape<'RoleWord'>;
export type Quota = Shape<'QuotaOut'>;
export type QuotaWish = Shape<'QuotaForm'>;
export type Invitation = Shape<'InvitationOut'>;

const at = (login: string) => ({ path: { login } });

export const accounts = {
  list: (name: string, limit: number) => done(api.GET('/v1/accounts', { params: { query: { limit, ...(name ? { name } : {}) } } })),
  look: (login: string) => done(api.GET('/v1/accounts/{login}', { params: at(login) })),
  make: (body: Shape<'NewAccount'>) => done(api.POST('/v1/accounts', { body })),
  change: (login: string, body: Shape<'ProfilePatch'>) => done(api.PATCH('/v1/accounts/{login}', { params: at(login), body })),
  role: (login: string, role: Role) => done(api.PUT('/v1/accounts/{login}/role', { params: at(login), body: { role } })),
  tags: (login: string, tags: string[]) => done(api.PUT('/v1/accounts/{login}/tags', { params: at(login), body: { tags } })),
  password: (login: string, body: Shape<'PasswordChange'>) => done(api.PUT('/v1/accounts/{login}/password', { params: at(login), body })),
  delete: (login: string) => done(api.DELETE('/v1/accounts/{login}', { params: at(login) })),
  quota: (login: string) => done(api.GET('/v1/accounts/{login}/quota', { params: at(login) })),
  limit: (login: string, body: QuotaWish) => done(api.PUT('/v1/accounts/{login}/quota', { params: at(login), body })),
};

export const invitations = {
  list: () => done(api.GET('/v1/invitations')),
  make: (body: Shape<'InvitationWish'>) => done(api.POST('/v1/invitations', { body })),
  delete: (invitation: string) => done(api.DELETE('/v1/invitations/{invitation}', { params: { path: { invitation } } })),
};

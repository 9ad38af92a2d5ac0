import createClient, { type Middleware } from 'openapi-fetch';

import { Problem } from './problem.ts';
import type { components, paths } from './schema';

/** The shapes of the HTTP interface, by their names in its document. */
export type Shape<Name extends keyof components['schemas']> = components['schemas'][Name];

const CSRF_STORED_AS = 'chaski.csrf';

const followers: ((token: string | null) => void)[] = [];

/** What goes beside the session's cookie; worth nothing without it, and so kept where a reload finds it. */
export const csrf = {
  read: () => localStorage.getItem(CSRF_STORED_AS),
  write(token: string | null) {
    if (token === null) localStorage.removeItem(CSRF_STORED_AS);
    else localStorage.setItem(CSRF_STORED_AS, token);
    for (const changed of followers) changed(token);
  },
  /** Tells when another tab logs in or out. */
  watch: (changed: (token: string | null) => void) =>
    addEventListener('storage', (event) => {
      if (event.key === CSRF_STORED_AS) changed(event.newValue);
    }),
  /** Tells of every change, of this tab's as well. */
  follow(changed: (token: string | null) => void) {
    followers.push(changed);
    csrf.watch(changed);
  },
};

const WHO_AM_I = '/v1/me';

let onExpired = () => {};

/** Says what to do when the server does not know the session any more. */
export function whenExpired(action: () => void) {
  onExpired = action;
}

const session: Middleware = {
  onRequest({ request }) {
    const token = csrf.read();
    if (token && request.method !== 'GET' && request.method !== 'HEAD') request.headers.set('X-CSRF-Token', token);
    return request;
  },
  async onResponse({ request, response }) {
    if (response.status !== 401 || csrf.read() === null) return undefined;
    // A wrong password in a form is answered so, too; whether the session holds is another question.
    const isEnded = request.url.endsWith(WHO_AM_I) || (await fetch(WHO_AM_I)).status === 401;
    if (isEnded) onExpired();
    return undefined;
  },
};

/** The typed client of the HTTP interface; see `done` for what to do with its answers. */
export const api = createClient<paths>({ baseUrl: location.origin, credentials: 'same-origin' });
api.use(session);

/**
 * Awaits an answer of `api` and takes its data out.
 *
 * Throws a `Problem` for every refusal, and for a server that is not there.
 */
export async function done<Data>(asked: Promise<{ data?: Data; error?: unknown; response: Response }>): Promise<Data> {
  let answer;
  try {
    answer = await asked;
  } catch (thrown) {
    throw Problem.of(thrown);
  }
  if (!answer.response.ok) throw Problem.read(answer.response, answer.error);
  return answer.data as Data;
}

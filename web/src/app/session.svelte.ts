import { api, csrf, done, whenExpired, type Shape } from '../api/client.ts';
import { Problem } from '../api/problem.ts';

export type Account = Shape<'AccountOut'>;

/** What the server tells everybody about itself. */
export type Welcome = Shape<'Welcome'>;

/** What somebody gives who wants an account. */
export type Registration = Pick<Shape<'NewAccount'>, 'login' | 'password' | 'first_names' | 'last_names' | 'age' | 'gender' | 'invitation'>;

/** How long a login holds on a device of one's own. */
const STAY_MS = 30 * 24 * 3_600_000;
/** How long a login in another tab may take, which has no token meanwhile. */
const ANEW_MS = 2_000;
const WELCOME_UNTOLD: Welcome = { version: '', default_room: 'lobby', registration: 'open', profile: 'later', languages: ['en', 'es'] };

/** Who one is to the server. */
class Session {
  /** `unknown` until the server has said whether the last login still holds. */
  state = $state<'unknown' | 'out' | 'in'>('unknown');
  account = $state.raw<Account | null>(null);
  welcome = $state.raw<Welcome>(WELCOME_UNTOLD);
  /** Why nobody knows yet whether one is logged in. */
  trouble = $state.raw<Problem | null>(null);
  /** The login ended without being asked to. */
  hasExpired = $state(false);

  constructor() {
    whenExpired(() => void this.#lapse());
    csrf.watch((token) => {
      if (token === null) void this.#doubt();
      else void this.start();
    });
  }

  get login(): string {
    return this.account?.login ?? '';
  }

  get isAdministrator(): boolean {
    return this.account?.role === 'administrator';
  }

  /** Finds out whether one is still logged in, and what this server is. */
  async start() {
    this.trouble = null;
    await Promise.all([this.#resume(), this.#greet()]);
  }

  async logIn(login: string, password: string, stays: boolean) {
    const body = { login, password, cookie: true, client: 'web', ...(stays ? { ttl_ms: STAY_MS } : {}) };
    const opened = await this.#anew(() => done(api.POST('/v1/sessions', { body })));
    csrf.write(opened.csrf ?? '');
    this.account = await done(api.GET('/v1/me'));
    this.hasExpired = false;
    this.state = 'in';
  }

  async register(wish: Registration) {
    await this.#anew(() => done(api.POST('/v1/accounts', { body: wish })));
    await this.logIn(wish.login, wish.password, true);
  }

  async logOut() {
    // Whether the server hears it or not, this page forgets.
    await done(api.DELETE('/v1/sessions/{session}', { params: { path: { session: 'present' } } })).catch(() => {});
    this.#end(false);
  }

  async change(profile: Shape<'ProfilePatch'>) {
    this.account = await done(api.PATCH('/v1/me', { body: profile }));
  }

  /** Tells whether an invitation still holds, and for what. */
  async invitation(code: string): Promise<Welcome['invited']> {
    const { invited } = await done(api.GET('/v1/welcome', { params: { header: { 'X-Invitation': code } } }));
    return invited;
  }

  async #resume() {
    if (csrf.read() === null) {
      this.state = 'out';
      return;
    }
    try {
      const present = await done(api.GET('/v1/sessions/{session}', { params: { path: { session: 'present' } } }));
      if (present.csrf) csrf.write(present.csrf);
      this.account = present.account;
      this.state = 'in';
    } catch (thrown) {
      const problem = Problem.of(thrown);
      if (problem.status === 401) this.#end(true);
      else this.trouble = problem;
    }
  }

  /** Asks without what an earlier session left, which must not speak for a new one; it still holds where there comes no new one. */
  async #anew<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const before = csrf.read();
    csrf.write(null);
    try {
      return await ask();
    } catch (thrown) {
      csrf.write(before);
      throw thrown;
    }
  }

  /** Another tab has taken the token away: it logs out, or it logs in anew and the next token is on its way. */
  async #doubt() {
    await new Promise((resolve) => setTimeout(resolve, ANEW_MS));
    if (csrf.read() === null) this.#end(false);
  }

  /** The server knows the session no more. A new password ends it in every tab, and where it was typed the next one is being opened. */
  async #lapse() {
    const ended = csrf.read();
    await new Promise((resolve) => setTimeout(resolve, ANEW_MS));
    const present = csrf.read();
    if (present === null || present === ended) this.#end(true);
  }

  async #greet() {
    try {
      this.welcome = await done(api.GET('/v1/welcome'));
    } catch {
      // The form works without; whoever may not register is told so by the answer.
    }
  }

  #end(hasExpired: boolean) {
    csrf.write(null);
    this.account = null;
    this.hasExpired = hasExpired;
    this.state = 'out';
  }
}

export const session = new Session();

import type { Problem } from '../api/problem.ts';
import type { Registration } from '../app/session.svelte.ts';
import { words } from './words.ts';

/** What stands in the form. */
export interface Typed {
  login: string;
  password: string;
  firstNames: string;
  lastNames: string;
  age: number | null;
  gender: string;
  code: string;
}

/** What is wrong, beside the field that it is about. */
export type Flaws = Partial<Record<keyof Typed, string>>;

/** What the form asks for at the moment. */
export interface Asked {
  /** An account is to be made. */
  isNew: boolean;
  /** Names, age and gender are asked for, too. */
  hasProfile: boolean;
  /** Only who was invited may. */
  hasCode: boolean;
}

const PASSWORD_CHARS_MIN = 8;
const LOGIN = /^[A-Za-z0-9._-]{1,64}$/;

/** Finds what the server would refuse, before it is asked. */
export function flawsOf(typed: Typed, asked: Asked): Flaws {
  const flaws: Flaws = {};
  const login = typed.login.trim();
  if (login === '') flaws.login = words.loginMissing;
  else if (asked.isNew && !LOGIN.test(login)) flaws.login = words.loginWrong;
  const missing = PASSWORD_CHARS_MIN - [...typed.password].length;
  if (typed.password === '') flaws.password = words.passwordMissing;
  else if (asked.isNew && missing > 0) flaws.password = words.passwordShort(missing);
  if (!asked.isNew) return flaws;
  if (asked.hasCode && typed.code.trim() === '') flaws.code = words.needed;
  if (typed.age !== null && !(Number.isInteger(typed.age) && typed.age >= 1 && typed.age <= 150)) flaws.age = words.ageWrong;
  if (!asked.hasProfile) return flaws;
  for (const name of ['firstNames', 'lastNames', 'gender'] as const) if (typed[name].trim() === '') flaws[name] = words.needed;
  if (typed.age === null) flaws.age = words.needed;
  return flaws;
}

/** What is sent to make the account. */
export function wishOf(typed: Typed, asked: Asked, invitation: string): Registration {
  const code = invitation || typed.code.trim();
  return {
    login: typed.login.trim(),
    password: typed.password,
    ...(asked.hasProfile
      ? { first_names: typed.firstNames.trim(), last_names: typed.lastNames.trim(), gender: typed.gender.trim(), ...(typed.age === null ? {} : { age: typed.age }) }
      : {}),
    ...(code === '' ? {} : { invitation: code }),
  };
}

const FIELDS: Record<string, keyof Typed> = {
  login: 'login',
  password: 'password',
  first_names: 'firstNames',
  last_names: 'lastNames',
  age: 'age',
  gender: 'gender',
  invitation: 'code',
};

/** Puts a refusal beside its field; `null` if it is about none. */
export function flawsOfProblem(problem: Problem, asked: Asked, hasInvitation: boolean): Flaws | null {
  if (asked.isNew && problem.status === 409) return { login: words.loginTaken };
  if (!asked.isNew && problem.status === 401) return { password: words.wrong };
  const field = problem.field === undefined ? undefined : FIELDS[problem.field];
  const isVoid = asked.isNew && problem.status === 403 && (hasInvitation || asked.hasCode);
  // A code from a link has no field to stand beside.
  if (isVoid) return hasInvitation ? null : { code: words.codeVoid };
  return field ? { [field]: problem.message } : null;
}

import { match } from '../app/match.ts';
import { USAGE, type CommandPurpose } from './typed.ts';

/** What there is to complete with. */
export interface Known {
  logins: readonly string[];
  rooms: readonly string[];
}

/** One way to go on. */
export interface Completion {
  /** What stands in place of what was typed. */
  text: string;
  kind: 'login' | 'room' | 'command' | 'word';
  /** What follows a command. */
  usage?: string;
  purpose?: CommandPurpose;
}

/** The ways to go on, and what of the text they replace. */
export interface Completions {
  from: number;
  to: number;
  list: Completion[];
}

const SHOWN_MAX = 8;
/** What stands behind which command. */
const ARGUMENTS: [RegExp, 'logins' | 'rooms' | readonly string[]][] = [
  [/^#(?:gR|dR|who)\s+(\S*)$/, 'rooms'],
  [/^#(?:pm|\\private|kick|ban|unban|mute|unmute|block|unblock)\s+<?@?(\S*)$/, 'logins'],
  [/^#notify\s+(\S*)$/, ['all', 'mentions', 'nothing']],
  [/^#lang\s+(\S*)$/, ['en', 'es']],
  [/^#show\s+(\S*)$/, ['users']],
];

/** Finds how what stands before the cursor goes on: `#` commands with what follows them, and the names of people behind `@`. */
export function complete(text: string, cursor: number, known: Known): Completions | null {
  const before = text.slice(0, cursor);
  if (/^#[^\s#]*$/.test(before)) return commands(before);
  for (const [form, source] of ARGUMENTS) {
    const typed = form.exec(before)?.[1];
    if (typed === undefined) continue;
    const kind = source === 'logins' ? 'login' : source === 'rooms' ? 'room' : 'word';
    const names = typeof source === 'string' ? known[source] : source;
    return best(typed, names.map((name) => ({ text: `${name} `, kind })), cursor - typed.length, cursor);
  }
  const called = /(?:^|[\s(])@([\p{L}\p{N}._-]*)$/u.exec(before)?.[1];
  if (called === undefined) return null;
  return best(called, known.logins.map((login) => ({ text: `@${login} `, kind: 'login' })), cursor - called.length - 1, cursor);
}

/** As `complete`, for a name without its `@`: what Tab does with the word before the cursor. */
export function completeWord(text: string, cursor: number, known: Known): Completions | null {
  const word = /[\p{L}\p{N}._-]+$/u.exec(text.slice(0, cursor))?.[0];
  if (!word) return null;
  const starts = (name: string) => name.toLowerCase().startsWith(word.toLowerCase());
  const list: Completion[] = [
    ...known.logins.filter(starts).map((login) => ({ text: `@${login} `, kind: 'login' as const })),
    ...known.rooms.filter(starts).map((room) => ({ text: `${room} `, kind: 'room' as const })),
  ];
  return list.length > 0 ? { from: cursor - word.length, to: cursor, list: list.slice(0, SHOWN_MAX) } : null;
}

function commands(typed: string): Completions | null {
  const list = USAGE.filter(([name]) => name.toLowerCase().startsWith(typed.toLowerCase()) || (typed.length > 1 && match(typed.slice(1), name.slice(1)) > 400));
  if (list.length === 0 || (list.length === 1 && list[0]?.[0] === typed)) return null;
  return {
    from: 0,
    to: typed.length,
    list: list.map(([name, usage, purpose]) => ({ text: usage ? `${name} ` : name, kind: 'command', usage, purpose })),
  };
}

function best(typed: string, all: Completion[], from: number, to: number): Completions | null {
  const list = all
    .map((one) => ({ one, score: match(typed, one.text.trim().replace(/^@/, '')) }))
    .filter(({ score }) => score > 0)
    .sort((first, second) => second.score - first.score)
    .slice(0, SHOWN_MAX)
    .map(({ one }) => one);
  return list.length > 0 ? { from, to, list } : null;
}

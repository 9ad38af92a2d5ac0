/** What a typed text means: it is said, unless it begins with `#`. The commands are those of every door. */
export type Typed =
  | { does: 'nothing' }
  | { does: 'say'; text: string }
  | { does: 'act'; text: string }
  | { does: 'private'; login: string; text: string }
  | { does: 'create'; room: string; keep: boolean }
  | { does: 'enter' | 'delete-room'; room: string }
  | { does: 'leave' | 'rooms' | 'users' | 'time' | 'back' | 'help' | 'exit' }
  | { does: 'history'; count: number }
  | { does: 'search'; words: string }
  | { does: 'who'; room: string | null }
  | { does: 'topic'; text: string | null }
  | { does: 'slow'; seconds: number }
  | { does: 'edit'; seq: number | null; text: string }
  | { does: 'delete'; seq: number | null }
  | { does: 'kick'; login: string; reason: string }
  | { does: 'ban' | 'mute'; login: string; minutes: number | null; reason: string; off: boolean }
  | { does: 'block'; login: string | null; off: boolean }
  | { does: 'away'; note: string }
  | { does: 'notify'; level: 'all' | 'mentions' | 'nothing' }
  | { does: 'lang'; code: 'en' | 'es' }
  /** It is a command that is not written like this. */
  | { does: 'usage'; usage: string }
  | { does: 'unknown'; name: string };

/** Every command with what follows it, in the order of the help. */
export const USAGE = [
  ['#cR', 'ROOM [keep]', 'create'],
  ['#gR', 'ROOM', 'enter'],
  ['#eR', '', 'leave'],
  ['#lR', '', 'rooms'],
  ['#dR', 'ROOM', 'deleteRoom'],
  ['#show users', '', 'users'],
  ['#\\private', '<LOGIN> [TEXT]', 'private'],
  ['#pm', 'LOGIN [TEXT]', 'pm'],
  ['#me', 'TEXT', 'act'],
  ['#history', '[N]', 'history'],
  ['#search', 'WORDS', 'search'],
  ['#who', '[ROOM]', 'who'],
  ['#topic', '[TEXT]', 'topic'],
  ['#edit', '[SEQ] TEXT', 'edit'],
  ['#del', '[SEQ]', 'delete'],
  ['#time', '', 'time'],
  ['#away', '[NOTE]', 'away'],
  ['#back', '', 'back'],
  ['#notify', 'all|mentions|nothing', 'notify'],
  ['#kick', 'LOGIN [REASON]', 'kick'],
  ['#ban', 'LOGIN [MINUTES] [REASON]', 'ban'],
  ['#unban', 'LOGIN', 'unban'],
  ['#mute', 'LOGIN [MINUTES] [REASON]', 'mute'],
  ['#unmute', 'LOGIN', 'unmute'],
  ['#slow', 'SECONDS', 'slow'],
  ['#block', '[LOGIN]', 'block'],
  ['#unblock', 'LOGIN', 'unblock'],
  ['#lang', 'en|es', 'lang'],
  ['#help', '', 'help'],
  ['#exit', '', 'exit'],
] as const;

/** What a command is for, as its help calls it. */
export type CommandPurpose = (typeof USAGE)[number][2];

const HISTORY_DEFAULT = 50;
const NUMBER = /^\d{1,10}$/;

/** Reads what was typed; `##` says a line that begins with `#`. */
export function parse(typed: string): Typed {
  const text = typed.trimEnd();
  if (text.trim() === '') return { does: 'nothing' };
  if (!text.startsWith('#')) return { does: 'say', text };
  if (text.startsWith('##')) return { does: 'say', text: text.slice(1) };
  if (text.startsWith('#\\private')) return inPrivate(text.slice('#\\private'.length));
  const [name, rest] = firstWord(text.slice(1));
  return talk(name, rest) ?? rooms(name, rest) ?? moderation(name, rest) ?? { does: 'unknown', name };
}

/** Whether something is said in the place where it was typed. */
export function isSaying(typed: string): boolean {
  const { does } = parse(typed);
  return does === 'say' || does === 'act';
}

function talk(name: string, rest: string): Typed | null {
  switch (name) {
    case 'pm':
      return inPrivate(rest);
    case 'me':
      return rest ? { does: 'act', text: rest } : usage('#me');
    case 'history':
      return rest === '' ? { does: 'history', count: HISTORY_DEFAULT } : NUMBER.test(rest) ? { does: 'history', count: Number(rest) } : usage('#history');
    case 'search':
      return rest ? { does: 'search', words: rest } : usage('#search');
    case 'edit': {
      const [first, text] = firstWord(rest);
      if (rest === '') return usage('#edit');
      return NUMBER.test(first) && text ? { does: 'edit', seq: Number(first), text } : { does: 'edit', seq: null, text: rest };
    }
    case 'del':
      return rest === '' ? { does: 'delete', seq: null } : NUMBER.test(rest) ? { does: 'delete', seq: Number(rest) } : usage('#del');
    case 'away':
      return { does: 'away', note: rest };
    case 'lang':
      return rest === 'en' || rest === 'es' ? { does: 'lang', code: rest } : usage('#lang');
    case 'time':
    case 'back':
    case 'help':
    case 'exit':
      return { does: name };
    default:
      return null;
  }
}

function rooms(name: string, rest: string): Typed | null {
  switch (name) {
    case 'cR': {
      const [room, keep] = firstWord(rest);
      return room && (keep === '' || keep === 'keep') ? { does: 'create', room, keep: keep === 'keep' } : usage('#cR');
    }
    case 'gR':
      return rest ? { does: 'enter', room: rest } : usage('#gR');
    case 'dR':
      return rest ? { does: 'delete-room', room: rest } : usage('#dR');
    case 'eR':
      return { does: 'leave' };
    case 'lR':
      return { does: 'rooms' };
    case 'show':
      return rest === 'users' ? { does: 'users' } : usage('#show users');
    case 'who':
      return { does: 'who', room: rest || null };
    case 'topic':
      return { does: 'topic', text: rest || null };
    case 'notify':
      return rest === 'all' || rest === 'mentions' || rest === 'nothing' ? { does: 'notify', level: rest } : usage('#notify');
    case 'slow':
      return NUMBER.test(rest) ? { does: 'slow', seconds: Number(rest) } : usage('#slow');
    default:
      return null;
  }
}

function moderation(name: string, rest: string): Typed | null {
  const [first, behind] = firstWord(rest);
  const login = first.replace(/^@/, '');
  if (name === 'block') return { does: 'block', login: login || null, off: false };
  if (!['kick', 'ban', 'unban', 'mute', 'unmute', 'unblock'].includes(name)) return null;
  if (!login) return usage(`#${name}`);
  if (name === 'kick') return { does: 'kick', login, reason: behind };
  if (name === 'unblock') return { does: 'block', login, off: true };
  const [number, reason] = firstWord(behind);
  const minutes = NUMBER.test(number) ? Number(number) : null;
  return { does: name.endsWith('ban') ? 'ban' : 'mute', login, minutes, reason: minutes === null ? behind : reason, off: name.startsWith('un') };
}

/** `<ana> hola`, `ana hola` or `@ana hola`. */
function inPrivate(rest: string): Typed {
  const text = rest.trimStart();
  const bracketed = /^<([^>]*)>\s*([^]*)$/.exec(text);
  if (text.startsWith('<') && !bracketed) return usage('#\\private');
  const [login, said] = bracketed ? [(bracketed[1] ?? '').trim(), bracketed[2] ?? ''] : firstWord(text);
  const name = login.replace(/^@/, '');
  return name ? { does: 'private', login: name, text: said } : usage('#pm');
}

function usage(name: string): Typed {
  const known = USAGE.find(([one]) => one === name);
  return { does: 'usage', usage: `${name} ${known?.[1] ?? ''}`.trim() };
}

function firstWord(text: string): [string, string] {
  const found = /^\s*(\S*)\s*([^]*)$/.exec(text.trim());
  return [found?.[1] ?? '', found?.[2] ?? ''];
}

import { bytes } from '../i18n/format.ts';
import type { Audience, Transfer, Trouble } from './peer/messages.ts';
import { words } from './words.ts';

/** Says what went wrong and what to do; what the server or the other end said follows. */
export function troubleTold({ kind, text }: Trouble): string {
  const told = {
    nobody: words.troubleNobody,
    unreachable: words.troubleUnreachable,
    folder: words.troubleFolder,
    'no-room': words.troubleNoRoom,
    lost: words.troubleLost,
    unreadable: words.troubleUnreadable,
    'too-large': words.troubleTooLarge,
    'too-many': words.troubleTooMany,
    ignored: words.troubleIgnored,
    refused: words.troubleRefused,
    declined: words.troubleDeclined,
    'no-relay': words.troubleNoRelay,
    insecure: words.insecureText,
    'old-browser': words.troubleOldBrowser,
    server: words.troubleServer,
  }[kind];
  return text ? `${told} (${text})` : told;
}

export function audienceTold(audience: Audience): string {
  if ('everyone' in audience) return words.withEveryone;
  if ('rooms' in audience) return words.withRoom(audience.rooms.join(', '));
  return words.withPerson(audience.accounts.join(', '));
}

function timeTold(seconds: number): string {
  if (seconds < 90) return words.seconds(Math.max(1, Math.round(seconds)));
  if (seconds < 5400) return words.minutes(Math.round(seconds / 60));
  return words.hours(Math.round(seconds / 3600));
}

/** How far a transfer is, in a line. */
export function transferTold({ stage, way, bytes: here, size, rate, partners }: Transfer, isKept: boolean): string {
  const who = partners.join(', ');
  switch (stage) {
    case 'finding':
      return words.finding;
    case 'asking':
      return words.asking;
    case 'passing': {
      const parts = [words.progress(bytes(here), bytes(size))];
      if (rate > 0) parts.push(words.rate(bytes(rate)), words.left(timeTold((size - here) / rate)));
      if (who) parts.push(way === 'in' ? words.whoHas(who) : words.sendingTo(who));
      return parts.join(' · ');
    }
    case 'done':
      return `${bytes(size)} · ${way === 'out' ? words.doneOut(who) : isKept ? words.done : words.saved}`;
    case 'cancelled':
      return way === 'out' ? words.endedOut(who) : words.cancelled;
    case 'failed':
      return words.progress(bytes(here), bytes(size));
  }
}

/** A piece of a line. */
export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'strong'; inside: Inline[] }
  | { kind: 'em'; inside: Inline[] }
  | { kind: 'strike'; inside: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'link'; href: string; text: string }
  | { kind: 'mention'; login: string };

/** A piece of a text. Lines of a paragraph are kept apart as they were typed. */
export type Block =
  | { kind: 'paragraph'; lines: Inline[][] }
  | { kind: 'quote'; lines: Inline[][] }
  | { kind: 'list'; items: Inline[][] }
  | { kind: 'code'; text: string };

/** Marks within marks are read so deep; deeper ones are text. */
const DEPTH_MAX = 4;
const LINK = /^https?:\/\/[^\s<>"'`\\]+/i;
/** What ends a sentence around an address, and not the address. */
const TRAILING = /[.,;:!?)\]}'*_~]+$/;

/** Reads the subset of Markdown that people write in a chat. Nothing in it is ever markup for a browser. */
export function read(text: string, names: ReadonlySet<string> = new Set()): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let at = 0;
  const while_ = (test: RegExp) => {
    const begin = at;
    while (at < lines.length && test.test(lines[at] ?? '')) at += 1;
    return lines.slice(begin, at);
  };
  const inlines = (list: string[], mark: RegExp) => list.map((line) => readInline(line.replace(mark, ''), names));
  while (at < lines.length) {
    const line = lines[at] ?? '';
    if (/^```/.test(line)) {
      const end = lines.findIndex((other, index) => index > at && /^```\s*$/.test(other));
      if (end > at) {
        blocks.push({ kind: 'code', text: lines.slice(at + 1, end).join('\n') });
        at = end + 1;
        continue;
      }
    }
    if (/^> ?/.test(line)) blocks.push({ kind: 'quote', lines: inlines(while_(/^> ?/), /^> ?/) });
    else if (/^[-*•] \S/.test(line)) blocks.push({ kind: 'list', items: inlines(while_(/^[-*•] \S/), /^[-*•] /) });
    else {
      const paragraph = [line];
      at += 1;
      while (at < lines.length && !/^(```|> ?|[-*•] \S)/.test(lines[at] ?? '')) paragraph.push(lines[at++] ?? '');
      blocks.push({ kind: 'paragraph', lines: inlines(paragraph, /^$/) });
    }
  }
  return blocks;
}

/** Reads one line; `names` are the logins that the message calls, in lower case. */
export function readInline(line: string, names: ReadonlySet<string>, depth = 0): Inline[] {
  const found: Inline[] = [];
  let plain = '';
  const flush = () => {
    if (plain) found.push({ kind: 'text', text: plain });
    plain = '';
  };
  let at = 0;
  while (at < line.length) {
    const piece = pieceAt(line, at, names, depth);
    if (piece) {
      flush();
      found.push(piece.inline);
      at += piece.length;
    } else {
      plain += line[at];
      at += 1;
    }
  }
  flush();
  return found;
}

function pieceAt(line: string, at: number, names: ReadonlySet<string>, depth: number): { inline: Inline; length: number } | null {
  const rest = line.slice(at);
  const before = line[at - 1] ?? ' ';
  switch (line[at]) {
    case '`': {
      const code = /^`([^`]+)`/.exec(rest);
      return code ? { inline: { kind: 'code', text: code[1] ?? '' }, length: code[0].length } : null;
    }
    case 'h':
    case 'H': {
      if (/[\p{L}\p{N}]/u.test(before)) return null;
      const href = LINK.exec(rest)?.[0].replace(TRAILING, trimmed);
      return href && href.length > 'https://'.length ? { inline: { kind: 'link', href, text: href }, length: href.length } : null;
    }
    case '@': {
      const login = /^@([A-Za-z0-9._-]{1,64})/.exec(rest)?.[1];
      const called = login && named(login, names);
      return called ? { inline: { kind: 'mention', login: called }, length: called.length + 1 } : null;
    }
    case '*':
    case '_':
    case '~':
      return depth < DEPTH_MAX ? marked(rest, before, names, depth) : null;
    default:
      return null;
  }
}

/** A bracket at the end belongs to an address that opened it. */
function trimmed(end: string, index: number, whole: string): string {
  const opens = whole.slice(0, index).split('(').length > whole.slice(0, index).split(')').length;
  return opens && end.startsWith(')') ? ')' : '';
}

/** The login that is called: full stops behind it may end the sentence. */
function named(login: string, names: ReadonlySet<string>): string | null {
  for (let name = login; name; name = name.slice(0, -1)) {
    if (names.has(name.toLowerCase())) return name;
    if (!/[._-]$/.test(name)) return null;
  }
  return null;
}

function marked(rest: string, before: string, names: ReadonlySet<string>, depth: number): { inline: Inline; length: number } | null {
  const forms: [RegExp, 'strong' | 'em' | 'strike'][] = [
    [/^\*\*(?=\S)([^]*?\S)\*\*(?!\*)/, 'strong'],
    [/^~~(?=\S)([^]*?\S)~~/, 'strike'],
    [/^\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)/, 'em'],
    [/^_(?=[^\s_])([^_]*?[^\s_])_(?![\p{L}\p{N}_])/u, 'em'],
  ];
  // snake_case and 2*3*4 are what they are.
  if (/[\p{L}\p{N}_*~]/u.test(before)) return null;
  for (const [form, kind] of forms) {
    const match = form.exec(rest);
    if (match) return { inline: { kind, inside: readInline(match[1] ?? '', names, depth + 1) }, length: match[0].length };
  }
  return null;
}

import { expect, test } from 'vitest';

import { read, readInline } from './markdown.ts';

const none = new Set<string>();
const text = (value: string) => ({ kind: 'text', text: value });

test('marks are read within words of their own', () => {
  expect(readInline('a **b *c*** `d*`', none)).toEqual([
    text('a '),
    { kind: 'strong', inside: [text('b '), { kind: 'em', inside: [text('c')] }] },
    text(' '),
    { kind: 'code', text: 'd*' },
  ]);
  for (const plain of ['2*3*4', 'snake_case_name', '* a', '**', '_ _', '`', '~~ ~~']) expect(readInline(plain, none), plain).toEqual([text(plain)]);
});

test('markup is text', () => {
  const script = '<img src=x onerror=alert(1)><script>alert(1)</script>';
  expect(read(script)).toEqual([{ kind: 'paragraph', lines: [[text(script)]] }]);
});

test('only web addresses are links', () => {
  expect(readInline('see https://example.org/a_(b), or http://x.y/?q=1.', none)).toEqual([
    text('see '),
    { kind: 'link', href: 'https://example.org/a_(b)', text: 'https://example.org/a_(b)' },
    text(', or '),
    { kind: 'link', href: 'http://x.y/?q=1', text: 'http://x.y/?q=1' },
    text('.'),
  ]);
  for (const plain of ['javascript:alert(1)', 'data:text/html,x', 'https://', 'xhttp://a.b']) expect(readInline(plain, none), plain).toEqual([text(plain)]);
});

test('only who is called is a mention', () => {
  const names = new Set(['ana', 'j.p']);
  expect(readInline('@Ana. @j.p, @bob', names)).toEqual([
    { kind: 'mention', login: 'Ana' },
    text('. '),
    { kind: 'mention', login: 'j.p' },
    text(', @bob'),
  ]);
});

test('blocks begin at the beginning of a line', () => {
  const blocks = read('one\ntwo\n> said\n> so\n- a\n- b\n```\n**x**\n```\nend');
  expect(blocks.map((block) => block.kind)).toEqual(['paragraph', 'quote', 'list', 'code', 'paragraph']);
  expect(blocks[3]).toEqual({ kind: 'code', text: '**x**' });
  expect(read('```\nnever closed')[0]?.kind).toBe('paragraph');
});

test('a long line of marks is read in a moment', () => {
  const begun = performance.now();
  for (const piece of ['*a', '_', '**', '`', '~~x', 'h', '@', 'https://(', '> ', '[)']) read(piece.repeat(8192 / piece.length));
  expect(performance.now() - begun).toBeLessThan(2_000);
});

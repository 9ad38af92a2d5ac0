import { expect, test } from 'vitest';

import { parse, USAGE } from './typed.ts';

test('what has no mark is said', () => {
  expect(parse('hola a todos ')).toEqual({ does: 'say', text: 'hola a todos' });
  expect(parse('##1 of us')).toEqual({ does: 'say', text: '#1 of us' });
  expect(parse('one\n#two')).toEqual({ does: 'say', text: 'one\n#two' });
  expect(parse(' \n ')).toEqual({ does: 'nothing' });
});

test('private messages are written in many ways', () => {
  for (const line of ['#\\private<ana> hola', '#\\private <ana> hola', '#\\private ana hola', '#pm ana hola', '#pm @ana hola']) {
    expect(parse(line), line).toEqual({ does: 'private', login: 'ana', text: 'hola' });
  }
  expect(parse('#pm')).toEqual({ does: 'usage', usage: '#pm LOGIN [TEXT]' });
  expect(parse('#\\private<ana hola').does).toBe('usage');
});

test('rooms and messages have their commands', () => {
  expect(parse('#cR café keep')).toEqual({ does: 'create', room: 'café', keep: true });
  expect(parse('#cR two words').does).toBe('usage');
  expect(parse('#edit 7 new words')).toEqual({ does: 'edit', seq: 7, text: 'new words' });
  expect(parse('#edit new words')).toEqual({ does: 'edit', seq: null, text: 'new words' });
  expect(parse('#edit 7')).toEqual({ does: 'edit', seq: null, text: '7' });
  expect(parse('#del')).toEqual({ does: 'delete', seq: null });
  expect(parse('#nonsense')).toEqual({ does: 'unknown', name: 'nonsense' });
});

test('bans have minutes and a reason', () => {
  expect(parse('#ban bob 5 too loud')).toEqual({ does: 'ban', login: 'bob', minutes: 5, reason: 'too loud', off: false });
  expect(parse('#mute @bob too loud')).toEqual({ does: 'mute', login: 'bob', minutes: null, reason: 'too loud', off: false });
  expect(parse('#unban bob')).toEqual({ does: 'ban', login: 'bob', minutes: null, reason: '', off: true });
});

test('every command of the help is read', () => {
  for (const [name, follows] of USAGE) {
    const words: Record<string, string> = { SECONDS: '5', MINUTES: '5', SEQ: '3', N: '7', 'all|mentions|nothing': 'all', 'en|es': 'es', keep: '' };
    const rest = follows.replace(/[[\]<>]/g, '').split(' ').map((word) => words[word] ?? word).join(' ');
    const { does } = parse(`${name} ${rest}`);
    expect(['usage', 'unknown', 'say'], name).not.toContain(does);
  }
});

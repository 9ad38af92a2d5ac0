import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server } from './harness/server.js';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start()]);
  for (const login of ['ana', 'bruno', 'carmen']) await server.account(login);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const texts = (visitor) => visitor.page.locator('.row[data-seq] .text').allTextContents();

test('two browsers and a bare socket talk in one room', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  const carmen = await server.line('carmen');
  await ana.say('hola from a browser');
  await bruno.sees('hola from a browser');
  await eventually(() => carmen.heard.includes('ana: hola from a browser'), 'the socket hears the browser');
  carmen.say('hola from a socket');
  await ana.sees('hola from a socket');
  await bruno.sees('hola from a socket');
  await bruno.composer().pressSequentially('one');
  await ana.page.getByText('bruno is writing').waitFor();
  await bruno.type('Shift+Enter', 'two', 'Enter');
  await ana.sees('one');
  assert.match((await texts(ana)).at(-1), /one\s*two/);
  carmen.end();
  assert.deepEqual([...ana.errors, ...bruno.errors], []);
  await ana.close();
  await bruno.close();
});

test('a private message reaches one person alone', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  const carmen = await browser.guest(server, 'carmen');
  await ana.say('#pm bruno between us');
  await ana.page.waitForURL(/#\/talk\/@bruno$/);
  await bruno.page.getByRole('link', { name: /ana.*1 unread/ }).click();
  await bruno.sees('between us');
  await bruno.say('understood');
  await ana.sees('understood');
  assert.equal(await carmen.page.getByText('between us').count(), 0);
  for (const visitor of [ana, bruno, carmen]) await visitor.close();
});

test('a conversation that was never had is begun by writing', async () => {
  await server.account('diego');
  const diego = await browser.guest(server, 'diego');
  const ana = await browser.guest(server, 'ana');
  await ana.go('#/talk/@diego');
  await ana.page.getByText('Nothing has been said yet').waitFor();
  await diego.go('#/talk/@ana');
  await diego.page.getByText('Nothing has been said yet').waitFor();
  await ana.say('nice to meet you');
  await diego.sees('nice to meet you');
  await diego.say('likewise');
  await ana.sees('likewise');
  await ana.close();
  await diego.close();
});

test('unread messages and mentions are counted, and N goes to them', async () => {
  const ana = await browser.guest(server, 'ana');
  // Refused, and what is typed before the answer comes is done behind it.
  await ana.say('#cR quiet keep');
  await ana.say('#cR garden');
  await ana.page.waitForURL(/garden$/);
  await server.say('bruno', 'lobby', 'nobody in particular');
  await server.say('bruno', 'lobby', 'and you, @ana?');
  const lobby = ana.page.getByRole('navigation', { name: 'Rooms and conversations' }).getByRole('link', { name: /lobby/ });
  await eventually(async () => /2 unread/.test(await lobby.textContent()), 'two are unread');
  assert.equal(await lobby.locator('.loud').count(), 1);
  await ana.page.locator('.box').focus();
  await ana.type('n');
  await ana.page.waitForURL(/lobby$/);
  await ana.sees('and you, @ana?');
  await eventually(async () => !/unread/.test(await lobby.textContent()), 'they are read');
  await ana.close();
});

test('messages are answered, edited, reacted to and taken back by keys alone', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.say('the frist try');
  await bruno.sees('the frist try');
  await ana.composer().press('ArrowLeft');
  await eventually(async () => (await ana.composer().inputValue()) === 'the frist try', 'the own last message is in the composer');
  await ana.composer().fill('the first try');
  await ana.composer().press('Enter');
  await bruno.sees('the first try');
  await bruno.composer().press('ArrowUp');
  await bruno.type('r');
  await bruno.page.locator('.about', { hasText: 'Answer to ana' }).waitFor();
  await bruno.type('and it worked', 'Enter');
  await ana.page.locator('.row', { hasText: 'and it worked' }).locator('.answered', { hasText: 'the first try' }).waitFor();
  await ana.composer().press('ArrowUp');
  await ana.type('+');
  await ana.page.getByRole('dialog').getByRole('button', { name: '👍' }).press('Enter');
  await bruno.page.getByRole('button', { name: '👍 1, by ana' }).waitFor();
  await bruno.composer().focus();
  await bruno.composer().press('ArrowUp');
  await bruno.type('d');
  await bruno.page.getByRole('dialog').getByRole('button', { name: 'Take back' }).press('Enter');
  await ana.page.getByText('This message was taken back.').first().waitFor();
  assert.deepEqual([...ana.errors, ...bruno.errors], []);
  await ana.close();
  await bruno.close();
});

test('a room that is deleted leaves its members in the default room with what they typed', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.say('#cR short');
  await ana.page.waitForURL(/short$/);
  await bruno.say('#gR short');
  await bruno.page.waitForURL(/short$/);
  await bruno.composer().fill('half a sente');
  await ana.say('#dR short');
  await bruno.page.waitForURL(/lobby$/);
  await bruno.page.getByRole('status').getByText(/short/).first().waitFor();
  await eventually(async () => (await bruno.composer().inputValue()) === 'half a sente', 'what was typed is there');
  await bruno.composer().fill('');
  await bruno.say('here I am');
  await ana.sees('here I am');
  await ana.close();
  await bruno.close();
});

test('a server that is restarted in mid-typing loses nothing and doubles nothing', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.say('before the restart');
  await bruno.sees('before the restart');
  await ana.composer().fill('typed while it was');
  await server.halt();
  await ana.composer().press('End');
  await ana.type(' away', 'Enter', 'and one more', 'Enter');
  await ana.page.getByText('Waits for the connection').nth(1).waitFor();
  await ana.page.getByText('2 messages wait and are sent once.').waitFor();
  assert.match(await ana.page.locator('.conversation .offline').textContent(), /Next attempt in \d+ s|Connecting/);
  await ana.composer().fill('half a');
  await server.begin();
  // Unless the page tries again by itself just then.
  await ana.page.locator('.conversation .offline button').click({ timeout: 1_000 }).catch(() => {});
  await ana.page.locator('.conversation .offline').waitFor({ state: 'detached' });
  await bruno.click('.conversation .offline button').catch(() => {});
  await bruno.sees('and one more');
  assert.equal(await ana.composer().inputValue(), 'half a');
  await eventually(async () => (await ana.page.locator('.pending, .waiting, .sending').count()) === 0, 'nothing waits');
  const { messages } = await server.ask('ana', 'GET', '/v1/rooms/lobby/messages?limit=3');
  assert.deepEqual(messages.map((message) => message.text), ['before the restart', 'typed while it was away', 'and one more']);
  for (const visitor of [ana, bruno]) {
    assert.deepEqual((await texts(visitor)).slice(-3).map((text) => text.trim()), messages.map((message) => message.text));
    await visitor.close();
  }
});

test('what was refused stays, says why, and is sent again', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.say('#cR strict');
  await ana.page.waitForURL(/strict$/);
  await bruno.say('#gR strict');
  await bruno.page.waitForURL(/strict$/);
  await ana.say('#mute bruno');
  await eventually(async () => (await server.ask('ana', 'GET', '/v1/rooms/strict/mutes')).items.length === 1, 'bruno is muted');
  await bruno.say('let me speak');
  const failed = bruno.page.locator('.failed', { hasText: 'let me speak' });
  await failed.getByText('Not sent').waitFor();
  await ana.say('#unmute bruno');
  await eventually(async () => (await server.ask('ana', 'GET', '/v1/rooms/strict/mutes')).items.length === 0, 'bruno may speak');
  await failed.getByRole('button', { name: 'Send again' }).click();
  await ana.sees('let me speak');
  await failed.waitFor({ state: 'detached' });
  await ana.close();
  await bruno.close();
});

test('drafts are kept for each room, over a reload', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.composer().fill('a draft for the lobby');
  await ana.go('#/talk/@bruno');
  await ana.page.getByLabel('Message to bruno').waitFor();
  await ana.composer().fill('one for bruno');
  await ana.go('#/talk/lobby');
  await eventually(async () => (await ana.composer().inputValue()) === 'a draft for the lobby', 'the draft of the lobby');
  await ana.go('#/talk/@bruno');
  await eventually(async () => (await ana.composer().inputValue()) === 'one for bruno', 'the draft for bruno');
  await ana.page.reload();
  await ana.ready();
  await eventually(async () => (await ana.composer().inputValue()) === 'one for bruno', 'the draft after the reload');
  await ana.composer().fill('');
  await ana.close();
});

test('an edit that is left leaves each room its own draft', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.say('to be edited');
  await ana.sees('to be edited');
  await ana.say('#cR study');
  await ana.page.waitForURL(/study$/);
  await ana.composer().fill('for the study');
  await ana.go('#/talk/lobby');
  await eventually(async () => (await ana.composer().inputValue()) === '', 'the lobby has no draft');
  await ana.composer().press('ArrowLeft');
  await eventually(async () => (await ana.composer().inputValue()) === 'to be edited', 'the message is in the composer');
  await ana.go('#/talk/study');
  await eventually(async () => (await ana.composer().inputValue()) === 'for the study', 'the draft of the study is there');
  await ana.go('#/talk/lobby');
  await eventually(async () => (await ana.composer().inputValue()) === 'to be edited', 'the message is still edited');
  await ana.composer().press('Escape');
  await eventually(async () => (await ana.composer().inputValue()) === '', 'the lobby has no draft again');
  await ana.go('#/talk/study');
  await eventually(async () => (await ana.composer().inputValue()) === 'for the study', 'the draft of the study is there again');
  await ana.close();
});

test('what a private conversation tells one of is known after a reload', async () => {
  const ana = await browser.guest(server, 'ana');
  await server.say('carmen', '@ana', 'are you there?');
  await ana.go('#/talk/@carmen');
  await ana.sees('are you there?');
  await ana.say('#notify nothing');
  await ana.page.getByText('This place tells you of: nothing.').waitFor();
  await ana.page.reload();
  await ana.ready();
  await ana.page.getByRole('button', { name: 'About this room' }).click();
  await eventually(() => ana.page.getByRole('radio', { name: 'nothing' }).isChecked(), 'it is as it was chosen');
  await ana.close();
});

test('names, rooms and commands are completed', async () => {
  const ana = await browser.guest(server, 'ana');
  await eventually(async () => {
    await ana.composer().fill('');
    await ana.composer().pressSequentially('hi @bru');
    return ana.page.getByRole('option', { name: '@bruno' }).isVisible();
  }, 'a name is offered');
  await ana.composer().press('Tab');
  assert.equal(await ana.composer().inputValue(), 'hi @bruno ');
  await ana.composer().fill('');
  await ana.composer().pressSequentially('#not');
  await ana.composer().press('Enter');
  await ana.composer().pressSequentially('men');
  await ana.composer().press('Tab');
  assert.equal(await ana.composer().inputValue(), '#notify mentions ');
  await ana.composer().fill('#nonsense');
  await ana.composer().press('Enter');
  await ana.page.getByRole('alert').getByText('There is no command #nonsense').waitFor();
  assert.equal(await ana.composer().inputValue(), '#nonsense', 'what was refused is not lost');
  await ana.composer().fill('');
  await ana.close();
});

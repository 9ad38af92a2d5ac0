import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server } from './harness/server.js';

const MESSAGES = 50_000;
/** Lines that a bare socket says before it waits for them to be on disk. */
const AT_ONCE = 2_000;
const FILLED_MS_MAX = 240_000;
/** The document holds so many rows at most, however long the history is. */
const ROWS_MAX = 620;
/** A row may move by less than a pixel while others come and go above it. */
const MOVED_PX_MAX = 1;

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start({ 'chat.messages_per_second': 100_000, 'chat.messages_burst': 100_000 })]);
  for (const login of ['ana', 'bruno']) await server.account(login);
  await fill();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

async function head() {
  return (await server.ask('ana', 'GET', '/v1/rooms/lobby')).head;
}

async function fill() {
  const bruno = await server.line('bruno');
  bruno.say('#echo off');
  for (let said = 0; said < MESSAGES; said += AT_ONCE) {
    const lines = Array.from({ length: AT_ONCE }, (_, index) => line(said + index + 1));
    bruno.say(lines.join('\n'));
    await eventually(async () => (await head()) >= said + AT_ONCE, `${said + AT_ONCE} messages are on disk`, FILLED_MS_MAX);
  }
  bruno.end();
}

/** Messages of one line and of several, so that rows are not all of one height. */
function line(number) {
  return `number ${number}${number % 7 === 0 ? ' and some more words'.repeat(number % 40) : ''}`;
}

/** Marks the first whole row that is seen, and says where it is. */
const firstSeen = () => {
  const box = document.querySelector('.box');
  const top = box.getBoundingClientRect().top;
  const row = [...box.querySelectorAll('.row[data-seq]')].find((one) => one.getBoundingClientRect().top >= top);
  return { seq: Number(row.dataset.seq), top: row.getBoundingClientRect().top - top, rows: box.querySelectorAll('.row').length };
};

test('the history is scrolled through to its beginning without a jump, in a document that stays small', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.go('#/talk/lobby');
  await ana.sees(`number ${MESSAGES}`);
  await ana.page.locator('.box').hover();
  let rowsMost = 0;
  let before = await ana.page.evaluate(firstSeen);
  // What is seen must follow from the wheel alone: each look sees earlier messages, none is skipped, and nothing springs back.
  for (let turn = 0; turn < 120; turn += 1) {
    await ana.page.mouse.wheel(0, -900);
    const now = await eventually(async () => {
      const seen = await ana.page.evaluate(firstSeen);
      return seen.seq < before.seq && seen;
    }, `earlier messages than ${before.seq} are seen`);
    assert.ok(before.seq - now.seq < 60, `from ${before.seq} to ${now.seq} by one turn of the wheel`);
    rowsMost = Math.max(rowsMost, now.rows);
    before = now;
  }
  assert.ok(rowsMost <= ROWS_MAX, `${rowsMost} rows are in the document`);
  assert.deepEqual(ana.errors, []);
  await ana.close();
});

test('what one reads stays where it is while others talk, and a button leads to the newest', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.sees(`number ${MESSAGES}`);
  await ana.page.locator('.box').hover();
  await ana.page.mouse.wheel(0, -2_500);
  await ana.page.locator('.newest').waitFor();
  const settled = await stillSeen(ana);
  const said = 400;
  const bruno = await server.line('bruno');
  const first = await head();
  bruno.say(Array.from({ length: said }, (_, index) => `while ana reads ${index}`).join('\n'));
  await eventually(async () => (await head()) >= first + said, 'bruno has talked');
  await ana.page.locator('.newest', { hasText: 'new messages' }).waitFor();
  await eventually(async () => /\b40\d new/.test(await ana.page.locator('.newest').textContent()), 'all of them are counted');
  const now = await ana.page.evaluate(firstSeen);
  assert.equal(now.seq, settled.seq);
  assert.ok(Math.abs(now.top - settled.top) <= MOVED_PX_MAX, `it moved by ${now.top - settled.top} px`);
  assert.ok(now.rows <= ROWS_MAX, `${now.rows} rows are in the document`);
  await ana.page.locator('.newest').click();
  await ana.sees(`while ana reads ${said - 1}`);
  await ana.page.locator('.newest').waitFor({ state: 'detached' });
  bruno.say('and goes on');
  await ana.sees('and goes on');
  const isAtEnd = await ana.page.evaluate(() => {
    const box = document.querySelector('.box');
    return box.scrollHeight - box.scrollTop - box.clientHeight < 2;
  });
  assert.ok(isAtEnd, 'the view goes along with what comes');
  bruno.end();
  await ana.close();
});

/** Waits until what is seen does not change any more. */
async function stillSeen(visitor) {
  let before = await visitor.page.evaluate(firstSeen);
  return eventually(async () => {
    const now = await visitor.page.evaluate(firstSeen);
    const isStill = now.seq === before.seq && now.top === before.top && now.rows === before.rows;
    before = now;
    return isStill && now;
  }, 'nothing moves');
}

test('a search finds an early message and jumps to its place', async () => {
  const ana = await browser.guest(server, 'ana');
  // From another place, so that the room is opened with the jump.
  await ana.say('#cR cellar');
  await ana.page.waitForURL(/cellar$/);
  await ana.page.reload();
  await ana.ready();
  await ana.type('Escape', '/');
  await ana.page.getByPlaceholder('Words in messages').fill('number 1234');
  await ana.page.locator('.hit', { hasText: /number 1234$/ }).click();
  await ana.page.waitForURL(/lobby$/);
  await ana.page.locator('.row.shown[data-seq="1234"]').waitFor();
  const isSeen = await ana.page.evaluate(() => {
    const row = document.querySelector('.row[data-seq="1234"]').getBoundingClientRect();
    const box = document.querySelector('.box').getBoundingClientRect();
    return row.top >= box.top && row.bottom <= box.bottom;
  });
  assert.ok(isSeen, 'the message is in sight');
  await ana.page.locator('.newest').click();
  await ana.sees('and goes on');
  await ana.close();
});

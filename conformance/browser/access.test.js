import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server } from './harness/server.js';

const LOOKS = [
  { colorScheme: 'light', locale: 'en' },
  { colorScheme: 'dark', locale: 'en' },
  { colorScheme: 'light', locale: 'es' },
  { colorScheme: 'dark', locale: 'es' },
];
const WIDTHS = [320, 360, 1024, 1920, 3840];

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start()]);
  for (const login of ['ana', 'bruno']) await server.account(login);
  await server.say('bruno', 'lobby', '**bold**, `code` and a link: https://example.org\n```\nmore code\n```\n> quoted');
  const { seq } = await server.say('bruno', 'lobby', 'for you, @ana');
  await server.say('bruno', 'lobby', 'an answer', { reply_to: seq });
  await server.say('bruno', 'lobby', 'waves', { action: true });
  await server.say('bruno', 'lobby', `report.pdf (1.2 MiB) chaski:${'ab'.repeat(32)}`);
  await server.ask('ana', 'PUT', `/v1/rooms/lobby/messages/${seq}/reactions/${encodeURIComponent('👍')}`);
  await server.say('bruno', '@ana', 'between us');
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** The views and dialogs of Enter and Talk, each with how one gets there. */
const VIEWS = {
  room: async (visitor) => visitor.sees('an answer'),
  private: async (visitor) => {
    await visitor.go('#/talk/@bruno');
    await visitor.sees('between us');
  },
  people: async (visitor) => {
    await visitor.go('#/talk/lobby');
    await visitor.sees('an answer');
    await visitor.page.locator('.conversation header button').first().click();
    await visitor.page.locator('aside li').first().waitFor();
  },
  'about a room': async (visitor) => {
    await visitor.page.locator('.conversation header button').nth(1).click();
    await visitor.page.locator('aside fieldset').waitFor();
  },
  search: async (visitor) => {
    await visitor.page.locator('.box').focus();
    await visitor.type('/');
    await visitor.page.locator('aside [role=searchbox]').fill('answer');
    await visitor.page.locator('.hit').first().waitFor();
  },
  keys: async (visitor) => dialog(visitor, '?'),
  palette: async (visitor) => dialog(visitor, 'Control+k'),
  commands: async (visitor) => command(visitor, '#help'),
  rooms: async (visitor) => command(visitor, '#lR'),
  'everyone in the system': async (visitor) => command(visitor, '#show users'),
  completions: async (visitor) => {
    await close(visitor);
    await visitor.composer().pressSequentially('#');
    await visitor.page.locator('[role=option]').first().waitFor();
  },
  profile: async (visitor) => {
    await visitor.composer().fill('');
    await visitor.go('#/profile');
    await visitor.page.locator('.profile li').first().waitFor();
  },
  nowhere: async (visitor) => {
    await visitor.go('#/nowhere');
    await visitor.page.locator('.empty').waitFor();
  },
};

async function close(visitor) {
  while (await visitor.page.locator('dialog[open]').count()) await visitor.page.keyboard.press('Escape');
  // What is closed gives the focus back as it goes.
  await visitor.page.locator('dialog').waitFor({ state: 'detached' });
}

async function dialog(visitor, key) {
  await close(visitor);
  await visitor.page.locator('.box').focus();
  await visitor.page.keyboard.press(key);
  await visitor.page.locator('dialog[open]').waitFor();
}

async function command(visitor, text) {
  await close(visitor);
  await visitor.say(text);
  await visitor.page.locator('dialog[open] :is(li, dl, .empty)').first().waitFor();
}

for (const look of LOOKS) {
  test(`axe finds nothing grave, ${look.colorScheme}, ${look.locale}`, async () => {
    const flaws = [];
    const look_ = async (name, visitor) => flaws.push(...(await visitor.flaws()).map((flaw) => `${name}: ${flaw}`));
    const visitor = await browser.visitor(look);
    await visitor.open(server.page);
    await visitor.page.locator('[name=username]').waitFor();
    await look_('log in', visitor);
    await visitor.page.keyboard.press('Enter');
    await visitor.page.locator('[aria-invalid=true]').first().waitFor();
    await look_('errors', visitor);
    await visitor.open(server.ready['join-link']);
    await visitor.page.locator('[autocomplete=new-password]').waitFor();
    await look_('register', visitor);
    await visitor.open(`${server.page}#/talk/lobby`);
    await visitor.page.reload();
    await visitor.logIn('ana');
    for (const [name, arrive] of Object.entries(VIEWS)) {
      await arrive(visitor);
      await look_(name, visitor);
    }
    assert.deepEqual(flaws, []);
    assert.deepEqual(visitor.errors, []);
    await visitor.close();
  });
}

test('nothing is cut off from 320 px to 4K', async () => {
  for (const width of WIDTHS) {
    const visitor = await browser.guest(server, 'ana', { viewport: { width, height: width < 500 ? 640 : 900 } }).catch((error) => {
      throw new Error(`${width} px: ${error.message}`);
    });
    for (const address of ['#/talk/lobby', '#/talk/@bruno', '#/talk', '#/profile', '#/files', '#/files/mine', '#/files/transfers']) {
      await visitor.go(address);
      await visitor.page.waitForLoadState('networkidle');
      const wider = await visitor.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wider <= 0, `${address} is ${wider} px wider than ${width} px`);
    }
    await visitor.close();
  }
});

test('everything is reached by the keyboard, and what has the focus is seen', async () => {
  const ana = await browser.guest(server, 'ana');
  const focused = () => ana.page.evaluate(() => document.activeElement?.closest('[data-pane]')?.getAttribute('aria-label') ?? document.activeElement?.closest('[data-pane]')?.className);
  const panes = new Set();
  for (let press = 0; press < 4; press += 1) {
    await ana.page.keyboard.press('F6');
    panes.add(await focused());
  }
  assert.equal(panes.size, 4, [...panes].join(', '));
  await ana.page.locator('.box').focus();
  await ana.type('c');
  await ana.page.locator('.composer textarea:focus').waitFor();
  await ana.type('Escape', '?');
  await ana.page.getByRole('dialog').getByText('From the composer to the messages').waitFor();
  await ana.type('Escape', 'c');
  await ana.page.locator('.composer textarea:focus').waitFor();
  await ana.page.keyboard.press('Control+k');
  await ana.type('bru', 'Enter');
  await ana.page.waitForURL(/@bruno$/);
  await eventually(async () => (await ana.page.evaluate(() => document.activeElement?.tagName)) === 'TEXTAREA', 'the cursor is in the composer');
  await ana.page.keyboard.press('Alt+ArrowUp');
  await ana.page.waitForURL(/lobby$/);
  for (let step = 0; step < 30; step += 1) {
    await ana.page.keyboard.press('Tab');
    const outline = await ana.page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return 'none needed';
      const shown = [element, element.closest('.line, .frame, label')].filter(Boolean).map((one) => getComputedStyle(one));
      return shown.some((style) => style.outlineStyle !== 'none' || style.boxShadow !== 'none') ? 'seen' : element.outerHTML.slice(0, 120);
    });
    assert.ok(['seen', 'none needed'].includes(outline), outline);
  }
  await ana.close();
});

test('a dialog that a dialog opens stays open', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.page.keyboard.press('Control+k');
  await ana.type('show the keys', 'Enter');
  const keys = ana.page.getByRole('dialog').getByText('From the composer to the messages');
  await keys.waitFor();
  // The one before it tells that it closed after the next has opened.
  await ana.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(resolve)))));
  assert.ok(await keys.isVisible());
  await ana.type('Escape');
  await keys.waitFor({ state: 'detached' });
  await ana.close();
});

test('new messages are told to whoever listens', async () => {
  const ana = await browser.guest(server, 'ana');
  await ana.sees('an answer');
  await server.say('bruno', 'lobby', 'can you hear me?');
  await eventually(async () => (await ana.page.locator('[role=log][aria-live=polite]').textContent()).includes('bruno: can you hear me?'), 'the live region says it');
  await ana.close();
});

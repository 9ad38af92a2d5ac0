import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server, passwordOf } from './harness/server.js';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start({ 'accounts.registration': 'invitation' })]);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** Somebody who came by a link. */
async function arrive(link, login) {
  const visitor = await browser.visitor();
  await visitor.page.addInitScript(record);
  await visitor.open(link);
  await visitor.page.locator('[name=username]:focus').waitFor();
  await visitor.type(login, 'Tab', passwordOf(login), 'Enter');
  await visitor.ready();
  return visitor;
}

/** Runs in the page: a browser without a screen shows no notifications, so they are noted. */
function record() {
  window.shown = [];
  window.Notification = class {
    static permission = 'default';
    static async requestPermission() {
      return (this.permission = 'granted');
    }
    constructor(title, { body }) {
      window.shown.push(`${title}: ${body}`);
      window.latest = this;
    }
    close() {}
  };
}

/** Says whether one looks at the page; a browser that is driven always has the focus. */
const look = (visitor, isLooked) =>
  visitor.page.evaluate((has) => {
    document.hasFocus = () => has;
    window.dispatchEvent(new Event(has ? 'focus' : 'blur'));
  }, isLooked);

test('an administrator invites, and one is told of what is said while one looks elsewhere', async () => {
  const ana = await arrive(server.ready['admin-link'], 'ana');
  await ana.page.getByRole('button', { name: 'Invite people' }).click();
  await ana.page.getByLabel('For how many').fill('1');
  await ana.page.getByRole('button', { name: 'Make a link' }).click();
  const link = await ana.page.getByLabel('The link', { exact: true }).inputValue();
  await ana.page.keyboard.press('Escape');
  const bruno = await arrive(link, 'bruno');
  const late = await browser.visitor();
  await late.open(link);
  await late.page.getByRole('alert').getByText('This invitation does not hold').waitFor();
  await late.close();

  await ana.page.getByRole('button', { name: 'About this room' }).click();
  await ana.page.getByRole('button', { name: 'Tell me when I look elsewhere' }).click();
  await ana.page.getByRole('button', { name: 'Tell me when I look elsewhere' }).waitFor({ state: 'detached' });
  const choose = async (level, name) => {
    await ana.say(`#notify ${level}`);
    await ana.page.getByText(`This place tells you of: ${name}.`).waitFor();
    assert.ok(await ana.page.getByRole('radio', { name }).isChecked());
  };
  const shown = () => ana.page.evaluate(() => window.shown);
  /** Says both, waits until they are there, and gives what was shown of them. */
  const hear = async (plain, calling) => {
    await look(ana, false);
    await bruno.say(plain);
    await bruno.say(calling);
    await ana.sees(calling);
    await look(ana, true);
    return shown();
  };

  await choose('all', 'everything');
  assert.deepEqual(await hear('for all', 'for @ana'), ['bruno in lobby: for all', 'bruno in lobby: for @ana']);
  await choose('mentions', 'mentions');
  assert.deepEqual((await hear('again for all', 'again for @ana')).slice(2), ['bruno in lobby: again for @ana']);
  await choose('nothing', 'nothing');
  assert.equal((await hear('once more for all', 'once more for @ana')).length, 3);
  await bruno.say('while you look');
  await ana.sees('while you look');
  assert.equal((await shown()).length, 3);

  await ana.say('#cR attic');
  await ana.page.waitForURL(/attic$/);
  await ana.page.evaluate(() => window.latest.onclick());
  await ana.page.waitForURL(/lobby$/);
  assert.deepEqual([...ana.errors, ...bruno.errors], []);
  await ana.close();
  await bruno.close();
});

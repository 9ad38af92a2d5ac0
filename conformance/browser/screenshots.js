// Pictures of every view of the page, with something in it, for people to look at: `make screenshots`.
//
// node screenshots.js [FOLDER]     in light at 360, 1024 and 1920 px, and at 1024 px also dark and in Spanish

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server } from './harness/server.js';

const WIDTHS = { 360: 740, 1024: 768, 1920: 1080 };
const LOOKS = [
  ...Object.keys(WIDTHS).map((width) => ({ width: Number(width), colorScheme: 'light', locale: 'en' })),
  { width: 1024, colorScheme: 'dark', locale: 'en' },
  { width: 1024, colorScheme: 'light', locale: 'es' },
];

/** What strangers see. */
const OUTSIDE = { enter: '', join: '#/join' };
/** What those see who are in; the keys that are pressed there come behind the address, what is typed behind a quotation mark, and what is done otherwise as a function. */
const INSIDE = {
  talk: ['#/talk/kitchen'],
  private: ['#/talk/@bruno'],
  people: ['#/talk/kitchen', (page) => page.locator('.conversation > header button[aria-pressed]').first().click()],
  room: ['#/talk/kitchen', (page) => page.locator('.conversation > header button[aria-pressed]').last().click()],
  // On a narrow page the list of the rooms stands alone.
  invite: ['#/talk', (page) => page.locator('.sidebar header button').last().click()],
  search: ['#/talk/kitchen', 'Escape', '/', '"soup', 'Enter'],
  keys: ['#/talk/kitchen', 'F1'],
  palette: ['#/talk/kitchen', 'Control+k'],
  profile: ['#/profile'],
  files: ['#/files'],
  'files-mine': ['#/files/mine'],
  'files-transfers': ['#/files/transfers'],
  overview: ['#/queues/overview'],
  queues: ['#/queues/list'],
  queue: ['#/queues/queue/orders'],
  'queue-messages': ['#/queues/queue/orders/messages'],
  'queue-publish': ['#/queues/queue/orders/publish'],
  'queue-bindings': ['#/queues/queue/invoices/bindings'],
  'queue-webhooks': ['#/queues/queue/orders/webhooks'],
  'queue-access': ['#/queues/queue/orders/access'],
  'queue-settings': ['#/queues/queue/orders/settings'],
  'queue-letters': ['#/queues/queue/orders-dead/letters'],
  stream: ['#/queues/queue/readings'],
  'stream-messages': ['#/queues/queue/readings/messages'],
  'stream-groups': ['#/queues/queue/readings/groups'],
  topics: ['#/queues/topics'],
  topic: ['#/queues/topic/news'],
  connections: ['#/queues/connections'],
  sessions: ['#/queues/sessions'],
  accounts: ['#/queues/accounts'],
  account: ['#/queues/account/bruno'],
  invitations: ['#/queues/invitations'],
  permissions: ['#/queues/permissions'],
  webhooks: ['#/queues/webhooks'],
  policies: ['#/queues/policies'],
  vhosts: ['#/queues/vhosts'],
  audit: ['#/queues/audit'],
};

const TALK = [
  ['ana', 'Good morning! The soup for Friday: who brings what?'],
  ['bruno', 'I bring **bread**, and the big pot.'],
  ['carmen', 'Vegetables are on me. Recipe in `soup.txt`, three sources:'],
  ['carmen', '```\n2 kg potatoes\n1 kg carrots\nleeks\n```'],
  ['bruno', '@ana can you ask the neighbours for the *long* table?'],
  ['ana', 'Done. They come too, so we are twelve.'],
  ['bruno', 'Then two pots of soup.'],
];

/** Fills a server with what a small house would have. */
async function furnish(server) {
  await server.account('ana', { invitation: server.ready['admin-link'].split('/').at(-1), first_names: 'Ana María', last_names: 'Quispe', age: 34 });
  for (const login of ['bruno', 'carmen', 'worker']) await server.account(login);
  await server.ask('ana', 'POST', '/v1/rooms', { room: 'kitchen', keep: true });
  await server.ask('ana', 'PATCH', '/v1/rooms/kitchen', { topic: 'What we cook, and who washes up' });
  for (const [login, text] of TALK) await server.say(login, 'kitchen', text);
  await server.ask('carmen', 'PUT', '/v1/rooms/kitchen/messages/6/reactions/%F0%9F%8E%89');
  await server.say('bruno', 'kitchen', 'And a third for the children.', { reply_to: 7 });
  await server.say('bruno', '@ana', 'The key is under the pot.');
  await server.say('ana', '@bruno', 'Thanks! I am there at six.');
  await furnishQueues((method, path, body) => server.ask('ana', method, path, body));
}

const QUEUES = {
  'orders-dead': {},
  orders: { settings: { dead_letter_exchange: '', dead_letter_routing_key: 'orders-dead' } },
  invoices: {},
  readings: { kind: 'stream' },
  'photos-to-shrink': {},
};

async function furnishQueues(ask) {
  for (const [queue, wish] of Object.entries(QUEUES)) await ask('PUT', `/v1/queues/${queue}`, wish);
  await ask('PUT', '/v1/topics/news', { kind: 'topic' });
  await ask('POST', '/v1/topics/news/bindings', { queue: 'invoices', pattern: 'billing.#' });
  for (let number = 1; number <= 40; number += 1) {
    for (const queue of ['orders', 'readings', 'photos-to-shrink']) await ask('POST', `/v1/queues/${queue}/messages`, { number, what: 'two apples', for: 'bruno' });
  }
  const { messages } = await ask('POST', '/v1/queues/orders/pull', { max: 3 });
  await ask('POST', '/v1/leases', { reject: messages.map(({ lease }) => lease) });
  await ask('PUT', '/v1/queues/readings/groups/weather', { offset: 'first' });
  await ask('PUT', '/v1/queues/orders/grants/worker', { read: true });
  await ask('POST', '/v1/queues/orders/keys', { note: 'the shop in the village', write: true });
  await ask('POST', '/v1/queues/orders/webhooks', { url: 'https://shop.example/orders', paused: true });
  await ask('POST', '/v1/invitations', { uses: 2 });
  await ask('PUT', '/v1/vhosts/%2F/policies/short', { pattern: '^tmp', definition: { 'max-length': 10 } });
  await ask('PUT', '/v1/vhosts/%2F/permissions/worker', { configure: '', write: '^orders', read: '^orders' });
}

async function picture(visitor, path, folder, name) {
  const [address, ...keys] = path;
  // Another address of the same page would leave open what is open.
  await visitor.open('about:blank');
  await visitor.open(`${visitor.server.page}${address}`);
  await visitor.page.waitForLoadState('networkidle').catch(() => null);
  for (const key of keys) {
    if (typeof key === 'function') await key(visitor.page);
    else if (key.startsWith('"')) await visitor.page.keyboard.type(key.slice(1));
    else await visitor.page.keyboard.press(key);
  }
  // Nothing moves any more, and what was asked for is there.
  await eventually(() => visitor.page.evaluate(() => document.querySelectorAll('[aria-busy=true]').length === 0), `${name} is there`);
  await visitor.page.evaluate(() => document.fonts.ready);
  await visitor.page.screenshot({ path: join(folder, `${name}.png`) });
}

async function all(folder) {
  await mkdir(folder, { recursive: true });
  const [browser, server] = await Promise.all([Browser.start(), Server.start()]);
  let count = 0;
  try {
    await furnish(server);
    for (const { width, ...look } of LOOKS) {
      const place = join(folder, `${width}-${look.colorScheme}-${look.locale}`);
      await mkdir(place, { recursive: true });
      const options = { viewport: { width, height: WIDTHS[width] }, ...look };
      const stranger = Object.assign(await browser.visitor(options), { server });
      for (const [name, address] of Object.entries(OUTSIDE)) await picture(stranger, [address], place, name);
      // On a narrow page one pane hides what tells that somebody is in.
      const ana = Object.assign(await browser.guest(server, 'ana', look), { server });
      await ana.page.setViewportSize(options.viewport);
      for (const [name, path] of Object.entries(INSIDE)) await picture(ana, path, place, name);
      count += Object.keys(OUTSIDE).length + Object.keys(INSIDE).length;
      await stranger.close();
      await ana.close();
    }
  } finally {
    await browser.stop();
    await server.stop();
  }
  console.log(`${count} pictures in ${folder}`);
}

await all(resolve(process.argv[2] ?? '../../target/screenshots'));

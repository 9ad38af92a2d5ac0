import { passwordOf } from './server.js';

/** Every address of the queues' place that stands for a view, for who operates `desk`: see `stock`. */
export const VIEWS = [
  'overview',
  'list',
  'queue/orders',
  'queue/orders/messages',
  'queue/orders/publish',
  'queue/orders/bindings',
  'queue/orders/webhooks',
  'queue/orders/access',
  'queue/orders/settings',
  'queue/dead/letters',
  'queue/events/messages',
  'queue/events/groups',
  'queue/nothing',
  'topics',
  'topic/shop',
  'topic/shop/publish',
  'topic/shop/follow',
  'topic/shop/access',
  'topic/shop/settings',
  'connections',
  'sessions',
  'accounts',
  'account/guest',
  'invitations',
  'permissions',
  'webhooks',
  'policies',
  'vhosts',
  'audit',
];

/** Somebody who is logged in and stands somewhere among the queues; with `hasClock` the page's time can be moved on. */
export async function operator(browser, server, login, address = 'list', { hasClock = false, ...options } = {}) {
  const visitor = await browser.visitor(options);
  if (hasClock) await visitor.page.clock.install();
  await visitor.open(`${server.page}#/queues/${address}`);
  await visitor.page.fill('[name=username]', login);
  await visitor.page.fill('[name=password]', passwordOf(login));
  await visitor.page.keyboard.press('Enter');
  await settled(visitor);
  return visitor;
}

/** Goes to another place among the queues, and returns when it is there. */
export async function goTo(visitor, address) {
  await visitor.page.evaluate(async (hash) => {
    if (location.hash === hash) return;
    const changed = new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
    location.hash = hash;
    await changed;
    // The view that was there gives way in the frame that follows.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  }, `#/queues/${address}`);
  await settled(visitor);
}

/** Waits until nothing in the view is on its way. */
export async function settled(visitor) {
  await visitor.page.locator('.queues .inside :is(h1, h3)').first().waitFor();
  await visitor.page.waitForFunction(() => document.querySelector('.queues .running') === null);
}

/** Opens everything that can be unfolded. */
export function unfold(visitor) {
  return visitor.page.evaluate(() => document.querySelectorAll('.queues details').forEach((details) => (details.open = true)));
}

/** Something of everything that is operated. */
export async function stock(server) {
  const ask = (method, path, body) => server.ask('guest', method, path, body);
  const letters = { dead_letter_exchange: '', dead_letter_routing_key: 'dead' };
  await ask('PUT', '/v1/queues/dead', {});
  await ask('PUT', '/v1/queues/orders', { settings: letters });
  await ask('PUT', '/v1/queues/events', { kind: 'stream' });
  await ask('PUT', '/v1/topics/shop', {});
  await ask('POST', '/v1/topics/shop/bindings', { queue: 'orders', pattern: 'orders.*' });
  await publish(server, 'orders', [...Array(5).keys()].map((id) => ({ id })));
  await publish(server, 'events', [...Array(120).keys()].map((id) => ({ id })));
  await die(server, 'orders', 2);
  await ask('PUT', '/v1/queues/events/groups/reports', { offset: 'first' });
  await server.account('luis');
  await ask('PUT', '/v1/queues/orders/grants/luis', { read: true });
  await ask('POST', '/v1/queues/orders/keys', { note: 'the desk', write: true });
  await ask('POST', '/v1/invitations', { uses: 2 });
  await ask('POST', '/v1/queues/orders/webhooks', { url: 'https://shop.example/orders', paused: true });
  await ask('PUT', '/v1/vhosts/%2F/policies/short', { pattern: '^tmp', definition: { 'max-length': 10 } });
  await ask('PUT', '/v1/vhosts/%2F/permissions/luis', { configure: '', write: '^own', read: '^own' });
}

/** Publishes bodies, each written as JSON. */
export function publish(server, queue, bodies, more = {}) {
  const messages = bodies.map((body) => ({ body: JSON.stringify(body), content_type: 'application/json', ...more }));
  return server.ask('guest', 'POST', `/v1/queues/${encodeURIComponent(queue)}/messages/batch`, { messages });
}

/** Rejects the first messages of a queue. */
export async function die(server, queue, count) {
  const { messages } = await server.ask('guest', 'POST', `/v1/queues/${queue}/pull`, { max: count });
  await server.ask('guest', 'POST', '/v1/leases', { reject: messages.map((message) => message.lease) });
}

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { goTo, operator, publish, stock, unfold, VIEWS } from './harness/operator.js';
import { Server } from './harness/server.js';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start()]);
  await stock(server);
  await server.account('nora');
  await server.account('pablo');
  await server.ask('guest', 'PUT', '/v1/accounts/pablo/tags', { tags: ['monitoring'] });
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const tabsOf = (visitor, name) => visitor.page.getByRole('navigation', { name }).getByRole('link').allInnerTexts();

/** Notes every answer that refuses something. */
function refusals(visitor) {
  const refused = [];
  visitor.page.on('response', (response) => {
    if (response.status() === 403) refused.push(new URL(response.url()).pathname);
  });
  return refused;
}

test('who has no right on anything sees nothing of anybody, and asks for nothing that is refused', async () => {
  const visitor = await operator(browser, server, 'nora');
  const refused = refusals(visitor);
  assert.deepEqual(await tabsOf(visitor, 'Parts of the queues'), ['Queues', 'Topics', 'Connections', 'My account', 'More']);
  await visitor.page.getByText('There are no queues yet').waitFor();
  for (const address of ['topics', 'connections', 'sessions', 'account/nora', 'webhooks', 'audit']) {
    await goTo(visitor, address);
    const text = await visitor.page.locator('.queues').innerText();
    for (const name of ['orders', 'events', 'shop', 'guest', 'luis']) assert.ok(!text.includes(name), `${address} tells of ${name}`);
  }
  for (const address of ['overview', 'accounts', 'invitations', 'permissions', 'policies', 'vhosts']) {
    await goTo(visitor, address);
    await visitor.page.getByText('Nothing here for your account').waitFor();
  }
  assert.deepEqual(refused, []);
  for (const address of ['queue/orders', 'queue/orders/settings', 'topic/shop', 'account/guest']) {
    await goTo(visitor, address);
    await visitor.page.getByText(/This (queue|topic|account) is not there/).waitFor();
  }
  await visitor.close();
});

test('who may read a queue alone is offered to read it alone', async () => {
  const visitor = await operator(browser, server, 'luis', 'queue/orders');
  const refused = refusals(visitor);
  const tabs = await tabsOf(visitor, 'Parts of this queue');
  assert.deepEqual(tabs, ['Overview', 'Messages', 'Dead letters', 'Bindings', 'Webhooks', 'Settings']);
  for (const tab of ['', 'messages', 'letters', 'bindings', 'webhooks', 'settings']) await goTo(visitor, `queue/orders/${tab}`);
  for (const name of ['Publish', 'Delete the queue', 'Rename', 'Bind to a topic', 'Make a key']) {
    assert.equal(await visitor.page.getByRole('button', { name }).count(), 0, name);
  }
  // What is not offered is not reached by its address either.
  for (const tab of ['publish', 'access']) {
    await goTo(visitor, `queue/orders/${tab}`);
    assert.equal(await visitor.page.getByRole('link', { name: 'Overview', exact: true }).getAttribute('aria-current'), 'page');
  }
  assert.deepEqual(refused, []);
  await visitor.close();
});

test('who watches sees the overview, and changes nothing there', async () => {
  const visitor = await operator(browser, server, 'pablo', 'overview');
  const refused = refusals(visitor);
  await visitor.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await visitor.page.getByText('publishers wait above').waitFor();
  assert.equal(await visitor.page.getByRole('button', { name: 'Raise an alarm' }).count(), 0);
  assert.deepEqual(refused, []);
  await visitor.close();
});

test('scripts in names, bodies, headers and patterns stay text', async () => {
  const script = '<img src=x onerror="window.wasRun=1"><script>window.wasRun=1</script>';
  const ask = (method, path, body) => server.ask('guest', method, path, body);
  const inPath = encodeURIComponent(script);
  await ask('PUT', `/v1/queues/${inPath}`, {});
  await ask('PUT', `/v1/queues/${encodeURIComponent(`${script} dead`)}`, { settings: { dead_letter_exchange: '', dead_letter_routing_key: script } });
  await ask('PUT', `/v1/topics/${inPath}`, {});
  await ask('POST', `/v1/topics/${inPath}/bindings`, { queue: script, pattern: script, arguments: { [script]: script } });
  await ask('POST', `/v1/queues/${inPath}/keys`, { note: script, write: true });
  await ask('PUT', `/v1/vhosts/${inPath}`);
  await ask('PUT', `/v1/vhosts/%2F/policies/${inPath}`, { pattern: '^none$', definition: { 'dead-letter-exchange': script } });
  await ask('POST', '/v1/sessions', { login: 'guest', password: 'guest', client: script });
  const headers = { [script]: script };
  await publish(server, script, [script], { headers, type: script, message_id: script, content_type: script, app_id: script });
  const visitor = await operator(browser, server, 'guest');
  const addresses = ['overview', 'list', 'topics', 'connections', 'sessions', 'webhooks', 'policies', 'vhosts', 'audit', 'permissions'];
  for (const part of ['', 'messages', 'publish', 'letters', 'bindings', 'access', 'webhooks', 'settings']) addresses.push(`queue/${inPath}/${part}`);
  for (const part of ['', 'publish', 'access', 'settings']) addresses.push(`topic/${inPath}/${part}`);
  for (const address of addresses) {
    await goTo(visitor, address);
    await unfold(visitor);
    assert.equal(await visitor.page.locator('.queues :is(img, script)').count(), 0, address);
    assert.equal(await visitor.page.evaluate(() => window.wasRun), undefined, address);
  }
  await goTo(visitor, `queue/${inPath}/messages`);
  await visitor.page.getByRole('heading', { level: 1 }).getByText(script, { exact: true }).waitFor();
  await visitor.page.locator('.queues pre').getByText('wasRun').first().waitFor();
  assert.deepEqual(visitor.errors, []);
  await visitor.close();
});

for (const language of ['en', 'es']) {
  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing grave among the queues: ${language}, ${colorScheme}`, async () => {
      const visitor = await operator(browser, server, 'guest', 'list', { locale: language, colorScheme });
      for (const address of VIEWS) {
        await goTo(visitor, address);
        await unfold(visitor);
        assert.deepEqual(await visitor.flaws(), [], address);
      }
      for (const address of ['list', 'topics', 'accounts', 'invitations', 'policies', 'vhosts', 'permissions']) {
        await goTo(visitor, address);
        await visitor.page.locator('.queues button:has(.text):not(th button)').first().click();
        await visitor.page.getByRole('dialog').waitFor();
        assert.deepEqual(await visitor.flaws(), [], `the form of ${address}`);
        await visitor.page.keyboard.press('Escape');
      }
      assert.deepEqual(visitor.errors, []);
      await visitor.close();
    });
  }
}

for (const width of [320, 360, 1024, 3840]) {
  test(`nothing is cut off at ${width} pixels`, async () => {
    const visitor = await operator(browser, server, 'guest', 'list', { viewport: { width, height: 800 } });
    for (const address of VIEWS) {
      await goTo(visitor, address);
      const wide = await visitor.page.evaluate(() => {
        const places = [document.documentElement, document.querySelector('.queues .place')];
        return places.filter((place) => place.scrollWidth > place.clientWidth).map((place) => `${place.className}: ${place.scrollWidth} of ${place.clientWidth}`);
      });
      assert.deepEqual(wide, [], address);
    }
    await visitor.close();
  });
}

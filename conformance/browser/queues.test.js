import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { die, goTo, operator, publish, settled } from './harness/operator.js';
import { passwordOf, Server } from './harness/server.js';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start()]);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const ask = (method, path, body) => server.ask('guest', method, path, body);
const told = (visitor, text) => visitor.page.getByRole('status').getByText(text).first().waitFor();

test('an operator makes a queue, publishes, looks, and replays a dead letter', async () => {
  const visitor = await operator(browser, server, 'guest');
  const { page } = visitor;
  await page.getByText('There are no queues yet').waitFor();
  for (const [name, letters] of [['jobs.dead', ''], ['jobs', 'jobs.dead']]) {
    await page.getByRole('button', { name: 'Make a queue' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByText('Limits and dead letters').click();
    await dialog.getByLabel('Dead letters go to the queue').fill(letters);
    await dialog.getByRole('button', { name: 'Make a queue' }).click();
    await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
    if (name === 'jobs.dead') await goTo(visitor, 'list');
  }
  assert.equal((await ask('GET', '/v1/queues/jobs')).arguments['x-dead-letter-routing-key'], 'jobs.dead');

  await page.getByRole('link', { name: 'Publish' }).first().click();
  await page.getByLabel('Body').fill('{"task":"wash"}');
  await page.getByRole('button', { name: 'Add a header' }).click();
  await page.getByLabel('Header', { exact: true }).fill('attempt');
  await page.getByLabel('Value').fill('7');
  await page.getByLabel('As', { exact: true }).selectOption('number');
  await page.getByRole('button', { name: 'Publish' }).click();
  await told(visitor, 'Stored in jobs at position');

  await page.getByRole('link', { name: 'Messages', exact: true }).click();
  await page.getByRole('region', { name: 'Body' }).getByText('"task": "wash"').waitFor();
  const [peeked] = (await ask('GET', '/v1/queues/jobs/peek')).items;
  assert.deepEqual(peeked.headers, { attempt: 7 });
  assert.equal(peeked.content_type, 'application/json');
  assert.equal((await ask('GET', '/v1/queues/jobs')).messages_ready, 1, 'looking took nothing');

  await page.getByRole('button', { name: 'Take messages' }).click();
  await page.getByRole('list', { name: 'Held for you' }).getByRole('button', { name: 'Reject' }).click();
  await told(visitor, '1 settled.');
  assert.equal((await ask('GET', '/v1/queues/jobs')).messages_ready, 0);

  await goTo(visitor, 'queue/jobs.dead/letters');
  await page.getByText('Died in jobs').waitFor();
  await page.getByRole('button', { name: 'Replay all' }).click();
  await told(visitor, '1 went back to where they died.');
  await page.getByText('No dead letters').waitFor();
  assert.equal((await ask('GET', '/v1/queues/jobs')).messages_ready, 1);
  assert.deepEqual(visitor.errors, []);
  await visitor.close();
});

test('messages that are held go back when one goes elsewhere', async () => {
  await ask('PUT', '/v1/queues/held', {});
  await publish(server, 'held', ['one', 'two', 'three']);
  const visitor = await operator(browser, server, 'guest', 'queue/held/messages');
  const waiting = async () => (await ask('GET', '/v1/queues/held')).messages_ready;
  for (const leave of [() => goTo(visitor, 'queue/held/settings'), () => visitor.open('about:blank')]) {
    await visitor.page.getByLabel('How many').first().selectOption('5');
    await visitor.page.getByRole('button', { name: 'Take messages' }).click();
    await eventually(async () => (await waiting()) === 0, 'all are held');
    await visitor.page.getByRole('list', { name: 'Held for you' }).locator('> li').nth(2).waitFor();
    await leave();
    await eventually(async () => (await waiting()) === 3, 'all are back');
    if (visitor.page.url() !== 'about:blank') await goTo(visitor, 'queue/held/messages');
  }
  await visitor.close();
});

test('some dead letters are chosen and discarded, the others stay', async () => {
  await ask('PUT', '/v1/queues/bin', {});
  await ask('PUT', '/v1/queues/source', { settings: { dead_letter_exchange: '', dead_letter_routing_key: 'bin' } });
  await publish(server, 'source', ['one', 'two', 'three']);
  await die(server, 'source', 3);
  const visitor = await operator(browser, server, 'guest', 'queue/bin/letters');
  await visitor.page.getByRole('list', { name: 'Dead letters' }).getByRole('checkbox').nth(1).check();
  await visitor.page.getByRole('button', { name: 'Discard 1' }).click();
  await visitor.page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await told(visitor, '1 are gone.');
  const left = (await ask('GET', '/v1/queues/bin/deadletters')).items.map((letter) => letter.message.body);
  assert.deepEqual(left, ['"one"', '"three"']);
  await visitor.close();
});

test('a queue is made by the keyboard alone', async () => {
  const visitor = await operator(browser, server, 'guest');
  await visitor.page.keyboard.press('Control+K');
  await visitor.page.getByRole('combobox').fill('Make a queue');
  await visitor.page.keyboard.press('Enter');
  await visitor.page.getByRole('dialog').getByLabel('Name').and(visitor.page.locator(':focus')).waitFor();
  await visitor.type('by keys', 'Enter');
  await visitor.page.getByRole('heading', { level: 1, name: 'by keys' }).waitFor();
  await goTo(visitor, 'list');
  await visitor.page.locator('body').press('/');
  await visitor.type('by k');
  await eventually(async () => (await visitor.page.getByRole('rowheader').count()) === 1, 'the list holds one queue');
  await visitor.type('nowhere');
  await visitor.page.getByRole('button', { name: 'Show all' }).click();
  await visitor.page.getByRole('link', { name: 'by keys' }).waitFor();
  assert.equal(await visitor.page.getByRole('searchbox', { name: 'Find a queue' }).inputValue(), '');
  await visitor.close();
});

test('the list is live, and asks at most once a second', async () => {
  await ask('PUT', '/v1/queues/lively', {});
  const visitor = await operator(browser, server, 'guest', 'queue/lively');
  const asked = [];
  visitor.page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/v1/queues')) asked.push(performance.now());
  });
  await publish(server, 'lively', [1, 2, 3]);
  await visitor.page.locator('dd', { hasText: /^3$/ }).first().waitFor();
  await eventually(() => asked.length >= 5, 'the page has asked five times', 20_000);
  // The browser's clock and this one are not the same; a tenth is left to them.
  assert.ok(asked[4] - asked[0] > 4 * 900, `five questions within ${asked[4] - asked[0]} ms`);
  await visitor.close();
});

test('the longest queue comes first, however many there are before it by name', async () => {
  for (let number = 100; number < 201; number += 1) await ask('PUT', `/v1/queues/many-${number}`, {});
  await publish(server, 'many-200', [1, 2]);
  const visitor = await operator(browser, server, 'guest');
  await visitor.page.locator('body').press('/');
  await visitor.type('many-');
  const header = visitor.page.getByRole('columnheader', { name: 'Ready' }).getByRole('button');
  await eventually(async () => {
    if ((await visitor.page.getByRole('columnheader', { name: 'Ready' }).getAttribute('aria-sort')) !== 'descending') await header.click();
    const names = await visitor.page.getByRole('rowheader').allInnerTexts();
    return names.length === 100 && names.every((name) => name.startsWith('many-')) && names[0].startsWith('many-200');
  }, 'the one that has messages is the first of a hundred');
  await visitor.page.getByRole('button', { name: 'Show more' }).click();
  await eventually(async () => (await visitor.page.getByRole('rowheader').count()) === 101, 'all are shown');
  for (let number = 100; number < 201; number += 1) await ask('DELETE', `/v1/queues/many-${number}`);
  await visitor.close();
});

test('a page that is hidden asks nothing', async () => {
  const visitor = await operator(browser, server, 'guest', 'list', { hasClock: true });
  const { page } = visitor;
  const show = (isShown) =>
    page.evaluate((is) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => !is });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isShown);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.clock.runFor(10_000);
  await eventually(() => asked.some((url) => url.includes('/v1/queues')), 'the page asks while it is seen');
  await page.waitForLoadState('networkidle');
  await show(false);
  asked.length = 0;
  await page.clock.runFor(60_000);
  assert.deepEqual(asked.filter((url) => url.includes('/v1/queues')), []);
  await ask('PUT', '/v1/queues/unseen', {});
  await show(true);
  await page.getByRole('link', { name: 'unseen' }).waitFor();
  await visitor.close();
});

test('queues of another virtual host are looked at, and left as they are', async () => {
  await ask('PUT', '/v1/vhosts/elsewhere');
  // HTTP of our own makes queues in / alone.
  const declared = await fetch(`http://${server.ready.management}/api/queues/elsewhere/far`, {
    method: 'PUT',
    headers: { authorization: `Basic ${btoa('guest:guest')}`, 'content-type': 'application/json' },
    body: '{}',
  });
  assert.ok(declared.ok, `${declared.status}`);
  const visitor = await operator(browser, server, 'guest', 'list');
  await visitor.page.getByLabel('Virtual host').selectOption('elsewhere');
  await visitor.page.getByRole('link', { name: 'far' }).waitFor();
  assert.equal(await visitor.page.getByRole('button', { name: 'Make a queue' }).count(), 0);
  await visitor.page.getByRole('link', { name: 'far' }).click();
  await visitor.page.getByRole('heading', { level: 1, name: 'far' }).waitFor();
  await settled(visitor);
  const tabs = await visitor.page.getByRole('navigation', { name: 'Parts of this queue' }).getByRole('link').allInnerTexts();
  assert.deepEqual(tabs, ['Overview', 'Messages', 'Bindings', 'Settings']);
  await visitor.page.getByRole('link', { name: 'Settings' }).click();
  await visitor.page.getByText('What it was declared with').waitFor();
  assert.equal(await visitor.page.getByRole('button', { name: 'Delete the queue' }).count(), 0);
  await goTo(visitor, 'list?vhost=elsewhere');
  await visitor.page.getByLabel('Virtual host').selectOption('/');
  await visitor.page.getByRole('button', { name: 'Make a queue' }).first().waitFor();
  await visitor.close();
});

test('a stream is browsed by offset and by time, and followed', async () => {
  await ask('PUT', '/v1/queues/log', { kind: 'stream' });
  await publish(server, 'log', [...Array(120).keys()]);
  const visitor = await operator(browser, server, 'guest', 'queue/log/messages');
  const { page } = visitor;
  const list = page.getByRole('list', { name: 'Messages' });
  await eventually(async () => (await list.getByRole('listitem').count()) === 50, 'the first page is there');
  await page.getByRole('button', { name: 'Read on' }).click();
  await list.getByRole('listitem').first().getByText('50', { exact: true }).first().waitFor();
  // The queue is asked for again and again; the page that is read stays where it is.
  const asked = { queue: 0, messages: 0 };
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname === '/v1/queues/log') asked.queue += 1;
    if (pathname === '/v1/queues/log/peek') asked.messages += 1;
  });
  await eventually(() => asked.queue >= 3, 'the queue was told three times', 20_000);
  assert.equal(asked.messages, 0, 'nothing was read again');
  await list.getByRole('listitem').first().getByText('50', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Back' }).click();
  await list.getByRole('listitem').first().getByText('0', { exact: true }).first().waitFor();
  await page.getByLabel('Begin at').selectOption('offset');
  await page.getByLabel('Offset').fill('117');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await eventually(async () => (await list.getByRole('listitem').count()) === 3, 'three are left from there');
  await page.getByLabel('Begin at').selectOption('time');
  await page.getByLabel('Day and time').fill('2000-01-01T00:00');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await eventually(async () => (await list.getByRole('listitem').count()) === 50, 'everything is later than that');
  await page.getByLabel('Begin at').selectOption('last');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await page.getByRole('button', { name: 'Follow' }).click();
  await publish(server, 'log', ['it came just now']);
  await list.getByText('it came just now').first().waitFor();
  assert.equal((await ask('GET', '/v1/queues/log')).messages_ready, 121, 'reading took nothing');
  assert.deepEqual(visitor.errors, []);
  await visitor.close();
});

test('an argument may be called like what the page knows itself', async () => {
  const declared = await fetch(`http://${server.ready.management}/api/queues/%2F/odd`, {
    method: 'PUT',
    headers: { authorization: `Basic ${btoa('guest:guest')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ durable: true, arguments: { Policy: 'one', Durable: 'two' } }),
  });
  assert.ok(declared.ok, `${declared.status}`);
  const visitor = await operator(browser, server, 'guest', 'queue/odd/settings');
  await visitor.page.locator('dd', { hasText: /^one$/ }).waitFor();
  assert.deepEqual(visitor.errors, []);
  await visitor.close();
});

test('what is published to a topic is followed as it comes', async () => {
  await ask('PUT', '/v1/topics/news', {});
  const visitor = await operator(browser, server, 'guest', 'topic/news/follow');
  await visitor.page.getByLabel('Pattern or routing key').fill('sports.#');
  await visitor.page.getByRole('button', { name: 'Follow' }).click();
  await visitor.page.getByText('Listening…').waitFor();
  // Whether the stream that the server makes for the reader is there already cannot be seen: it is told until it hears.
  await eventually(async () => {
    await ask('POST', '/v1/topics/news/messages/batch', { messages: [{ routing_key: 'politics.today', body: 'unwanted' }, { routing_key: 'sports.today', body: 'they won' }] });
    return visitor.page.getByText('they won').first().isVisible();
  }, 'the message is seen');
  assert.equal(await visitor.page.getByText('unwanted').count(), 0);
  assert.deepEqual(visitor.errors, []);
  await visitor.close();
});

test('a session that is ended in the page opens nothing any more', async () => {
  await server.account('marta');
  const opened = await server.ask(null, 'POST', '/v1/sessions', { login: 'marta', password: passwordOf('marta') });
  const withToken = () => fetch(new URL('/v1/me', server.page), { headers: { authorization: `Bearer ${opened.token}` } });
  assert.equal((await withToken()).status, 200);
  const visitor = await operator(browser, server, 'guest', 'sessions');
  await visitor.page.getByRole('row', { name: /^marta/ }).getByRole('button', { name: 'End' }).click();
  await visitor.page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
  await told(visitor, 'The session is ended.');
  assert.equal((await withToken()).status, 401);
  await visitor.close();
});

test('what is renamed goes on under its new name, and what is deleted is gone', async () => {
  await ask('PUT', '/v1/queues/old', {});
  const visitor = await operator(browser, server, 'guest', 'queue/old/settings');
  const { page } = visitor;
  await page.getByLabel('New name').fill('new/one');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('heading', { level: 1, name: 'new/one' }).waitFor();
  await settled(visitor);
  await page.getByRole('button', { name: 'Delete the queue' }).click();
  const dialog = page.getByRole('dialog');
  assert.ok(await dialog.getByRole('button', { name: 'Delete the queue' }).isDisabled(), 'its name is asked for first');
  await dialog.getByLabel('Write new/one').fill('new/one');
  await dialog.getByRole('button', { name: 'Delete the queue' }).click();
  await page.getByRole('heading', { level: 1, name: 'Queues' }).waitFor();
  await assert.rejects(ask('GET', '/v1/queues/new%2Fone'), /404/);
  await visitor.close();
});

test('a refusal says what, why, and leaves what was typed', async () => {
  await ask('PUT', '/v1/queues/taken', { kind: 'stream' });
  const visitor = await operator(browser, server, 'guest');
  await visitor.page.getByRole('button', { name: 'Make a queue' }).first().click();
  const dialog = visitor.page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('taken');
  await dialog.getByRole('button', { name: 'Make a queue' }).click();
  await dialog.getByRole('alert').waitFor();
  assert.match(await dialog.getByRole('alert').innerText(), /taken/);
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'taken');
  await visitor.close();
});

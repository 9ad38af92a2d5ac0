import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { passwordOf, Server } from './harness/server.js';

const SCRIPTS = [
  '<script>window.harmed = 1</script>',
  '<img src=x onerror="window.harmed = 1">',
  '<svg/onload=window.harmed=1>',
  '[click](javascript:window.harmed=1)',
  'javascript:window.harmed=1',
  '"><iframe srcdoc="<script>parent.harmed=1</script>">',
  '**<b onmouseover=window.harmed=1>bold</b>**',
  '`</code><script>window.harmed=1</script>`',
  '> <details open ontoggle=window.harmed=1>',
  '{{constructor.constructor("window.harmed=1")()}}',
  '${window.harmed=1}',
  '\u202Egnp.exe\u202C',
];

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([Browser.start(), Server.start({ 'chat.messages_burst': 1_000, 'chat.keep_rooms': 'anyone' })]);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test('script in every name and text stays text', async () => {
  const script = SCRIPTS[1];
  await server.account('ana', { first_names: script, last_names: SCRIPTS[0], gender: '<svg/onload=window.harmed=1>' });
  await server.account('bruno');
  for (const text of SCRIPTS) {
    await server.say('bruno', 'lobby', text);
    await server.say('bruno', '@ana', text);
    await server.say('bruno', 'lobby', text, { action: true });
  }
  const { seq } = await server.say('bruno', 'lobby', `file ${script}.txt (9 B) chaski:${'ab'.repeat(32)}`);
  await server.ask('bruno', 'PUT', `/v1/rooms/lobby/messages/${seq}/reactions/${encodeURIComponent('<b>')}`).catch(() => {});
  await server.say('bruno', 'lobby', 'the answer', { reply_to: seq });
  await server.ask('bruno', 'POST', '/v1/rooms', { room: 'scripted', keep: true });
  await server.ask('bruno', 'PATCH', '/v1/rooms/scripted', { topic: script });
  const ana = await browser.guest(server, 'ana');
  await ana.sees('the answer');
  for (const text of SCRIPTS.slice(0, -1)) {
    const shown = text.replace(/^> /, '').replace(/[*`]/g, '');
    assert.ok(await ana.page.locator('.text', { hasText: shown }).count(), `${text} is shown as it is`);
  }
  for (const address of ['#/talk/@bruno', '#/talk/scripted', '#/profile', `#/talk/${encodeURIComponent(SCRIPTS[1])}`, `#/files/${encodeURIComponent(SCRIPTS[1])}`, `#/queues/${encodeURIComponent(SCRIPTS[1])}`, '#/talk/lobby']) {
    await ana.go(address);
    await ana.page.waitForLoadState('networkidle');
  }
  await ana.page.locator('.box').focus();
  await ana.type('/');
  await ana.page.getByPlaceholder('Words in messages').fill('harmed');
  await ana.page.locator('.hit').first().waitFor();
  assert.equal(await ana.page.evaluate(() => window.harmed), undefined);
  assert.equal(await ana.page.locator('iframe, .text img, .text script, .text svg, a[href^="javascript:"]').count(), 0);
  assert.deepEqual(ana.errors, []);
  await ana.close();
});

test('the page keeps to a policy without inline scripts and foreign addresses', async () => {
  const response = await fetch(server.page);
  const policy = response.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|http:|https:|\*/);
  const visitor = await browser.visitor();
  const foreign = [];
  visitor.page.on('request', (request) => {
    if (!request.url().startsWith(server.page) && !request.url().startsWith(server.page.replace('http', 'ws'))) foreign.push(request.url());
  });
  await visitor.open(server.ready['join-link']);
  await visitor.page.locator('[name=username]').waitFor();
  await visitor.type('carmen', 'Tab', passwordOf('carmen'), 'Enter');
  await visitor.ready();
  assert.deepEqual(foreign, []);
  assert.deepEqual(visitor.errors, []);
  const cookies = await visitor.context.cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict'));
  await visitor.close();
});

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Native } from './harness/native.js';
import { passwordOf, Server } from './harness/server.js';

let browser;
let server;
let folder;

before(async () => {
  [browser, server, folder] = await Promise.all([Browser.start(), Server.start(), mkdtemp(join(tmpdir(), 'chaski-files-'))]);
  for (const login of ['ana', 'bruno', 'carmen']) await server.account(login);
});
after(async () => {
  await browser.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Writes a file of so many random bytes. */
async function fileOf(name, bytes) {
  const path = join(folder, name);
  await writeFile(path, typeof bytes === 'number' ? randomBytes(bytes) : bytes);
  return path;
}

/** Chooses files where the page asks for some, behind a button. */
async function choose(visitor, button, paths) {
  const asked = visitor.page.waitForEvent('filechooser');
  await button.click();
  await (await asked).setFiles(paths);
}

/** Clicks, and reads what the browser saves by that. */
async function saved(visitor, button) {
  const saving = visitor.page.waitForEvent('download', { timeout: 30_000 });
  await button.click();
  const download = await saving;
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

const attach = (visitor) => visitor.page.getByRole('button', { name: 'Share files' });
const card = (visitor, name) => visitor.page.locator('.row .file', { hasText: name });

test('a file goes from one browser to another, by a card in the room', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  const path = await fileOf('map of the road.bin', 3_000_001);
  await choose(ana, attach(ana), [path]);
  const button = card(bruno, 'map of the road.bin').getByRole('button', { name: 'Fetch' });
  const { name, bytes } = await saved(bruno, button);
  assert.equal(name, 'map of the road.bin');
  assert.equal(hash(bytes), hash(await readFile(path)));
  await card(bruno, 'map of the road.bin').getByText('Fetched and checked').waitFor();
  await ana.go('#/files/transfers');
  await ana.page.getByText('bruno has it').first().waitFor();
  assert.deepEqual([...ana.errors, ...bruno.errors], []);
  await ana.close();
  await bruno.close();
});

test('a file is dropped on a person, who is told and fetches it; nobody else finds it', async () => {
  await server.say('ana', '@bruno', 'something for you');
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.go('#/talk/@bruno');
  await ana.page.locator('.conversation h2', { hasText: 'bruno' }).waitFor();
  await ana.page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['between us'], 'secret note.txt', { type: 'text/plain' }));
    const target = document.querySelector('.conversation');
    for (const type of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await bruno.go('#/talk/@ana');
  const { bytes } = await saved(bruno, card(bruno, 'secret note.txt').getByRole('button', { name: 'Fetch' }));
  assert.equal(String(bytes), 'between us');
  const found = await server.ask('carmen', 'GET', '/v1/files?q=secret');
  assert.deepEqual(found.files, []);
  await ana.close();
  await bruno.close();
});

test('a file that is dropped beside the places for files leaves the page where it is', async () => {
  const ana = await browser.guest(server, 'ana');
  const isKept = await ana.page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['beside'], 'beside.txt', { type: 'text/plain' }));
    const target = document.querySelector('.shell > nav');
    return ['dragover', 'drop'].every((type) => !target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true })));
  });
  assert.ok(isKept, 'the browser opens nothing');
  await ana.close();
});

test('a new password ends no sharing, here and in another tab', async () => {
  await server.account('diego');
  const diego = await browser.guest(server, 'diego');
  const tab = await diego.context.newPage();
  await tab.goto(`${server.page}#/files/mine`);
  const share = async (name) => {
    const asked = tab.waitForEvent('filechooser');
    await tab.getByRole('button', { name: 'Share files' }).first().click();
    await (await asked).setFiles([await fileOf(name, 1000)]);
    await tab.getByRole('dialog').getByText('Everyone').click();
    await tab.getByRole('dialog').getByRole('button', { name: 'Share', exact: true }).click();
    await eventually(async () => (await server.ask('bruno', 'GET', '/v1/files?q=steadfast')).files.some((file) => file.name === name), `${name} is found`);
  };
  await share('steadfast one.txt');
  const token = () => tab.evaluate(() => localStorage.getItem('chaski.csrf'));
  const before = await token();
  await tab.evaluate(() => {
    window.hasLeft = false;
    new MutationObserver(() => (window.hasLeft ||= document.querySelector('[name=username][required]') !== null)).observe(document.body, { childList: true, subtree: true });
  });
  await diego.go('#/profile');
  await diego.page.getByLabel('Present password').fill(passwordOf('diego'));
  await diego.page.getByLabel('New password').fill('another word of mine');
  await diego.page.getByRole('button', { name: 'Change the password' }).click();
  await diego.page.getByText('The password is changed').first().waitFor();
  await eventually(async () => ![null, before].includes(await token()), 'there is a new session');
  await share('steadfast two.txt');
  assert.equal((await server.ask('bruno', 'GET', '/v1/files?q=steadfast')).files.length, 2);
  assert.equal(await tab.evaluate(() => window.hasLeft), false, 'the form to log in was not shown');
  await diego.close();
});

test('the index is searched, and what is not shared any more is not found', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  await ana.go('#/files');
  const paths = [await fileOf('harvest 2025.txt', 2000), await fileOf('harvest 2026.txt', 1000), await fileOf('empty.txt', 0)];
  await choose(ana, ana.page.getByRole('button', { name: 'Share files' }).first(), paths);
  const dialog = ana.page.getByRole('dialog');
  await dialog.getByText('Everyone').click();
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  await bruno.go('#/files');
  const rows = bruno.page.getByRole('list', { name: 'Files found' }).locator('> li');
  await eventually(async () => {
    await bruno.page.getByLabel('Name', { exact: true }).fill('harv*');
    await bruno.page.getByLabel('Sort by').selectOption('smallest');
    return (await rows.count()) === 2;
  }, 'both are found');
  assert.match(await rows.first().textContent(), /harvest 2026\.txt/);
  await bruno.page.getByLabel('Type').selectOption('image/*');
  await bruno.page.getByRole('button', { name: 'Show all files' }).click();
  const { bytes } = await saved(bruno, rows.filter({ hasText: 'empty.txt' }).getByRole('button', { name: 'Fetch' }));
  assert.equal(bytes.length, 0);
  await ana.go('#/files/mine');
  const stops = ana.page.getByRole('button', { name: 'Stop sharing' });
  for (let left = 3; left > 0; left -= 1) {
    await stops.first().click();
    await eventually(async () => (await stops.count()) === left - 1, 'one less is shared');
  }
  await eventually(async () => (await server.ask('bruno', 'GET', '/v1/files?q=harvest')).files.length === 0, 'nothing is found');
  await ana.close();
  await bruno.close();
});

test('whoever sends something else is found out, and nothing of it is kept', async () => {
  const ana = await browser.guest(server, 'ana');
  // From the fifth group on her page reads other bytes than there are: it hashes the truth, and sends lies.
  const lies = ana.page.waitForEvent('worker').then((worker) =>
    worker.evaluate(() => {
      const read = Blob.prototype.arrayBuffer;
      let reads = 0;
      Blob.prototype.arrayBuffer = async function () {
        const bytes = await read.call(this);
        reads += 1;
        if (reads > 4) new Uint8Array(bytes)[9] ^= 1;
        return bytes;
      };
    }),
  );
  const bruno = await browser.guest(server, 'bruno');
  await choose(ana, attach(ana), [await fileOf('first.txt', 0)]);
  await lies;
  await choose(ana, attach(ana), [await fileOf('false map.bin', 4 * 262_144)]);
  await card(bruno, 'false map.bin').getByRole('button', { name: 'Fetch' }).click();
  await card(bruno, 'false map.bin').getByText('ana/browser sent something else than the file').waitFor();
  const mine = await server.ask('bruno', 'GET', '/v1/files?q=false');
  assert.equal(mine.files.length, 1);
  // Whom one has found to lie one gets no ticket for any more.
  await assert.rejects(server.ask('bruno', 'POST', `/v1/files/${mine.files[0].root}/tickets`, {}), /404/);
  await ana.close();
  await bruno.close();
});

test('a download goes on where it was when the connection is lost', async (test) => {
  const slow = await Server.start({ 'files.relay_bytes_per_s': 4_000_000 });
  test.after(() => slow.stop());
  for (const login of ['ana', 'bruno']) await slow.account(login);
  const ana = await browser.guest(slow, 'ana');
  const bruno = await browser.guest(slow, 'bruno');
  const path = await fileOf('long way.bin', 12_000_000);
  await choose(ana, attach(ana), [path]);
  const saving = bruno.page.waitForEvent('download', { timeout: 60_000 });
  await card(bruno, 'long way.bin').getByRole('button', { name: 'Fetch' }).click();
  await eventually(async () => Number(await card(bruno, 'long way.bin').locator('progress').getAttribute('value')) > 0.2, 'a part is there', 20_000);
  await slow.halt();
  await slow.begin();
  const bytes = await readFile(await (await saving).path());
  assert.equal(hash(bytes), hash(await readFile(path)));
  await ana.close();
  await bruno.close();
});

test('names are text, whatever stands in them', async () => {
  const ana = await browser.guest(server, 'ana');
  const bruno = await browser.guest(server, 'bruno');
  const names = ['<img src=x onerror=alert(1)>.png', '"><script>alert(1)<\u2215script>.txt', 'javascript:alert(1)', '\u202egnp.exe'];
  const paths = [];
  for (const name of names) paths.push(await fileOf(name, 'no image'));
  // One content each, or they would be one file of four names.
  for (const [index, path] of paths.entries()) await writeFile(path, `no image ${index}`);
  for (const visitor of [ana, bruno]) visitor.page.on('dialog', (dialog) => visitor.errors.push(dialog.message()));
  await choose(ana, attach(ana), paths);
  for (const name of names) await card(bruno, name).first().waitFor();
  await bruno.go('#/files');
  for (const name of names) await bruno.page.getByText(name, { exact: true }).first().waitFor();
  // What is no image is not drawn, whatever its name says.
  await bruno.page.getByRole('list', { name: 'Files found' }).locator('> li', { hasText: 'onerror' }).getByRole('button', { name: 'Show' }).click();
  await bruno.page.locator('li img').first().waitFor({ state: 'attached' });
  assert.equal(await bruno.page.locator('li img').evaluate((image) => image.decode().then(() => 'drawn', () => 'not drawn')), 'not drawn');
  assert.deepEqual([...ana.errors, ...bruno.errors], []);
  await ana.close();
  await bruno.close();
});

test('a browser fetches from chaski peer, and chaski get from a browser', async (test) => {
  const bruno = await browser.guest(server, 'bruno');
  const carmen = await Native.start(server, 'carmen');
  test.after(() => carmen.stop());
  const content = randomBytes(2_500_003);
  await writeFile(join(carmen.folder, 'from a terminal.bin'), content);
  carmen.begin(['peer', '--share', carmen.folder, '--no-listen', '--json']);
  await eventually(async () => (await server.ask('bruno', 'GET', '/v1/files?q=terminal')).files.length === 1, 'the server knows it');
  await bruno.go('#/files');
  const row = bruno.page.getByRole('list', { name: 'Files found' }).locator('> li', { hasText: 'from a terminal.bin' });
  const fetched = await saved(bruno, row.getByRole('button', { name: 'Fetch' }));
  assert.equal(hash(fetched.bytes), hash(content));
  const path = await fileOf('from a page.bin', 2_600_001);
  // A room's files are for those who have been there.
  await server.say('carmen', 'lobby', 'is anything for me?');
  await bruno.go('#/talk/lobby');
  await bruno.ready();
  await choose(bruno, attach(bruno), [path]);
  await card(bruno, 'from a page.bin').waitFor();
  const place = await mkdtemp(join(carmen.home, 'place-'));
  const { code, text } = await carmen.run(['get', 'from a page.bin', '--output', place]);
  assert.equal(code, 0, text);
  assert.equal(hash(await readFile(join(place, 'from a page.bin'))), hash(await readFile(path)));
  await bruno.close();
});

test('axe finds nothing grave, light and dark, in both languages', async () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const locale of ['en', 'es']) {
      const ana = await browser.guest(server, 'ana', { colorScheme, locale });
      await ana.go('#/files');
      await choose(ana, ana.page.locator('.files header button'), [await fileOf(`${colorScheme} ${locale}.txt`, 1000)]);
      assert.deepEqual(await ana.flaws(), []);
      await ana.page.getByRole('dialog').locator('footer button').last().click();
      await ana.page.getByRole('link', { name: `${colorScheme} ${locale}.txt` }).waitFor({ state: 'attached' });
      for (const place of ['#/files', '#/files/mine', '#/files/transfers']) {
        await ana.go(place);
        await ana.page.locator('section.shown').waitFor();
        assert.deepEqual(await ana.flaws(), [], `${place} ${colorScheme} ${locale}`);
      }
      assert.deepEqual(ana.errors, []);
      await ana.close();
    }
  }
});

test('a file for a person goes to the program of theirs that takes files', async (test) => {
  const ana = await browser.guest(server, 'ana');
  const carmen = await Native.start(server, 'carmen');
  test.after(() => carmen.stop());
  const inbox = join(carmen.home, 'inbox');
  await mkdir(inbox);
  const peer = carmen.begin(['peer', '--receive', inbox, '--accept', 'everyone', '--no-listen', '--json']);
  await eventually(async () => (await server.ask('carmen', 'GET', '/v1/peers')).items.some((one) => one.account === 'carmen' && one.relay), 'it is there');
  await server.say('ana', '@carmen', 'something for you');
  await ana.go('#/talk/@carmen');
  await ana.page.locator('.conversation h2', { hasText: 'carmen' }).waitFor();
  const path = await fileOf('for carmen.bin', 1_500_000);
  await choose(ana, attach(ana), [path]);
  await eventually(async () => hash(await readFile(join(inbox, 'for carmen.bin'))) === hash(await readFile(path)), `it is in the inbox: ${peer.text}`, 20_000);
  await ana.go('#/files/transfers');
  await ana.page.getByText(/carmen\/.* has it/).waitFor();
  await ana.close();
});

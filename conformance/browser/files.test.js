import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Browser } from './harness/browser.js';
import { eventually } from './harness/eventually.js';
import { Server } from './harness/server.js';

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

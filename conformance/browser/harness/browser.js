import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { passwordOf } from './server.js';

const require = createRequire(import.meta.url);
const AXE = require.resolve('axe-core/axe.min.js');
const CHROMIUM = [process.env.CHROMIUM_BIN, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
/** What axe finds that people cannot live with. */
const GRAVE = ['serious', 'critical'];

/** A Chromium; each visitor of it is a browser of their own, with cookies and storage that nobody shares. */
export class Browser {
  #chromium;

  static async start() {
    const browser = new Browser();
    browser.#chromium = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
    return browser;
  }

  stop() {
    return this.#chromium.close();
  }

  /** Somebody who has opened nothing yet. */
  async visitor(options = {}) {
    const context = await this.#chromium.newContext({ locale: 'en', viewport: { width: 1024, height: 768 }, reducedMotion: 'reduce', ...options });
    return new Visitor(context, await context.newPage());
  }

  /** Somebody who is logged in and stands in a room. */
  async guest(server, login, options = {}) {
    const visitor = await this.visitor(options);
    await visitor.open(`${server.page}#/talk/lobby`);
    await visitor.logIn(login);
    return visitor;
  }
}

/** One person at one browser: what they do, and how often they had to click. */
export class Visitor {
  clicks = 0;
  /** What went wrong in the page. */
  errors = [];

  constructor(context, page) {
    this.context = context;
    this.page = page;
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      // That a request was refused is told by the page, and told here by the browser as well.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource') && !message.text().includes('WebSocket connection')) this.errors.push(message.text());
    });
  }

  async open(address) {
    await this.page.goto(address);
  }

  async click(selector) {
    this.clicks += 1;
    await this.page.locator(selector).click();
  }

  /** Types where the cursor is. */
  async type(...keys) {
    for (const key of keys) {
      if (/^([A-Z][a-z]+\+)*[A-Z][A-Za-z]+$/.test(key)) await this.page.keyboard.press(key);
      else await this.page.keyboard.type(key);
    }
  }

  async logIn(login) {
    await this.page.fill('[name=username]', login);
    await this.page.fill('[name=password]', passwordOf(login));
    await this.page.keyboard.press('Enter');
    await this.ready();
  }

  /** Waits until the cursor is in the composer and the connection is there. */
  async ready() {
    await this.page.locator('.composer textarea').waitFor();
    await this.page.locator('.sidebar footer .online').waitFor({ state: 'attached' });
  }

  async go(address) {
    await this.page.evaluate((hash) => (location.hash = hash), address);
  }

  composer() {
    return this.page.locator('.composer textarea');
  }

  async say(text) {
    await this.composer().fill(text);
    await this.composer().press('Enter');
  }

  /** Waits until a message is seen; what is on its way does not count. */
  async sees(text) {
    await this.page.locator('.row[data-seq]', { hasText: text }).first().waitFor();
  }

  /** What axe finds that is grave, in a sentence each. */
  async flaws() {
    await this.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
    // Evaluated, not added as an element: the page's policy lets no foreign script in.
    await this.page.evaluate(await axeSource());
    const { violations } = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    return violations.filter((one) => GRAVE.includes(one.impact)).map((one) => `${one.id}: ${one.help} (${one.nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary}`).slice(0, 3).join('; ')})`);
  }

  close() {
    return this.context.close();
  }
}

let source;

async function axeSource() {
  const { readFile } = await import('node:fs/promises');
  source ??= await readFile(AXE, 'utf8');
  return source;
}

// Chromium, and people in it: a tab for each, with what tests do again and again.
// It must never reach for the network beyond this machine.

import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { chromium } from 'playwright-core';

const web = new URL('../../../crates/chat/web', import.meta.url).pathname;
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' };

// Pages that a test hands over itself come from nowhere, so they may not talk to this machine.
const fromDisk = process.env.PAGE_FROM_DISK ? ['--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets'] : [];

export async function launch(...flags) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-default-apps', ...fromDisk, ...flags],
  });
}

export class Person {
  /** A new visitor in a profile of its own. */
  static async visit(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, reducedMotion: 'reduce', locale: 'en-GB', ...options });
    const person = new Person();
    person.context = context;
    context.setDefaultTimeout(15_000);
    person.page = await context.newPage();
    person.problems = [];
    person.page.on('pageerror', (error) => person.problems.push(error.stack));
    person.page.on('console', (message) => {
      // A connection that is refused while the server is down is no fault of the page.
      if (message.type() === 'error' && !/WebSocket connection|ERR_/.test(message.text())) person.problems.push(message.text());
    });
    if (process.env.PAGE_FROM_DISK) await person.#fromDisk();
    await person.page.goto(url);
    return person;
  }

  /** While the page is being written: its files as they are now, not as they were compiled in. */
  async #fromDisk() {
    await this.page.route(/\.(js|css|svg)$|:\d+\/(#.*)?$/, async (route) => {
      const { pathname } = new URL(route.request().url());
      const path = pathname === '/' ? '/index.html' : pathname;
      // A tab that is closed asks for nothing any more.
      const answer = await route.fetch().catch(() => null);
      if (!answer) return;
      const headers = { ...answer.headers(), 'content-type': TYPES[extname(path)] };
      delete headers['content-length'];
      await route.fulfill({ status: 200, headers, body: readFileSync(web + path) });
    });
  }

  async enter(nick) {
    await this.page.fill('#welcome-nick', nick);
    await this.page.click('#welcome-join');
    await this.page.waitForSelector('#app:not([hidden])', { timeout: 8000 });
    return this;
  }

  async say(text) {
    await this.page.fill('#text', text);
    await this.page.press('#text', 'Enter');
  }

  /** Waits until a message with this text is at the end of the log. */
  async sees(text, options = {}) {
    // Only what is near to what one looks at is in the document.
    await this.page.evaluate(() => globalThis.switchboard.log.window.toEnd());
    await this.page.locator('.message .text', { hasText: text }).first().waitFor({ timeout: 15_000, ...options });
  }

  message(text) {
    return this.page.locator('.message', { has: this.page.locator('.text', { hasText: text }) }).last();
  }

  /** What the model holds of a room: texts and states, whether they are rendered or not. */
  async texts(room = '#lobby') {
    return this.page.evaluate((name) => {
      const { timeline } = globalThis.switchboard.client.chat.find(name);
      return [...timeline.entries, ...timeline.pending].filter((entry) => entry.kind !== 'event').map((entry) => ({ text: entry.text, state: entry.state, msgid: entry.msgid }));
    }, room);
  }

  async status(wanted) {
    await this.page.waitForFunction((name) => globalThis.switchboard.client.status === name, wanted, { timeout: 30_000, polling: 50 });
  }

  async close() {
    await this.page.unrouteAll({ behavior: 'ignoreErrors' });
    await this.context.close();
  }
}

// A long history and a full room: scrolling back, staying where one reads, and little in the document.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, launch } from '../lib/browser.mjs';
import { Irc, crowd } from '../lib/irc.mjs';
import { Server } from '../lib/server.mjs';

const COUNT = 450;
let server, browser, bob, mia, others;

before(async () => {
  server = await Server.start('--rate', 'off');
  browser = await launch();
  bob = await Irc.join(server.port, 'bob');
  bob.say(...Array.from({ length: COUNT }, (_, index) => `PRIVMSG #lobby :number ${index}. ${'words '.repeat((index * 7) % 60)}`));
  await bob.heard(new RegExp(`number ${COUNT - 1}\\.`));
  others = await crowd(server.port, 120, '#lobby');
  mia = await (await Person.visit(browser, server.url)).enter('mia');
});

after(async () => {
  [bob, ...(others ?? [])].forEach((irc) => irc?.close());
  await browser?.close();
  await server?.stop();
});

/** What is at the top of what one sees, and how far its edge is from there. */
const place = () =>
  mia.page.evaluate(() => {
    const log = document.getElementById('log').getBoundingClientRect();
    const row = [...document.querySelectorAll('#list .message')].find((one) => one.getBoundingClientRect().bottom > log.top + 1);
    return { text: /number \d+/.exec(row.textContent)[0], y: Math.round(row.getBoundingClientRect().top - log.top) };
  });

test('the newest are there at once, at the end', async () => {
  await mia.sees(`number ${COUNT - 1}.`);
  const end = await mia.page.evaluate(() => {
    const log = document.getElementById('log');
    return log.scrollHeight - log.scrollTop - log.clientHeight;
  });
  assert.ok(end < 2, `${end}`);
});

test('older ones come as one scrolls, and what one reads stays where it is', async () => {
  await mia.page.locator('#log').hover();
  const loaded = () => mia.page.evaluate(() => globalThis.switchboard.client.chat.find('#lobby').timeline.entries.length);
  const before = await loaded();
  assert.ok(before < COUNT, 'not all of it was loaded');
  const frames = () => mia.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  for (let page = 0; page < 2; page += 1) {
    await mia.page.mouse.wheel(0, -600);
    await mia.page.waitForTimeout(150);
    await mia.page.waitForFunction(() => !globalThis.switchboard.client.chat.find('#lobby').isLoading);
    await frames();
    const seen = await place();
    await mia.page.evaluate(() => globalThis.switchboard.client.history.older(globalThis.switchboard.client.chat.find('#lobby')));
    await frames();
    assert.deepEqual(await place(), seen);
  }
  const isAtStart = () => mia.page.evaluate(() => globalThis.switchboard.client.chat.find('#lobby').isAtStart);
  for (let round = 0; round < 400 && !(await isAtStart()); round += 1) {
    await mia.page.mouse.wheel(0, -900);
    await mia.page.waitForTimeout(30);
  }
  await mia.page.mouse.wheel(0, -100_000);
  await mia.page.locator('.beginning').waitFor();
  await mia.page.locator('.message', { hasText: 'number 0.' }).waitFor();
  const texts = (await mia.texts()).map(({ text }) => Number(/\d+/.exec(text)[0]));
  assert.deepEqual(texts, Array.from({ length: COUNT }, (_, index) => index));
});

test('what is not seen is not in the document', async () => {
  const rows = await mia.page.locator('#list > li').count();
  assert.ok(rows < 80, `${rows}`);
  await mia.page.waitForFunction(() => document.getElementById('member-count').textContent === '122');
  const members = await mia.page.locator('#member-list > li').count();
  assert.ok(members < 60, `${members}`);
  await mia.page.fill('#member-filter', 'guest119');
  await mia.page.locator('.member', { hasText: 'guest119' }).waitFor();
});

test('news do not move what one reads', async () => {
  await mia.page.mouse.move(600, 300);
  await mia.page.mouse.wheel(0, 3000);
  await mia.page.waitForTimeout(400);
  const before = await place();
  bob.say('PRIVMSG #lobby :news, number 999.');
  await mia.page.locator('#to-end', { hasText: '1 new' }).waitFor();
  assert.deepEqual(await place(), before);
  await mia.page.click('#to-end');
  await mia.sees('news, number 999.');
  assert.equal(await mia.page.locator('#to-end').isVisible(), false);
});

test('an old message is found, and jumped to, before it was loaded', async () => {
  await mia.page.reload();
  await mia.sees('news, number 999.');
  await mia.page.keyboard.press('Control+f');
  await mia.page.keyboard.type('"number 7."');
  await mia.page.keyboard.press('Enter');
  await mia.page.locator('#found button', { hasText: 'number 7.' }).last().click();
  await mia.page.locator('.message.found', { hasText: 'number 7.' }).waitFor();
});

test('the page says nothing is wrong with it', () => assert.deepEqual(mia.problems, []));

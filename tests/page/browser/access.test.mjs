// The page for those who have no mouse, no wide screen, no eyes for it, or no liking for light.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createRequire } from 'node:module';
import { Person, launch } from '../lib/browser.mjs';
import { Irc } from '../lib/irc.mjs';
import { Server } from '../lib/server.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
let server, browser, bob;

before(async () => {
  server = await Server.start();
  browser = await launch();
  bob = await Irc.join(server.port, 'bob');
  bob.say('PRIVMSG #lobby :welcome https://a.example `code`', 'PRIVMSG #lobby :mia: are you there?', 'JOIN #tea', 'PRIVMSG #tea :x', 'TOPIC #tea :all about tea');
});

after(async () => {
  bob?.close();
  await browser?.close();
  await server?.stop();
});

async function audit(person, where) {
  // The policy of the page forbids scripts that it does not bring; a debugger may run one.
  await person.page.evaluate(await (await import('node:fs/promises')).readFile(axe, 'utf8'));
  const { violations } = await person.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(grave.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(' | ')}`), []);
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious, ${colorScheme}`, async () => {
    const mia = await Person.visit(browser, server.url, { colorScheme });
    const see = (where) => audit(mia, where);
    await see('welcome');
    await mia.enter(`mia-${colorScheme}`);
    await mia.say('hello, all of you');
    await mia.sees('hello, all');
    bob.say(`@+draft/react=👀;+draft/reply=${(await mia.texts())[0].msgid} TAGMSG #lobby`, '@+typing=active TAGMSG #lobby', `PRIVMSG mia-${colorScheme} :psst`);
    await mia.page.locator('#people-list .count').waitFor();
    await mia.page.locator('.reaction').waitFor();
    await see('conversation');
    await mia.message('hello, all').hover();
    await mia.page.locator('.tools').getByLabel('More').click();
    await see('menu');
    await mia.page.keyboard.press('Escape');
    await mia.page.click('#show-help');
    await see('help');
    await mia.page.keyboard.press('Escape');
    await mia.page.click('#add-room');
    await mia.page.locator('.directory', { hasText: 'all about tea' }).waitFor();
    await see('rooms');
    await mia.page.keyboard.press('Escape');
    await mia.page.click('#show-search');
    await mia.page.fill('#search-text', 'hello');
    await mia.page.keyboard.press('Enter');
    await mia.page.locator('#found button').first().waitFor();
    await see('search');
    await mia.page.setViewportSize({ width: 375, height: 700 });
    await see('phone');
    await mia.close();
  });
}

test('everything can be done with the keyboard alone', async () => {
  const { page, ...ada } = await Person.visit(browser, server.url);
  const keys = async (...all) => {
    for (const key of all) await page.keyboard.press(key);
  };
  const focused = (selector) => page.waitForFunction((wanted) => document.activeElement?.matches(wanted), selector);
  await focused('#welcome-nick');
  await page.keyboard.type('ada');
  await keys('Enter');
  await focused('#text');
  await page.keyboard.type('one');
  await keys('Enter');
  await page.keyboard.type('two');
  await keys('Enter');
  await page.locator('.message:not(.pending)', { hasText: 'two' }).waitFor();
  await keys('ArrowUp');
  await focused('.message[data-key]');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /two/);
  await keys('ArrowUp');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /one/);
  await keys('r');
  await focused('#text');
  await page.keyboard.type('to one');
  await keys('Enter');
  await page.locator('.quote', { hasText: 'one' }).waitFor();
  await keys('ArrowUp', 'e');
  await focused('#menu .emoji');
  await keys('ArrowRight', 'Enter');
  await page.locator('.reaction', { hasText: '❤️' }).waitFor();
  await keys('Escape');
  await focused('#text');
  await keys('Control+k');
  await focused('#dialog input');
  await page.keyboard.type('tea');
  await page.locator('.directory button', { hasText: '#tea' }).waitFor();
  await keys('Enter');
  await page.locator('#room-name', { hasText: '#tea' }).waitFor();
  await focused('#text');
  await keys('Alt+ArrowUp');
  await page.locator('#room-name', { hasText: '#lobby' }).waitFor();
  bob.say('PRIVMSG #tea :fresh');
  await page.locator('#room-list .unread').waitFor();
  await keys('Alt+Shift+ArrowDown');
  await page.locator('#room-name', { hasText: '#tea' }).waitFor();
  await page.keyboard.type('bo');
  await keys('Tab');
  assert.equal(await page.inputValue('#text'), 'bob: ');
  await page.fill('#text', '');
  await page.focus('#room-name');
  await keys('?');
  await page.locator('#dialog', { hasText: 'Keys' }).waitFor();
  await keys('Escape');
  await page.locator('#dialog').waitFor({ state: 'hidden' });
  // Whatever has the focus shows it.
  await page.focus('#show-search');
  await keys('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid');
  await ada.context.close();
});

test('new messages are told to who cannot see them, once', async () => {
  const eva = await (await Person.visit(browser, server.url)).enter('eva');
  const announcer = eva.page.locator('#announcer');
  assert.deepEqual([await announcer.getAttribute('role'), await announcer.getAttribute('aria-live')], ['log', 'polite']);
  bob.say('PRIVMSG #lobby :can you hear me?');
  await announcer.getByText('bob: can you hear me?').waitFor();
  assert.equal(await announcer.getByText('can you hear me?').count(), 1);
  assert.equal(await eva.page.locator('button:not([aria-label])').evaluateAll((all) => all.filter((one) => one.textContent.trim() === '').length), 0);
  await eva.close();
});

test('a phone has it all, in drawers', async () => {
  const pia = await Person.visit(browser, server.url, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true });
  await pia.enter('pia');
  await pia.sees('welcome');
  assert.equal(await pia.page.locator('#sidebar').isVisible(), false);
  await pia.page.tap('#drawer');
  await pia.page.locator('#sidebar').waitFor();
  await pia.page.tap('#add-room');
  await pia.page.locator('.directory button', { hasText: '#tea' }).tap();
  await pia.page.locator('#room-name', { hasText: '#tea' }).waitFor();
  await pia.page.locator('#sidebar').waitFor({ state: 'hidden' });
  await pia.say('from a phone');
  await bob.heard(/PRIVMSG #tea :from a phone/);
  await pia.page.tap('#show-members');
  await pia.page.locator('.member', { hasText: 'bob' }).waitFor();
  await pia.page.locator('#scrim').tap({ position: { x: 10, y: 300 } });
  await pia.page.locator('#side').waitFor({ state: 'hidden' });
  await pia.page.locator('.message', { hasText: 'from a phone' }).tap();
  await pia.page.locator('.tools').getByLabel('Reply').tap();
  await pia.page.locator('#replying').waitFor();
  assert.ok(await pia.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  assert.deepEqual(pia.problems, []);
  await pia.close();
});

test('a window that becomes narrow shows the conversation, and one that becomes wide who is there', async () => {
  const uma = await (await Person.visit(browser, server.url)).enter('uma');
  await uma.page.locator('#side').waitFor();
  await uma.page.setViewportSize({ width: 320, height: 560 });
  await uma.page.locator('#side').waitFor({ state: 'hidden' });
  assert.ok(await uma.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await uma.page.setViewportSize({ width: 1200, height: 700 });
  await uma.page.locator('#side').waitFor();
  await uma.close();
});

test('light or dark is like the system, or as one chooses', async () => {
  const ground = (person) => person.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const zoe = await Person.visit(browser, server.url, { colorScheme: 'dark' });
  const dark = await ground(zoe);
  await zoe.enter('zoe');
  await zoe.page.click('#me');
  await zoe.page.locator('#menu').getByText('Light', { exact: true }).click();
  assert.notEqual(await ground(zoe), dark);
  await zoe.page.reload();
  assert.notEqual(await ground(zoe), dark);
  await zoe.close();
});

// People in Chromium and one with an IRC client, in one room: all that they can do together.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, launch } from '../lib/browser.mjs';
import { Irc } from '../lib/irc.mjs';
import { Server } from '../lib/server.mjs';

let server, browser, mia, tom, bob;

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  bob?.close();
  await browser?.close();
  await server?.stop();
});

test('a first visit reaches its first message at once, without reading anything', async () => {
  const start = Date.now();
  mia = await Person.visit(browser, server.url, { permissions: [] });
  await mia.page.waitForFunction(() => document.activeElement?.id === 'welcome-nick');
  assert.match(await mia.page.inputValue('#welcome-nick'), /^[a-z]+-[a-z]+$/);
  await mia.page.keyboard.type('mia');
  await mia.page.keyboard.press('Enter');
  await mia.page.waitForFunction(() => document.activeElement?.id === 'text');
  await mia.page.keyboard.type('hello, world');
  await mia.page.keyboard.press('Enter');
  await mia.sees('hello, world');
  await mia.page.locator('.message:not(.pending)', { hasText: 'hello, world' }).waitFor();
  assert.ok(Date.now() - start < 10_000);
});

test('a name that somebody has is not taken over', async () => {
  tom = await Person.visit(browser, server.url);
  await tom.page.fill('#welcome-nick', 'mia');
  await tom.page.click('#welcome-join');
  await tom.page.locator('#welcome-problem', { hasText: 'somebody else' }).or(tom.page.locator('#welcome-problem', { hasText: 'Somebody else' })).waitFor();
  assert.equal(await tom.page.inputValue('#welcome-nick'), 'mia-2');
  await tom.enter('tom');
  await tom.sees('hello, world');
});

test('all see the same messages in the same order, once', async () => {
  bob = await Irc.join(server.port, 'bob');
  for (let round = 0; round < 5; round += 1) {
    await mia.say(`mia ${round}`);
    await tom.say(`tom ${round}`);
    bob.say(`PRIVMSG #lobby :bob ${round}`);
  }
  await mia.say('two lines\nof one message');
  await bob.heard(/of one message/);
  for (const person of [mia, tom]) {
    for (const last of ['mia 4', 'tom 4', 'bob 4', 'two lines']) await person.sees(last);
  }
  const [his, hers] = [await tom.texts(), await mia.texts()];
  assert.deepEqual(his, hers);
  assert.equal(new Set(hers.map(({ msgid }) => msgid)).size, 17);
  assert.ok(hers.every(({ state }) => state === 'stored'));
});

test('who types is shown, and no longer when it is sent', async () => {
  await tom.page.locator('#text').pressSequentially('thinking');
  await mia.page.locator('#typing', { hasText: 'tom is typing' }).waitFor();
  await tom.page.press('#text', 'Enter');
  await mia.sees('thinking');
  await mia.page.waitForFunction(() => document.getElementById('typing').textContent === '');
});

test('a reply quotes, and leads to what it answers', async () => {
  await mia.message('hello, world').hover();
  await mia.page.locator('.tools').getByLabel('Reply').click();
  await mia.page.locator('#replying', { hasText: 'hello, world' }).waitFor();
  await mia.say('answering myself');
  const reply = tom.message('answering myself');
  await reply.locator('.quote', { hasText: 'hello, world' }).click();
  await tom.page.locator('.message.found', { hasText: 'hello, world' }).waitFor();
  await tom.page.evaluate(() => globalThis.switchboard.log.window.toEnd());
});

test('reactions come and go', async () => {
  await tom.message('hello, world').hover();
  await tom.page.locator('.tools').getByLabel('React').click();
  await tom.page.locator('#menu').getByLabel('party').click();
  const reaction = mia.message('hello, world').locator('.reaction');
  await reaction.filter({ hasText: '🎉 1' }).click();
  await tom.message('hello, world').locator('.reaction', { hasText: '🎉 2' }).waitFor();
  await reaction.click();
  await tom.message('hello, world').locator('.reaction', { hasText: '🎉 1' }).waitFor();
  await bob.say(`@+draft/react=👀;+draft/reply=${(await mia.texts())[0].msgid} TAGMSG #lobby`);
  await mia.message('hello, world').locator('.reaction', { hasText: '👀 1' }).waitFor();
});

test('who has an account can take back what it wrote; an operator can take back what others wrote', async () => {
  await mia.page.click('#me');
  await mia.page.locator('#menu').getByText('Make an account').click();
  await mia.page.fill('#dialog input[name=password]', 'correct horse battery');
  await mia.page.locator('#dialog').getByText('Make it').click();
  await mia.page.locator('#me', { hasText: 'Logged in as mia' }).waitFor();
  await mia.say('said too much');
  await tom.sees('said too much');
  await mia.message('said too much').hover();
  await mia.page.locator('.tools').getByLabel('More').click();
  await mia.page.locator('#menu').getByText('Take it back').click();
  await mia.page.locator('#dialog .primary').click();
  await tom.page.locator('.message .gone').waitFor();
  assert.ok(!(await tom.texts()).some(({ text }) => text === 'said too much'));

  await mia.say('/join #tea');
  await mia.page.locator('#room-name', { hasText: '#tea' }).waitFor();
  await tom.say('/join #tea');
  await tom.page.locator('#room-name', { hasText: '#tea' }).waitFor();
  await tom.say('nonsense');
  await mia.sees('nonsense');
  await mia.message('nonsense').focus();
  await mia.page.keyboard.press('Delete');
  await mia.page.locator('#dialog .primary').click();
  await tom.page.locator('.message .gone').waitFor();
});

test('what is said elsewhere is counted, and what is for one stands out', async () => {
  bob.say('PRIVMSG #lobby :nothing special', 'PRIVMSG #lobby :Mia, look');
  const lobby = mia.page.locator('#room-list .room', { hasText: 'lobby' });
  await lobby.locator('.count.for-me', { hasText: '1' }).waitFor();
  await mia.page.waitForFunction(() => document.title.startsWith('(1)'));
  await lobby.click();
  await mia.page.locator('.row.new').waitFor();
  await mia.message('Mia, look').locator('mark').waitFor();
  await lobby.locator('.count').waitFor({ state: 'detached' });
});

test('two talk alone', async () => {
  bob.say('PRIVMSG mia :psst');
  const talk = mia.page.locator('#people-list .room', { hasText: 'bob' });
  await talk.locator('.count.for-me').waitFor();
  await talk.click();
  await mia.sees('psst');
  await mia.say('what?');
  await bob.heard(/PRIVMSG mia.*psst|PRIVMSG bob.*what\?/);
  await bob.heard(/ PRIVMSG bob :?what\?/);
});

test('notifications are asked for by a click, and come for what is for one', async () => {
  await mia.page.evaluate(() => {
    globalThis.asked = 0;
    globalThis.shown = [];
    globalThis.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        globalThis.asked += 1;
        return (globalThis.Notification.permission = 'granted');
      }
      constructor(title, { body }) {
        globalThis.shown.push(`${title}: ${body}`);
      }
    };
  });
  assert.equal(await mia.page.evaluate(() => globalThis.asked), 0);
  await mia.page.click('#me');
  await mia.page.locator('#menu').getByText('Notify me').click();
  assert.equal(await mia.page.evaluate(() => globalThis.asked), 1);
  bob.say('PRIVMSG #lobby :nobody in particular', 'PRIVMSG #lobby :mia: <b>you</b>\u202e!');
  await mia.page.waitForFunction(() => globalThis.shown.length > 0);
  assert.deepEqual(await mia.page.evaluate(() => globalThis.shown), ['bob in #lobby: mia: <b>you</b>[RLO]!']);
});

test('search finds in the room and everywhere, and leads there', async () => {
  await mia.page.locator('#room-list .room', { hasText: 'lobby' }).click();
  await mia.page.keyboard.press('Control+f');
  await mia.page.keyboard.type('world');
  await mia.page.keyboard.press('Enter');
  await mia.page.locator('#found button', { hasText: 'hello, world' }).click();
  await mia.page.locator('.message.found', { hasText: 'hello, world' }).waitFor();
  await mia.page.fill('#search-text', 'nowhereatall');
  await mia.page.keyboard.press('Enter');
  await mia.page.locator('#search-status', { hasText: 'Nothing was found' }).waitFor();
  await mia.page.keyboard.press('Escape');
});

test('a mistake in a command is explained, and what was typed is not lost', async () => {
  await mia.say('/frobnicate now');
  await mia.page.locator('.toast', { hasText: 'no command /frobnicate' }).waitFor();
  assert.equal(await mia.page.inputValue('#text'), '/frobnicate now');
  await mia.page.fill('#text', '');
  await mia.say('//not a command');
  await bob.heard(/ PRIVMSG #lobby :\/not a command/);
});

test('a reload keeps name, room, draft and place', async () => {
  await tom.page.locator('#room-list .room', { hasText: 'lobby' }).click();
  await tom.page.fill('#text', 'half a thought');
  await tom.page.reload();
  await tom.page.locator('#me', { hasText: 'tom' }).waitFor();
  await tom.sees('answering myself');
  assert.equal(await tom.page.inputValue('#text'), 'half a thought');
  assert.match(await tom.page.textContent('#room-list'), /lobby.*tea/s);
});

test('a name with an account asks for its password, and never keeps it', async () => {
  const { page } = mia;
  await page.reload();
  await page.locator('#welcome-problem', { hasText: 'belongs to an account' }).waitFor();
  await page.fill('#welcome-password', 'wrong');
  await page.press('#welcome-password', 'Enter');
  await page.locator('#welcome-problem:not(:empty)').waitFor();
  await page.fill('#welcome-password', 'correct horse battery');
  await page.press('#welcome-password', 'Enter');
  await page.locator('#me', { hasText: 'Logged in as mia' }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(kept.includes('mia') && !kept.includes('horse') && !kept.includes('wrong'));
});

test('who leaves for good is forgotten by the browser', async () => {
  await tom.page.click('#me');
  await tom.page.locator('#menu').getByText('Leave the chat').click();
  await tom.page.locator('#dialog .primary').click();
  await tom.page.locator('#welcome-nick').waitFor();
  assert.ok(!(await tom.page.evaluate(() => JSON.stringify({ ...localStorage }))).includes('tom'));
});

test('the page says nothing is wrong with it', () => {
  assert.deepEqual([...mia.problems, ...tom.problems], []);
});

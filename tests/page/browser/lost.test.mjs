// The server is killed, the link is cut, stalled and slow under people who are typing: nothing is lost,
// nothing is doubled, and they see what is going on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, launch } from '../lib/browser.mjs';
import { Irc } from '../lib/irc.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { Server } from '../lib/server.mjs';

let server, proxy, browser, mia, tom;
const said = [];

/** Says something that must be there once in the end. */
async function say(person, text) {
  said.push(text);
  await person.say(text);
}

/** All that was said is in each log, once, and in the same order. */
async function check() {
  const all = async (person) => {
    await person.page.waitForFunction((count) => {
      const { timeline } = globalThis.switchboard.client.chat.find('#lobby');
      return timeline.pending.length === 0 && timeline.entries.filter((entry) => entry.kind === 'message').length >= count;
    }, said.length, { timeout: 15_000 }).catch(async () => assert.fail(JSON.stringify([said, await person.texts(), person.problems])));
    return (await person.texts()).map(({ text }) => text);
  };
  const [hers, his] = [await all(mia), await all(tom)];
  assert.deepEqual(hers, his);
  assert.deepEqual([...hers].sort(), [...said].sort());
  // What the store has, as somebody sees it who was not there.
  const late = await Irc.join(server.port, `late${said.length}`, '#lobby', 'message-tags server-time batch draft/chathistory');
  late.say('CHATHISTORY LATEST #lobby * 100');
  await late.heard(/BATCH -/);
  assert.deepEqual(late.texts().sort(), [...said].sort());
  late.close();
}

before(async () => {
  server = await Server.start();
  proxy = await Proxy.to(server.port);
  browser = await launch();
  mia = await (await Person.visit(browser, proxy.url)).enter('mia');
  tom = await (await Person.visit(browser, server.url)).enter('tom');
});

after(async () => {
  await browser?.close();
  proxy?.close();
  await server?.stop();
});

test('the server is killed and started again while they type', async () => {
  await say(mia, 'before');
  await tom.sees('before');
  for (let round = 0; round < 3; round += 1) {
    await say(mia, `mia, round ${round}`);
    await say(tom, `tom, round ${round}`);
    await Promise.all([say(mia, `mia, at the moment ${round}`), say(tom, `tom, at the moment ${round}`), server.kill()]);
    await mia.page.locator('#banner', { hasText: 'The connection is lost' }).waitFor();
    await say(mia, `mia, while it is down ${round}`);
    await say(tom, `tom, while it is down ${round}`);
    await mia.page.locator('.state', { hasText: 'Waiting to be sent' }).first().waitFor();
    await mia.page.locator('#banner', { hasText: 'to be sent' }).waitFor();
    await server.run();
    await Promise.all([mia.status('in'), tom.status('in')]);
    await mia.page.locator('#banner').waitFor({ state: 'hidden' });
  }
  await check();
});

test('the server is stopped in good order, and another one takes its place', async () => {
  await Promise.all([say(mia, 'mia, before the upgrade'), say(tom, 'tom, before the upgrade'), server.end()]);
  await mia.page.locator('#banner', { hasText: 'The connection is lost' }).waitFor();
  await say(mia, 'during the upgrade');
  await server.run();
  await Promise.all([mia.status('in'), tom.status('in')]);
  await check();
});

test('the link is cut in the middle', async () => {
  await say(mia, 'last words');
  proxy.cut();
  await mia.page.locator('#banner', { hasText: 'Trying again in' }).waitFor();
  await say(mia, 'written in the dark');
  await say(tom, 'are you there?');
  proxy.mend();
  await mia.page.locator('#banner').getByText('Try now').click({ timeout: 4000 }).catch(() => {}); // it may be back by itself
  await mia.status('in');
  await check();
});

test('the link stalls: it is told, given up, and what was on the way comes once', async () => {
  proxy.isStalled = true;
  await say(mia, 'into the stall');
  await say(tom, 'she does not hear this');
  await mia.page.locator('.state.sending').first().waitFor();
  await mia.page.locator('#banner', { hasText: 'slow' }).waitFor();
  await mia.page.locator('#banner', { hasText: /lost|Reconnecting/ }).waitFor({ timeout: 20_000 });
  await mia.page.locator('.state.unsure').waitFor();
  await say(mia, 'written meanwhile');
  proxy.mend();
  await mia.status('in');
  await check();
  await mia.page.waitForFunction(() => globalThis.switchboard.client.chat.me.nick === 'mia');
  await mia.page.locator('#banner').waitFor({ state: 'hidden' });
});

test('a slow link is slow, and nothing else', async () => {
  proxy.delayMs = 700;
  await say(mia, 'slowly');
  await say(mia, 'and slower');
  await mia.page.locator('.state.sending').first().waitFor();
  await check();
  proxy.delayMs = 0;
});

test('a reload in the dark does not lose what waits', async () => {
  proxy.cut();
  await mia.page.locator('#banner', { hasText: 'Trying again in' }).waitFor();
  await say(mia, 'before the reload');
  proxy.isCut = false;
  await mia.page.reload({ waitUntil: "domcontentloaded" });
  await mia.status('in');
  await check();
});

test('a hundred messages more than a page are caught up with', async () => {
  proxy.cut();
  const bob = await Irc.join(server.port, 'bob');
  const texts = Array.from({ length: 150 }, (_, index) => `missed ${index}`);
  bob.say(...texts.map((text) => `PRIVMSG #lobby :${text}`));
  await bob.heard(/missed 149/);
  said.push(...texts);
  proxy.mend();
  await mia.status('in');
  await mia.page.waitForFunction((count) => globalThis.switchboard.client.chat.find('#lobby').timeline.entries.filter((entry) => entry.kind === 'message').length === count, said.length);
  assert.deepEqual((await mia.texts()).slice(-150).map(({ text }) => text), texts);
  bob.close();
});

test('the page says nothing is wrong with it', () => {
  assert.deepEqual([...mia.problems, ...tom.problems], []);
});

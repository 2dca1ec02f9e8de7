// Texts of people who mean no good, as Chromium shows them; and what the page may load and do at all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, launch } from '../lib/browser.mjs';
import { Irc } from '../lib/irc.mjs';
import { Server } from '../lib/server.mjs';

let server, browser, mia, eve;

before(async () => {
  server = await Server.start();
  browser = await launch();
  mia = await (await Person.visit(browser, server.url)).enter('mia');
  eve = await Irc.join(server.port, 'eve', '#lobby', 'message-tags server-time echo-message batch draft/multiline');
});

after(async () => {
  eve?.close();
  await browser?.close();
  await server?.stop();
});

const says = async (text, sees = text) => {
  eve.say(`PRIVMSG #lobby :${text}`);
  await mia.sees(sees);
  return mia.message(sees);
};

test('markup is shown, not done', async () => {
  for (const text of ['<img src=x onerror="document.title=666">', '<script>document.title=666</script>', '"><svg onload=document.title=666>', '&lt;b&gt; {{7*7}} ${7*7}']) {
    const row = await says(text);
    assert.equal(await row.locator('.text').textContent(), text);
    assert.equal(await row.locator('.text *:not(bdi):not(span)').count(), 0);
  }
  assert.doesNotMatch(await mia.page.title(), /666/);
});

test('a topic, a name of a room, a reason and a tag are no markup either', async () => {
  const markup = '<b>x</b>';
  eve.say(`JOIN #${markup}`, `TOPIC #${markup} :${markup}`, `@+draft/react=${markup};+draft/reply=${(await mia.texts())[0].msgid} TAGMSG #lobby`, `AWAY :${markup}`);
  await mia.page.locator('.reaction', { hasText: markup }).waitFor();
  await mia.say(`/join #${markup}`);
  await mia.page.locator('#room-name', { hasText: markup }).waitFor();
  await mia.page.locator('#topic', { hasText: markup }).waitFor();
  await mia.page.locator('#member-list', { hasText: markup }).waitFor();
  assert.equal(await mia.page.locator('b').count(), 0);
  await mia.say('/part');
  await mia.page.locator('#room-name', { hasText: '#lobby' }).waitFor();
});

test('only http and https become links, and they tell nothing to where they lead', async () => {
  const row = await says('javascript:alert(1) data:text/html,x file:///etc/passwd https://a.example/x vbscript:y');
  const links = await row.locator('a').evaluateAll((all) => all.map((a) => [a.href, a.rel, a.target]));
  assert.deepEqual(links, [['https://a.example/x', 'noopener noreferrer nofollow', '_blank']]);
  const fake = await says('see https://аррӏе.example/login', 'see');
  assert.match(await fake.locator('a').last().textContent(), /^https:\/\/xn--/);
});

test('what turns the direction around turns nothing outside itself', async () => {
  const row = await says('evil \u202e\u2067gpj.exe', 'evil');
  assert.deepEqual(await row.locator('.control').allTextContents(), ['RLO', 'RLI']);
  const time = await row.locator('time').first().boundingBox();
  const nick = await row.locator('.nick').first().boundingBox().catch(() => null);
  if (nick) assert.ok(time.x > nick.x, 'the line of the name is left to right');
  const arabic = await says('שלום עולם');
  const [text, box] = await arabic.locator('.text').evaluate((element) => [getComputedStyle(element).direction, getComputedStyle(element).unicodeBidi]);
  assert.deepEqual([text, box], ['rtl', 'isolate']);
});

test('nothing is wider or higher than its place', async () => {
  eve.say(`PRIVMSG #lobby :${'W'.repeat(440)}`, `PRIVMSG #lobby :zalgo ${'\u0334\u0321\u0322'.repeat(60)}`, `PRIVMSG #lobby :zero${'\u200b\u200d'.repeat(60)}width`);
  await mia.sees('zero');
  const zalgo = await mia.message('zalgo').boundingBox();
  assert.ok(zalgo.height < 80, `${zalgo.height}`);
  eve.say('BATCH +w draft/multiline #lobby', ...Array.from({ length: 19 }, () => `@batch=w;draft/multiline-concat PRIVMSG #lobby :${'M'.repeat(420)}`), 'BATCH -w');
  await mia.page.locator('.text-button', { hasText: 'Show all of it' }).waitFor();
  await mia.page.getByText('Show all of it').click();
  const wide = await mia.page.evaluate(() => [...document.querySelectorAll('#list .text')].filter((text) => text.scrollWidth > text.clientWidth + 1 || text.getBoundingClientRect().right > document.querySelector('#log').getBoundingClientRect().right).length);
  assert.equal(wide, 0);
  assert.ok(await mia.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test('a hundred thousand letters without a space, even from another server, break', async () => {
  await mia.page.evaluate(() => {
    const { client } = globalThis.switchboard;
    client.session.receive(`@msgid=huge :eve!e@h PRIVMSG #lobby :${'x'.repeat(100_000)}`);
    client.session.receive(`@msgid=deep :eve!e@h PRIVMSG #lobby :${'\u0301'.repeat(100_000)}`);
  });
  const row = mia.page.locator('.message[data-msgid=huge]');
  await row.waitFor();
  assert.ok((await row.boundingBox()).width <= (await mia.page.locator('#log').boundingBox()).width);
});

test('terminal escapes are pictures', async () => {
  const row = await says('\x1b]0;owned\x07\x1b[31mred', 'owned');
  assert.equal(await row.locator('.text').textContent(), '␛]0;owned␇␛[31mred');
});

test('the policy keeps out what no text may bring', async () => {
  const answer = await mia.page.request.get(server.url);
  const policy = answer.headers()['content-security-policy'];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), part);
  const ran = await mia.page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.ran = true';
    document.body.append(script);
    document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="globalThis.ran = true">');
    return new Promise((resolve) => setTimeout(() => resolve(globalThis.ran ?? false), 100));
  });
  assert.equal(ran, false);
  assert.ok(mia.problems.every((text) => /Content Security Policy|404/.test(text)), mia.problems.join('\n'));
});

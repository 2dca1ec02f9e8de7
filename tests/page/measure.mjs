// Measures the page in Chromium with a long history and a full room, and writes bench/results/page.md.
// It must never write a number that it has not measured in this run. `node tests/page/measure.mjs`
// (after `cargo build --release -p switchboard-chat`; SWITCHBOARD=path takes another binary).

import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { writeFileSync } from 'node:fs';
import { Person, launch } from './lib/browser.mjs';
import { Irc, crowd } from './lib/irc.mjs';
import { Server } from './lib/server.mjs';

const MESSAGES = Number(process.env.MESSAGES ?? 10_000);
const MEMBERS = Number(process.env.MEMBERS ?? 1000);
const root = new URL('../..', import.meta.url).pathname;

const sentence = (index) => {
  const words = 'the kettle is on and nobody knows who has left the door of the reading room open again this morning'.split(' ');
  return `${index}: ${words.slice(0, 3 + ((index * 7) % words.length)).join(' ')}${index % 11 === 0 ? ' https://example.org/page' : ''}`;
};

async function fill(port, count) {
  const irc = await Irc.join(port, 'scribe', '#lobby', 'message-tags echo-message batch draft/multiline');
  for (let start = 0; start < count; start += 100) {
    const end = Math.min(count, start + 100);
    irc.say(...Array.from({ length: end - start }, (_, index) => `PRIVMSG #lobby :${sentence(start + index)}`));
    await irc.heard(new RegExp(` :?${end - 1}: `), 60_000);
    irc.lines = [];
  }
  irc.close();
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const at = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** What the tab's JavaScript holds after a collection, in MiB, and how many nodes there are. */
async function memory(person) {
  const devtools = await person.context.newCDPSession(person.page);
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('Performance.enable');
  const { metrics } = await devtools.send('Performance.getMetrics');
  const metric = (name) => metrics.find((one) => one.name === name).value;
  await devtools.detach();
  return { mib: metric('JSHeapUsedSize') / 2 ** 20, nodes: metric('Nodes') };
}

async function paint(person) {
  return person.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
}

/** Scrolls by the wheel for some seconds, and gives the time between frames, in milliseconds. */
async function frames(person, step, count) {
  await person.page.locator('#log').hover();
  const running = person.page.evaluate(() => {
    globalThis.frameTimes = [];
    let before = performance.now();
    globalThis.isMeasuring = true;
    const next = (now) => {
      globalThis.frameTimes.push(now - before);
      before = now;
      if (globalThis.isMeasuring) requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  await running;
  for (let index = 0; index < count; index += 1) {
    await person.page.mouse.wheel(0, step);
    await person.page.waitForTimeout(16);
  }
  return person.page.evaluate(() => {
    globalThis.isMeasuring = false;
    return globalThis.frameTimes.slice(1);
  });
}

const server = await Server.start('--rate', 'off', '--max-clients', String(MEMBERS + 100));
const browser = await launch();
const version = browser.version();
const rows = [];
const row = (what, value, note = '') => {
  rows.push(`| ${what} | ${value} | ${note} |`);
  console.log(`${what}: ${value} ${note}`);
};
let members = [];
try {
  const empty = await Person.visit(browser, server.url, { reducedMotion: 'no-preference' });
  row('first paint, first visit', ms(await paint(empty)), 'nothing in the browser\'s cache');
  const size = await empty.page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0));
  row('what a first visit loads', `${Math.round(size / 1024)} KiB`, 'not compressed, all files');
  await empty.enter('empty');
  const alone = await memory(empty);
  row('memory, empty room', `${alone.mib.toFixed(1)} MiB`, `JavaScript's heap, collected; ${alone.nodes} nodes`);
  await empty.close();

  await fill(server.port, MESSAGES);
  members = await crowd(server.port, MEMBERS, '#lobby');

  const mia = await Person.visit(browser, server.url, { reducedMotion: 'no-preference' });
  const start = Date.now();
  await mia.enter('mia');
  await mia.page.locator('.message').last().waitFor();
  row('from the click to the newest messages', ms(Date.now() - start), `of ${MESSAGES.toLocaleString('en')} stored ones, beside ${MEMBERS.toLocaleString('en')} members`);
  await mia.page.waitForFunction((count) => globalThis.switchboard.client.chat.find('#lobby').members.size >= count, MEMBERS);
  const page = await memory(mia);
  row('memory, newest page', `${page.mib.toFixed(1)} MiB`, `${page.nodes} nodes`);
  await mia.page.reload();
  await mia.page.locator('.message').last().waitFor();
  row('first paint, a second visit', ms(await paint(mia)), 'each file asked for again: 304');

  const began = Date.now();
  await mia.page.evaluate(async () => {
    const { client } = globalThis.switchboard;
    const room = client.chat.find('#lobby');
    while (!room.isAtStart) await client.history.older(room);
  });
  row('the whole history, loaded', ms(Date.now() - began), 'in pages of 100');
  const count = await mia.page.evaluate(() => globalThis.switchboard.client.chat.find('#lobby').timeline.entries.length);
  const whole = await memory(mia);
  row('memory, whole history', `${whole.mib.toFixed(1)} MiB`, `${count.toLocaleString('en')} entries, ${whole.nodes} nodes in the document`);
  const rendered = await mia.page.locator('#list > li').count();
  row('rows in the document', String(rendered), 'of all entries');

  for (const [name, step] of [['scrolling', -160], ['scrolling fast', -1600]]) {
    await mia.page.evaluate(() => globalThis.switchboard.log.window.toEnd());
    const times = await frames(mia, step, 220);
    row(`frame, ${name}`, ms(median(times)), `p95 ${ms(at(times, 0.95))}, longest ${ms(Math.max(...times))}, ${times.length} frames`);
  }
  await mia.page.evaluate(() => globalThis.switchboard.log.window.toEnd());
  const drawn = await mia.page.evaluate(() => {
    const { chat } = globalThis.switchboard.client;
    const times = [];
    for (let index = 0; index < 100; index += 1) {
      const begin = performance.now();
      globalThis.switchboard.client.session.receive(`@msgid=x${index};time=${new Date().toISOString()} :guest1!g@h PRIVMSG #lobby :one more ${index}`);
      globalThis.switchboard.log.update(chat.find('#lobby'));
      times.push(performance.now() - begin);
    }
    return times;
  });
  row('one more message, taken and drawn', ms(median(drawn)), `p95 ${ms(at(drawn, 0.95))}, with all of it loaded`);
  const listed = await mia.page.evaluate(() => {
    const { chat } = globalThis.switchboard.client;
    const times = Array.from({ length: 20 }, () => {
      const begin = performance.now();
      globalThis.switchboard.members.update(chat.find('#lobby'));
      return performance.now() - begin;
    });
    return times;
  });
  const shown = await mia.page.locator('#member-list > li').count();
  row('the list of members, drawn', ms(median(listed)), `${shown} rows in the document`);
  if (mia.problems.length > 0) throw new Error(mia.problems.join('\n'));
} finally {
  members.forEach((member) => member.close());
  await browser.close();
  await server.stop();
}

const commit = execFileSync('git', ['-C', root, 'describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
writeFileSync(`${root}bench/results/page.md`, `# The page, measured

\`node tests/page/measure.mjs\` writes this file: Chromium, headless and without a graphics card, a window of 1180 × 760, one room with ${MESSAGES.toLocaleString('en')} messages and ${MEMBERS.toLocaleString('en')} members, the server, the members and the browser on the same ${cpus().length} cores. Revision ${commit}, ${new Date().toISOString().slice(0, 10)}, Chromium ${version}.

| what | measured | |
|---|---|---|
${rows.join('\n')}
`);

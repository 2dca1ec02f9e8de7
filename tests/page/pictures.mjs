// Makes the pictures of the page that README shows: docs/pictures/page-*.png. `node tests/page/pictures.mjs`
// (after `cargo build -p switchboard-chat`; they look best with the packages fonts-inter and
// fonts-noto-color-emoji). It must never draw anything that the page does not.

import { mkdirSync } from 'node:fs';
import { Person, launch } from './lib/browser.mjs';
import { Irc } from './lib/irc.mjs';
import { Server } from './lib/server.mjs';

const folder = new URL('../../docs/pictures/', import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

const server = await Server.start('--network', 'Riverside');
const browser = await launch('--font-render-hinting=none');
const CAPS = 'message-tags server-time echo-message batch draft/multiline';

const people = {};
for (const nick of ['nora', 'jonas', 'priya', 'tomasz', 'lin', 'zoë']) people[nick] = await Irc.join(server.port, nick, '#lobby', CAPS);
const say = async (nick, text, room = '#lobby', tags = '') => {
  people[nick].say(`${tags}PRIVMSG ${room} :${text}`);
  await people[nick].heard(new RegExp(` PRIVMSG ${room} .*${text.slice(-12).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`));
};
const last = (nick) => /msgid=([^; ]+)/.exec(people[nick].lines.findLast((line) => / PRIVMSG /.test(line)))[1];

async function shoot(person, name) {
  // What an animation is in the middle of is no state of the page.
  await person.page.waitForTimeout(350);
  await person.page.screenshot({ path: `${folder}page-${name}.png`, animations: 'disabled', caret: 'hide' });
  if (person.problems.length > 0) throw new Error(person.problems.join('\n'));
}

const phone = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true };

try {
  const first = await Person.visit(browser, server.url);
  await first.page.fill('#welcome-nick', 'quiet-heron');
  await shoot(first, 'welcome');
  await first.page.fill('#welcome-nick', 'mia');
  await first.page.click('#welcome-join');
  await first.page.waitForSelector('#app:not([hidden])');
  await first.say('/join #new-room');
  await first.page.locator('#room-name', { hasText: '#new-room' }).waitFor();
  await shoot(first, 'empty');
  await first.say('/part');
  await first.close();

  for (const nick of ['nora', 'jonas', 'priya', 'lin']) people[nick].say('JOIN #regatta', 'JOIN #kitchen');
  await people.nora.heard(/ 366 nora #kitchen/);
  people.nora.say('TOPIC #regatta :Saturday 9:00 at the boathouse · bring rain clothes');
  people.jonas.say('AWAY :at lunch');

  const mia = await (await Person.visit(browser, server.url)).enter('mia');
  await mia.say('/join #kitchen');
  await mia.page.locator('#room-name', { hasText: '#kitchen' }).waitFor();
  await mia.say('/join #regatta');
  await mia.page.locator('#room-name', { hasText: '#regatta' }).waitFor();
  people.nora.say('MODE #regatta +o priya');
  await say('nora', 'Good morning! The forecast says wind from the west, 4 to 5. Shall we go with the two fours?', '#regatta');
  const question = last('nora');
  await say('priya', 'Both fours are fine. The new oars came in yesterday, they are in the shed.', '#regatta');
  await say('priya', 'Photos from last year, by the way: https://photos.example.org/regatta/2025', '#regatta');
  const photos = last('priya');
  await say('jonas', 'I can steer one of them, if somebody takes over the timing.', '#regatta', `@+draft/reply=${question} `);
  await say('lin', '@mia can you do the timing? You were so precise last time', '#regatta');
  const asked = last('lin');
  await mia.sees('You were so precise');
  await mia.message('You were so precise').hover();
  await mia.page.locator('.tools').getByLabel('Reply').click();
  await mia.say('Happy to. I will bring the two stopwatches, and `laps.csv` is ready to be filled in:\n```\nboat,start,finish\nfour-1,,\nfour-2,,\n```');
  await mia.sees('stopwatches');
  const own = (await mia.texts('#regatta')).at(-1).msgid;
  people.nora.say(`@+draft/react=🎉;+draft/reply=${own} TAGMSG #regatta`);
  people.priya.say(`@+draft/react=🎉;+draft/reply=${own} TAGMSG #regatta`, `@+draft/react=❤️;+draft/reply=${own} TAGMSG #regatta`);
  people.lin.say(`@+draft/react=👀;+draft/reply=${photos} TAGMSG #regatta`, `@+draft/react=👍;+draft/reply=${asked} TAGMSG #regatta`);
  await say('tomasz', 'who has the key to the shed? mia?', '#lobby');
  await say('zoë', 'The kettle is on.', '#lobby');
  await say('lin', 'Soup is ready at one', '#kitchen');
  people.nora.say('PRIVMSG mia :Shall I pick you up on Saturday?');
  await mia.page.locator('#people-list .count').waitFor();
  await mia.page.locator('.reaction', { hasText: '❤️' }).waitFor();
  await mia.page.mouse.move(5, 400);
  await say('nora', 'Perfect. Then everything has somebody, and the rest is weather.', '#regatta');
  await mia.sees('the rest is weather');
  people.priya.say('@+typing=active TAGMSG #regatta');
  await mia.page.locator('#typing', { hasText: 'priya' }).waitFor();
  await shoot(mia, 'light');
  await mia.page.emulateMedia({ colorScheme: 'dark' });
  people.priya.say('@+typing=active TAGMSG #regatta');
  await shoot(mia, 'dark');
  await mia.page.click('#show-search');
  await mia.page.fill('#search-text', 'fours');
  await mia.page.keyboard.press('Enter');
  await mia.page.locator('#found button').first().waitFor();
  await shoot(mia, 'search');
  await mia.page.keyboard.press('Escape');
  await mia.page.emulateMedia({ colorScheme: 'light' });

  const small = await Person.visit(browser, server.url, phone);
  await small.page.fill('#welcome-nick', 'ada');
  await small.page.tap('#welcome-join');
  await small.page.waitForSelector('#app:not([hidden])');
  await small.say('/join #kitchen');
  await small.page.locator('#room-name', { hasText: '#kitchen' }).waitFor();
  await small.say('/join #regatta');
  await small.page.locator('#room-name', { hasText: '#regatta' }).waitFor();
  await small.sees('the rest is weather');
  await shoot(small, 'phone');
  await small.page.emulateMedia({ colorScheme: 'dark' });
  await say('tomasz', 'found it!', '#lobby');
  await say('lin', 'ada, there is cake, too', '#kitchen');
  await small.page.locator('#drawer-count:not([hidden])').waitFor();
  await small.page.tap('#drawer');
  await shoot(small, 'phone-rooms');
  await small.close();

  await server.kill();
  await mia.page.locator('#banner', { hasText: 'Trying again' }).waitFor();
  await mia.say('I will also bring the long cable.');
  await mia.page.locator('.state', { hasText: 'Waiting to be sent' }).waitFor();
  await shoot(mia, 'disconnected');
} finally {
  Object.values(people).forEach((irc) => irc.close());
  await browser.close();
  await server.stop();
}

// What the page knows: each message once, in order, whichever way it came; and what happens to own ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, isCommand, asMessage } from '../../../crates/chat/web/client/commands.js';
import { Liveness } from '../../../crates/chat/web/client/liveness.js';
import { Memory } from '../../../crates/chat/web/client/memory.js';
import { cut, Outbox } from '../../../crates/chat/web/client/outbox.js';
import { parse } from '../../../crates/chat/web/irc/line.js';
import { Chat } from '../../../crates/chat/web/model/chat.js';
import { entry, said } from '../../../crates/chat/web/model/entry.js';
import { describeModes, modeChanges } from '../../../crates/chat/web/model/modes.js';
import { another, asNick, asRoom, suggestion } from '../../../crates/chat/web/model/names.js';
import { Timeline } from '../../../crates/chat/web/model/timeline.js';
import { items } from '../../../crates/chat/web/ui/items.js';

const at = (number, fields = {}) => entry({ msgid: `m${number}`, time: number, nick: 'bob', text: `t${number}`, ...fields });
const texts = (timeline) => timeline.entries.map(({ text }) => text).join(' ');

test('each message is there once, in order, whichever way it came', () => {
  const timeline = new Timeline();
  assert.ok(timeline.add(at(5)));
  assert.ok(!timeline.add(at(5)));
  assert.equal(timeline.merge([at(1), at(2), at(3)]), 3);
  timeline.add(at(9));
  assert.equal(timeline.merge([at(3), at(5), at(6), at(7), at(9)]), 2);
  assert.equal(texts(timeline), 't1 t2 t3 t5 t6 t7 t9');
  assert.equal(timeline.lastMsgid, 'm9');
  assert.equal(timeline.merge([at(0)]), 1);
  assert.equal(timeline.first.msgid, 'm0');
});

test('messages of one moment keep their order', () => {
  const same = (...numbers) => numbers.map((number) => at(number, { time: 5 }));
  const timeline = new Timeline();
  same(4, 5).forEach((one) => timeline.add(one));
  timeline.merge(same(2, 3), { isOlder: true });
  timeline.merge(same(0, 1), { isOlder: true });
  timeline.add(...same(9));
  timeline.merge(same(5, 6, 7, 8, 9));
  timeline.merge(same(9, 10));
  assert.equal(texts(timeline), 't0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10');
});

test('any order of arrival gives the same log', () => {
  let seed = 3;
  const random = (max) => (seed = (seed * 48271) % 2147483647) % max;
  for (let round = 0; round < 300; round += 1) {
    const timeline = new Timeline();
    for (let part = 0; part < 12; part += 1) {
      const from = random(40);
      const page = Array.from({ length: 1 + random(15) }, (_, index) => at(from + index));
      if (random(2)) timeline.merge(page);
      else page.forEach((one) => timeline.add(one));
    }
    const times = timeline.entries.map(({ time }) => time);
    assert.deepEqual(times, [...new Set(times)].sort((a, b) => a - b));
  }
});

test('an own message is confirmed by its id, however it comes back', () => {
  const timeline = new Timeline();
  timeline.pending.push(entry({ id: 'x', text: 'hi', mine: true, nick: 'ada', state: 'unsure' }));
  timeline.merge([at(1, { id: 'x', nick: 'ada' })]);
  assert.deepEqual([timeline.pending.length, timeline.isStored('x')], [0, true]);
  assert.ok(!timeline.add(at(2, { id: 'x', nick: 'ada' })), 'sent twice, shown once');
  assert.ok(timeline.add(at(3, { id: 'x', nick: 'eve' })), 'somebody else may use any id');
});

test('reactions and redactions wait for their message', () => {
  const timeline = new Timeline();
  const like = { msgid: 'r1', target: 'm1', nick: 'eve', emoji: '👍', isOn: true };
  assert.ok(timeline.react(like) && !timeline.react(like));
  timeline.add(at(1));
  assert.deepEqual([...timeline.get('m1').reactions.get('👍')], ['eve']);
  timeline.react({ ...like, msgid: 'r2', isOn: false });
  assert.equal(timeline.get('m1').reactions.size, 0);
  timeline.redact('m2', { by: 'bob', reason: '' });
  timeline.add(at(2));
  assert.equal(timeline.get('m2').text, '');
  timeline.merge([at(3), at(4), at(5)]);
  assert.equal(timeline.reconcile([at(3), at(5)]), 1);
  assert.ok(timeline.get('m4').redacted);
});

/** A chat of `ada`, who is in #tea. */
function chat() {
  const told = [];
  const made = new Chat((what, detail) => told.push([what, detail]));
  const hears = (...lines) => lines.forEach((line) => made.apply(parse(line)));
  hears(':s 001 ada :hi', ':ada!a@h JOIN #tea * :Ada', ':s 353 ada = #tea :@ada +bob eve', ':bob!b@h JOIN #other * :x');
  return { chat: made, hears, told, tea: made.find('#TEA') };
}

test('members come, go, change and are away', () => {
  const { chat: made, hears, tea } = chat();
  assert.deepEqual(tea.sorted().map(({ nick, role }) => role + nick), ['@ada', '+bob', 'eve']);
  hears(':eve!e@h NICK Eva', ':Eva!e@h AWAY :lunch', ':ada!a@h MODE #tea +o-v Eva bob');
  assert.deepEqual(tea.sorted().map(({ nick, role }) => role + nick), ['@ada', '@Eva', 'bob']);
  assert.equal(made.user('eva').awayText, 'lunch');
  hears(':bob!b@h QUIT :x', ':ada!a@h KICK #tea Eva :bye');
  assert.deepEqual(tea.sorted().map(({ nick }) => nick), ['ada']);
  hears(':s 354 ada 7 #tea zoe GB@ zoeacc :Zoe Z');
  assert.deepEqual([tea.roleOf('zoe'), made.user('zoe').away, made.user('zoe').isBot, made.user('zoe').account], ['@', true, true, 'zoeacc']);
});

test('unread and mentions are counted where nobody looks', () => {
  const { chat: made, hears, tea } = chat();
  hears(':bob!b@h PRIVMSG #tea :hi', ':bob!b@h PRIVMSG #tea :ada?', ':ada!a@h PRIVMSG #tea :mine');
  assert.deepEqual([tea.unread, tea.mentions], [2, 1]);
  made.isBeingRead = () => true;
  hears(':bob!b@h PRIVMSG #tea :more');
  assert.equal(tea.unread, 2);
  made.isBeingRead = () => false;
  hears(':eve!e@h PRIVMSG ada :psst', ':ada!a@h PRIVMSG eve :what');
  assert.deepEqual(made.find('eve').timeline.entries.map(({ text }) => text), ['psst', 'what']);
  assert.equal(made.find('eve').mentions, 1);
  hears('MARKREAD #tea timestamp=2100-01-01T00:00:00.000Z');
  assert.equal(tea.unread, 0);
});

test('typing ends by itself, or with the message', () => {
  const { hears, tea } = chat();
  hears('@+typing=active :bob!b@h TAGMSG #tea');
  assert.deepEqual(tea.typers(Date.now()).nicks, ['bob']);
  assert.deepEqual(tea.typers(Date.now() + 7000).nicks, []);
  hears('@+typing=active :bob!b@h TAGMSG #tea', ':bob!b@h PRIVMSG #tea :x');
  assert.deepEqual(tea.typers(Date.now()).nicks, []);
});

test('lines that nobody expects do no harm', () => {
  const { hears } = chat();
  hears(':x!x@h PRIVMSG', ':x!x@h JOIN', 'TAGMSG', ':x KICK #tea', 'MODE', ':s 353 ada', 'REDACT #tea', ':x!x@h NICK', 'MARKREAD', ':x MODE #tea +ooo', ':s 354 ada', ':s 730', ':x!x@h PRIVMSG #nowhere :x', ':s 332 ada', 'TOPIC', 'QUIT', 'FAIL', 'BATCH');
});

test('modes are said in words', () => {
  const isupport = new Map([['PREFIX', '(qov)~@+'], ['CHANMODES', 'beI,k,l,imnst']]);
  const changes = modeChanges(['+ob-l+k', 'bob', '*!*@x', 'key'], isupport);
  assert.deepEqual(changes.map(({ letter, isOn, argument }) => `${isOn ? '+' : '-'}${letter}${argument}`), ['+obob', '+b*!*@x', '-l', '+kkey']);
  assert.equal(describeModes(changes, 'ada')[0], 'bob is an operator now');
});

/** An outbox whose server answers as `answer` says. */
function outbox(answer) {
  const { chat: made, hears, tea } = chat();
  const sent = [];
  const request = (command, params, { tags }) => {
    sent.push([command, params.at(-1), tags]);
    return answer({ command, params, tags, hears });
  };
  const session = { isReady: true, request };
  const memory = new Memory(() => null, () => null);
  let id = 0;
  const box = new Outbox({ chat: made, session: () => session, memory, emit: () => {}, makeId: () => `id${(id += 1)}` });
  return { box, tea, sent, session, memory, hears };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a message is sending until it is stored', async () => {
  const { box, tea, sent } = outbox(async ({ params, tags, hears }) => {
    hears(`@msgid=m1;+switchboard/id=${tags['+switchboard/id']} :ada!a@h PRIVMSG #tea :${params[1]}`);
    return [];
  });
  box.post(tea, 'hello', { replyTo: 'm0' });
  await settled();
  assert.deepEqual(sent, [['PRIVMSG', 'hello', { '+switchboard/id': 'id1', '+draft/reply': 'm0' }]]);
  assert.deepEqual([tea.timeline.pending, tea.timeline.entries[0].state], [[], 'stored']);
});

test('a refused message says why, and can be tried again or discarded', async () => {
  let refuses = true;
  const { box, tea, memory } = outbox(async ({ tags, hears }) => {
    if (refuses) return [parse(':s 404 ada #tea :you may not speak')];
    hears(`@msgid=m1;+switchboard/id=${tags['+switchboard/id']} :ada!a@h PRIVMSG #tea :x`);
    return [];
  });
  box.post(tea, 'x');
  await settled();
  const [own] = tea.timeline.pending;
  assert.deepEqual([own.state, own.problem], ['failed', 'you may not speak']);
  assert.equal(memory.unsent.list.length, 1);
  refuses = false;
  box.retry(tea, own);
  await settled();
  assert.deepEqual([tea.timeline.pending.length, tea.timeline.entries.length, memory.unsent.list.length], [0, 1, 0]);
});

test('after a lost connection it is sent again only if the history lacks it', async () => {
  const { box, tea, sent, session, hears } = outbox(() => Promise.reject(new Error('lost')));
  box.post(tea, 'arrived');
  box.post(tea, 'did not');
  box.lost();
  assert.deepEqual(tea.timeline.pending.map(({ state }) => state), ['unsure', 'unsure']);
  tea.timeline.merge([said(parse('@msgid=m1;+switchboard/id=id1 :ada!a@h PRIVMSG #tea :arrived'), 'ada')]);
  box.isOldConnectionAlive = true;
  box.settle(tea, true);
  assert.equal(sent.length, 2, 'the old connection may still bring it');
  box.isOldConnectionAlive = false;
  session.request = (command, params) => (sent.push([command, params.at(-1)]), new Promise(() => {}));
  box.settle(tea, true);
  assert.deepEqual(sent.slice(2), [['PRIVMSG', 'did not']]);
  hears('@msgid=m2;+switchboard/id=id2 :ada!a@h PRIVMSG #tea :did not');
  assert.equal(texts(tea.timeline), 'arrived did not');
  assert.equal(tea.timeline.pending.length, 0);
});

test('without a history to look into, a person decides', () => {
  const { box, tea } = outbox(() => new Promise(() => {}));
  box.post(tea, 'x');
  box.lost();
  box.settle(tea, false);
  assert.equal(tea.timeline.pending[0].state, 'failed');
});

test('what is not sent yet outlives the page', () => {
  const kept = new Map();
  const storage = () => ({ getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) });
  const { chat: made } = chat();
  const offline = new Outbox({ chat: made, session: () => null, memory: new Memory(storage, storage), emit: () => {}, makeId: () => 'id9' });
  offline.post(made.find('#tea'), 'later');
  const { chat: next } = chat();
  new Outbox({ chat: next, session: () => null, memory: new Memory(storage, storage), emit: () => {} }).restore();
  const [own] = next.find('#tea').timeline.pending;
  assert.deepEqual([own.text, own.state, own.id, own.mine], ['later', 'queued', 'id9', true]);
});

test('a browser that remembers nothing is no problem', () => {
  const memory = new Memory(() => {
    throw new Error('denied');
  }, () => undefined);
  memory.set('nick', 'ada');
  memory.keepUnsent([1]);
  assert.equal(memory.get('nick'), 'ada');
});

test('long lines are cut between characters', () => {
  const pieces = cut(`${'é'.repeat(300)}\n\nx`);
  assert.deepEqual(pieces.map(({ goesOn }) => goesOn), [false, true, false, false]);
  assert.equal(pieces.map(({ text }) => text).join(''), `${'é'.repeat(300)}x`);
  assert.ok(pieces.every(({ text }) => new TextEncoder().encode(text).length <= 380));
});

test('a silent link is asked, then slow, then dead', () => {
  let now = 0;
  const told = [];
  const timing = { quietMs: 100, slowMs: 20, deadMs: 50 };
  const live = new Liveness({ clock: { now: () => now }, timing, ping: () => told.push('ping'), dead: () => told.push('dead'), change: () => told.push(live?.isSlow ? 'slow' : 'fine') });
  const later = (ms) => {
    now += ms;
    live.tick();
  };
  later(90);
  later(20);
  later(30);
  live.heard();
  later(101);
  later(30);
  later(30);
  assert.deepEqual(told, ['ping', 'slow', 'fine', 'ping', 'slow', 'fine', 'dead']);
});

test('commands are done or explained, never said', async () => {
  const done = [];
  const client = { session: { isReady: true, request: async (...all) => (done.push(all.slice(0, 2)), []) }, chat: { find: () => null, me: {} }, join: async (name) => (done.push(name), { name }), close: (one) => done.push(one) };
  const conversation = { isRoom: true, name: '#tea' };
  assert.deepEqual(await run('/join tea', { client, conversation }), { show: { name: '#tea' } });
  await run('/KICK bob being  rude', { client, conversation });
  assert.deepEqual(done.at(-1), ['KICK', ['#tea', 'bob', 'being  rude']]);
  await assert.rejects(run('/frobnicate', { client, conversation }), /no command \/frobnicate/);
  await assert.rejects(run('/kick', { client, conversation }), /\/kick NAME why/);
  await assert.rejects(run('/topic x', { client, conversation: { isRoom: false } }), /in a room/);
  assert.deepEqual(['/x', '//x', '/usr/bin', '/', 'a /x', '/me waves'].map(isCommand), [true, false, false, true, false, true]);
  assert.equal(asMessage('//x'), '/x');
});

test('names are made to fit', () => {
  assert.equal(asNick(' Ada Lovelace '), 'Ada-Lovelace');
  assert.equal(asRoom('tea time'), '#tea-time');
  assert.deepEqual([another('ada'), another('ada-2'), another('x'.repeat(32))], ['ada-2', 'ada-3', `${'x'.repeat(30)}-2`]);
  for (let count = 0; count < 50; count += 1) assert.match(suggestion(), /^[a-z]+-[a-z]+$/);
});

test('the log groups, separates days and shows what is new', () => {
  const { tea, hears } = chat();
  const say = (nick, time, text) => hears(`@time=${time};msgid=${text} :${nick}!x@h PRIVMSG #tea :${text}`);
  say('bob', '2026-01-01T10:00:00.000Z', 'a');
  say('bob', '2026-01-01T10:01:00.000Z', 'b');
  say('eve', '2026-01-03T10:01:00.000Z', 'c');
  tea.shownMarker = Date.parse('2026-01-01T10:00:30.000Z');
  assert.deepEqual(items(tea).map(({ kind, isHead }) => kind + (isHead ? '!' : '')), ['start', 'day', 'message!', 'new', 'message!', 'day', 'message!']);
  tea.shownMarker = null;
  assert.deepEqual(items(tea).map(({ kind, isHead }) => kind + (isHead ? '!' : '')), ['start', 'day', 'message!', 'message', 'day', 'message!']);
});

// The line grammar, batches, sessions and logins, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batches, flat } from '../../../crates/chat/web/irc/batches.js';
import { escapeTag, format, parse, unescapeTag } from '../../../crates/chat/web/irc/line.js';
import { Link, wait } from '../../../crates/chat/web/irc/link.js';
import { chunks, choose, Scram } from '../../../crates/chat/web/irc/sasl.js';
import { Session } from '../../../crates/chat/web/irc/session.js';

test('lines are read', () => {
  const line = parse('@time=2026-01-01T00:00:00.000Z;+draft/reply=a\\sb\\:;flag :ada!a@h PRIVMSG #tea :hello  there :)');
  assert.equal(line.tags.get('time'), '2026-01-01T00:00:00.000Z');
  assert.equal(line.tags.get('+draft/reply'), 'a b;');
  assert.equal(line.tags.get('flag'), '');
  assert.deepEqual(line.source, { nick: 'ada', user: 'a', host: 'h' });
  assert.equal(line.command, 'PRIVMSG');
  assert.deepEqual(line.params, ['#tea', 'hello  there :)']);
  assert.deepEqual(parse('ping   x').params, ['x']);
  assert.deepEqual(parse(':s 001 me').source, { nick: 's', user: '', host: '' });
  assert.deepEqual(parse('A :').params, ['']);
});

test('what is no line is none', () => {
  for (const text of ['', ' ', '@', '@a', ':a', '@a :b', 'É', '12', '<script>', '\0', ':a b@c!d e']) assert.equal(parse(text), null, text);
});

test('any text is read without harm', () => {
  let seed = 7;
  const random = (max) => (seed = (seed * 48271) % 2147483647) % max;
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: random(40) }, () => String.fromCharCode('@: ;=\\!#\r\n\0ab1é\ud800'.charCodeAt(random(17)))).join('');
    const line = parse(text);
    assert.ok(line === null || (Array.isArray(line.params) && line.tags instanceof Map));
  }
});

test('tags survive the way there and back', () => {
  for (const value of ['', 'a b', ';=\\', '\r\n', 'é 👍', 'a\\']) assert.equal(unescapeTag(escapeTag(value)), value);
  assert.equal(unescapeTag('a\\bc\\'), 'abc');
  const line = format('TAGMSG', ['#tea'], { '+draft/react': '; \n', label: '1' });
  assert.equal(parse(line).tags.get('+draft/react'), '; \n');
});

test('no text becomes a command', () => {
  assert.equal(format('PRIVMSG', ['#a', 'x\r\nQUIT']), 'PRIVMSG #a xQUIT');
  assert.equal(format('PRIVMSG', ['#a b', ':x']), 'PRIVMSG #ab ::x');
  assert.equal(format('PRIVMSG', ['', '']), 'PRIVMSG * :');
  assert.equal(format('PRIVMSG', [':a', 'b c']), 'PRIVMSG a :b c');
  assert.deepEqual(parse(format('X', ['a', ' b'])).params, ['a', ' b']);
});

test('batches come whole', () => {
  const batches = new Batches();
  const take = (text) => batches.take(parse(text));
  assert.equal(take('@label=1 BATCH +l labeled-response'), null);
  assert.equal(take('@batch=l BATCH +h chathistory #tea'), null);
  assert.equal(take('@batch=h;msgid=m :a!a@h BATCH +m draft/multiline #tea'), null);
  for (const [tags, text] of [['', 'one'], ['', 'two'], [';draft/multiline-concat', '!']]) assert.equal(take(`@batch=m${tags} :a!a@h PRIVMSG #tea :${text}`), null);
  assert.equal(take('BATCH -m'), null);
  assert.equal(take('BATCH -h'), null);
  const [history, ...rest] = flat(take('BATCH -l'));
  assert.deepEqual([history.type, history.params, rest], ['chathistory', ['#tea'], []]);
  assert.deepEqual(history.content[0].params, ['#tea', 'one\ntwo!']);
  assert.equal(history.content[0].tags.get('msgid'), 'm');
  assert.equal(take('BATCH -never'), null);
  assert.equal(take('@batch=gone PING x').command, 'PING');
});

/** A session, what it has sent, and what it told. */
function session(fields = {}) {
  const [sent, told] = [[], []];
  const on = Object.fromEntries(['ready', 'message', 'nickRefused', 'ended', 'loginFailed'].map((name) => [name, (detail) => told.push([name, detail])]));
  const made = new Session({ send: (line) => sent.push(line), nick: 'ada', on, ...fields });
  made.start();
  const hears = (...lines) => {
    lines.forEach((line) => made.receive(line));
    return sent.splice(0);
  };
  return { session: made, hears, told };
}

test('a session comes in, with what the server can do', async () => {
  const { session: made, hears, told } = session();
  assert.deepEqual(hears(), ['CAP LS 302']);
  assert.deepEqual(hears(':s CAP * LS * :batch'), []);
  assert.deepEqual(hears(':s CAP * LS :labeled-response unknown draft/multiline=max-bytes=9'), ['CAP REQ :labeled-response batch draft/multiline']);
  assert.deepEqual(hears(':s CAP * ACK :labeled-response batch draft/multiline'), ['NICK ada', 'USER web 0 * ada', 'CAP END']);
  assert.equal(made.caps.get('draft/multiline'), 'max-bytes=9');
  hears(':s 433 * ada :taken');
  assert.equal(told.at(-1)[0], 'nickRefused');
  hears(':s 001 ada :hi', ':s 005 ada NETWORK=Tea\\x20House :are', ':s 422 ada :none');
  assert.equal(made.isReady && made.isupport.get('NETWORK'), 'Tea House');
  assert.equal(told.filter(([name]) => name === 'ready').length, 1);
  assert.deepEqual(hears('PING :a b'), ['PONG :a b']);
  const answer = made.request('WHO', ['#tea'], { quiet: true });
  assert.deepEqual(hears(), ['@label=1 WHO #tea']);
  const before = told.length;
  hears('@label=1 BATCH +l labeled-response', '@batch=l :s 354 ada x', '@batch=l :s 315 ada x', 'BATCH -l');
  assert.deepEqual((await answer).map(({ command }) => command), ['354', '315']);
  assert.equal(told.length, before);
  const lost = made.request('PRIVMSG', ['#tea', 'x']);
  made.lost();
  await assert.rejects(lost, /lost/);
});

test('SCRAM-SHA-256 is that of RFC 7677', async () => {
  const scram = new Scram('user', 'pencil', 'rOprNGfwEbeRWgbNEkqO');
  assert.equal(scram.first(), 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  const first = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
  const proof = 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
  assert.equal(await scram.final(first), proof);
  assert.ok(scram.isServer('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='));
  assert.ok(!scram.isServer('v=AAAA'));
  await assert.rejects(new Scram('u', 'p', 'n').final('r=other,s=QQ==,i=1'), /somebody else/);
  await assert.rejects(new Scram('u', 'p', 'n').final('r=nx,s=QQ==,i=999999999'), /absurd/);
});

test('a password goes in the best way that there is', () => {
  assert.equal(choose('SCRAM-SHA-256,PLAIN', true), 'SCRAM-SHA-256');
  assert.equal(choose('SCRAM-SHA-256,PLAIN', false), 'PLAIN');
  assert.equal(choose('SCRAM-SHA-256', false), null);
  assert.deepEqual(chunks('x'.repeat(300)), [btoa('x'.repeat(300)), '+']);
  assert.equal(chunks('x'.repeat(301)).length, 2);
});

test('a lost link is opened again, later each time', async () => {
  assert.deepEqual([0, 1, 9].map((tries) => wait(tries, 0.5)), [500, 1000, 30_000]);
  const sockets = [];
  const told = [];
  class Fake {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }
    send(text) {
      told.push(`sent ${text}`);
    }
    close() {}
  }
  const on = { up: () => told.push('up'), down: () => told.push('down'), line: (text) => told.push(text) };
  const link = new Link({ url: 'ws://x/ws', on, WebSocket: Fake, random: () => 0.5 });
  link.start();
  assert.deepEqual(sockets[0].protocols, ['text.ircv3.net']);
  sockets[0].onopen();
  link.send('a');
  sockets[0].onclose();
  sockets[0].onmessage({ data: 'late' });
  assert.deepEqual(told, ['up', 'sent a', 'down']);
  assert.equal(link.state, 'waiting');
  link.retry();
  assert.equal(sockets.length, 2);
  link.stop();
  assert.equal(link.state, 'off');
});

// Texts of people who mean no good, and of people who write other scripts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { links } from '../../../crates/chat/web/text/links.js';
import { mentions, pieces } from '../../../crates/chat/web/text/pieces.js';
import { oneLine, visible } from '../../../crates/chat/web/text/visible.js';

const hrefs = (text) => links(text).filter(({ kind }) => kind === 'link').map(({ href }) => href);

test('addresses are found, without the sentence around them', () => {
  for (const [text, found] of [
    ['see https://a.example.', 'https://a.example/'],
    ['(https://a.example/x_(y))', 'https://a.example/x_(y)'],
    ['https://a.example/?q=1&b=2!', 'https://a.example/?q=1&b=2'],
    ['"https://a.example/x"', 'https://a.example/x'],
    ['HTTP://A.EXAMPLE/B', 'http://a.example/B'],
  ]) assert.deepEqual(hrefs(text), [found], text);
  assert.deepEqual(hrefs('https://a.example, http://b.example'), ['https://a.example/', 'http://b.example/']);
  assert.equal(links('x https://a.example y').map(({ text }) => text).join(''), 'x https://a.example y');
});

test('nothing but http and https can be opened', () => {
  for (const text of [
    'javascript:alert(1)', 'JavaScript:alert(1)', 'data:text/html,<script>1</script>', 'file:///etc/passwd', 'vbscript:x', 'filesystem:x',
    'ftp://a.example', 'ws://a.example', 'mailto:a@b.example', 'about:blank', 'intent://x', 'xhttps://a.example', 'https:/a', 'https://', 'http://:80',
    'https://user@evil.example/', 'https://bank.example:pw@evil.example/', 'https:\\\\evil.example',
  ]) assert.deepEqual(hrefs(text), [], text);
});

test('an address shows the host that is opened', () => {
  const [link] = links('https://аpple.example/x');
  assert.equal(link.text, 'https://xn--pple-43d.example/x');
  assert.equal(links('https://a.example/caf%C3%A9%20x')[0].text, 'https://a.example/café%20x');
  assert.deepEqual(hrefs('https://a.example/\u202egpj.exe'), ['https://a.example/']);
  assert.deepEqual(hrefs('https://a.exam\u200bple/'), ['https://a.exam/']);
});

test('markup is text', () => {
  const text = '<img src=x onerror=alert(1)><script>alert(1)</script>&lt;';
  assert.deepEqual(pieces(text, 'ada'), [{ kind: 'text', text }]);
});

test('what turns the direction is named', () => {
  assert.deepEqual(visible('a\u202etxt.exe'), [{ kind: 'text', text: 'a' }, { kind: 'control', text: 'RLO' }, { kind: 'text', text: 'txt.exe' }]);
  assert.equal(oneLine('\u2066a\u2069\u202c'), '[LRI]a[PDI][PDF]');
  assert.equal(oneLine('שלום \u200fעולם'), 'שלום \u200fעולם');
});

test('what is invisible or piled up is clamped', () => {
  assert.equal(oneLine('a\u200b\u200b\u2060\ufeff\u00adb'), 'ab');
  assert.equal(oneLine('\u200d'.repeat(1000)), '\u200d');
  assert.equal(oneLine(`z${'\u0301'.repeat(5000)}`), `z${'\u0301'.repeat(4)}`);
  assert.equal([...oneLine(`🏴${'\u{e0067}'.repeat(500)}`)].length, 8);
  assert.equal(oneLine('👩‍👩‍👧 ❤️'), '👩‍👩‍👧 ❤️');
  assert.ok(visible('x'.repeat(100_000))[0].text.length <= 20_001);
  assert.equal(oneLine('\ud800x'), '\ufffdx');
});

test('terminal escapes and formatting are pictures or nothing', () => {
  assert.equal(oneLine('\x1b[31mred\x07\x9b'), '␛[31mred␇\ufffd');
  assert.equal(oneLine('\x02bold\x0f \x0304,12red\x03 \x1dit\x1d'), 'bold red it');
  assert.deepEqual(visible('a\nb\tc'), [{ kind: 'text', text: 'a\nb\tc' }]);
});

test('who is called hears it', () => {
  assert.ok(mentions('hi Ada!', 'ada') && mentions('@ada: x', 'ada') && mentions('ada', 'ada'));
  assert.ok(!mentions('adamant', 'ada') && !mentions('canada', 'ada') && !mentions('x', ''));
  // All that a nick may hold besides letters.
  for (const nick of ['calm-otter', '[a]{b}', 'a|b^c', 'a\\`_']) assert.ok(mentions(`hi ${nick}!`, nick) && !mentions('hi', nick), nick);
  assert.ok(mentions('hey a.b*', 'a.b*') && !mentions('hey axb', 'a.b'));
  const kinds = pieces('ada: `#no` #tea https://a.example/#frag ```js\nx\n```', 'ada').map(({ kind, text }) => `${kind} ${text}`.trim());
  assert.deepEqual(kinds, ['mention ada', 'text :', 'code #no', 'text', 'room #tea', 'text', 'link https://a.example/#frag', 'text', 'block x']);
});

test('long hostile texts take no time', () => {
  const start = performance.now();
  for (const text of ['https://'.repeat(2500), '('.repeat(20_000), `https://a.example/${'('.repeat(9000)}`, '`'.repeat(20_000), '#'.repeat(20_000), '\u0301'.repeat(20_000), 'a '.repeat(10_000), 'ﷺ'.repeat(20_000), `https://a.example/${'.'.repeat(19_000)}`]) pieces(text, 'ada');
  assert.ok(performance.now() - start < 2000);
});

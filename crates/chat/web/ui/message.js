// Rows of the log: one message, with all that belongs to it, a day, an event, the beginning.
// It must never put a text into the document but as text, nor a link that `text/links.js` has not made.

import { hue, isSame } from '../model/names.js';
import { pieces } from '../text/pieces.js';
import { oneLine, visible } from '../text/visible.js';
import { $, h, icon } from './dom.js';

/** Longer texts are folded. */
const LINES_MAX = 24;
const CHARS_MAX = 2400;

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = new Intl.DateTimeFormat([], { day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'medium' });

export const timeText = (time) => clock.format(time);

export function dayText(time, now = Date.now()) {
  const at = (ms) => new Date(ms).setHours(0, 0, 0, 0);
  const days = Math.round((at(now) - at(time)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 180 && days > 0 ? day.format(time) : dayOfYear.format(time);
}

/** A text of somebody's, isolated from what is around it whatever directions are in it. */
export function bdi(text, attributes = {}) {
  return h('bdi', attributes, visible(text).map((piece) => (piece.kind === 'control' ? control(piece.text) : piece.text)));
}

const control = (name) =>
  h('span', { class: 'control', title: 'An invisible character that changes the direction of text stood here' }, name);

export function avatar(nick) {
  const letter = [...nick.replace(/[^\p{L}\p{N}]/gu, '')][0] ?? '?';
  const element = h('span', { class: 'avatar', 'aria-hidden': 'true' }, letter.toUpperCase());
  element.style.setProperty('--hue', hue(nick));
  return element;
}

function nickButton(nick, actions) {
  const button = h('button', { type: 'button', class: 'nick', onclick: (event) => actions.person(nick, event.currentTarget) }, bdi(nick));
  button.style.setProperty('--hue', hue(nick));
  return button;
}

function piece({ kind, text, href }, actions) {
  if (kind === 'link') return h('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, bdi(text));
  if (kind === 'mention') return h('mark', { class: 'mention' }, text);
  if (kind === 'code') return h('code', {}, text);
  if (kind === 'block') return h('pre', {}, h('code', {}, text));
  if (kind === 'control') return control(text);
  if (kind === 'room') return h('button', { type: 'button', class: 'room-link', onclick: () => actions.room(text) }, bdi(text));
  return text;
}

/** The text of a message. A very long one is folded, with a button. */
function body(entry, { me, actions }) {
  if (entry.redacted) {
    const by = entry.redacted.by && entry.redacted.by !== entry.nick ? ` by ${oneLine(entry.redacted.by)}` : '';
    const why = entry.redacted.reason ? `: ${oneLine(entry.redacted.reason)}` : '';
    return h('div', { class: 'text gone' }, icon('trash'), `Taken back${by}${why}`);
  }
  const lines = entry.text.split('\n');
  const isLong = lines.length > LINES_MAX || entry.text.length > CHARS_MAX;
  const short = isLong ? lines.slice(0, LINES_MAX).join('\n').slice(0, CHARS_MAX) : entry.text;
  const show = (text) => pieces(text, entry.mine ? '' : me).map((one) => piece(one, actions));
  const onlyEmoji = /^(\p{Extended_Pictographic}[\ufe0f\u200d\u{1f3fb}-\u{1f3ff}]*\s?){1,3}$/u.test(entry.text.trim());
  const element = h('div', { class: onlyEmoji ? 'text big' : 'text', dir: 'auto' }, show(short));
  if (!isLong) return element;
  const more = h('button', {
    type: 'button', class: 'text-button', onclick: () => {
      element.replaceChildren(...show(entry.text));
      more.remove();
    },
  }, 'Show all of it');
  return h('div', {}, element, more);
}

function quote({ quoted, entry }, actions) {
  const jump = () => actions.jump(entry.replyTo);
  const said = !quoted ? ['an older message'] : quoted.redacted ? [bdi(quoted.nick), ' ', 'taken back'] : [bdi(quoted.nick, { class: 'quoted-nick' }), ' ', bdi(oneLine(quoted.text, 140))];
  return h('button', { type: 'button', class: 'quote', onclick: jump }, icon('reply'), h('span', { class: 'sr-only' }, 'In reply to '), h('span', {}, said));
}

function reactions(entry, { me, actions }) {
  const buttons = [...entry.reactions].map(([emoji, who]) => {
    const isOn = [...who].some((nick) => isSame(nick, me));
    const names = [...who].map((nick) => oneLine(nick)).join(', ');
    return h('button', {
      type: 'button', class: 'reaction', 'aria-pressed': String(isOn), title: names,
      onclick: () => actions.react(entry, emoji),
    }, bdi(oneLine(emoji, 20)), ' ', String(who.size), h('span', { class: 'sr-only' }, ` by ${names}`));
  });
  return buttons.length > 0 ? h('div', { class: 'reactions' }, buttons) : null;
}

const STATES = { queued: 'Waiting to be sent', sending: 'Sending…', unsure: 'Connection lost: looking whether it arrived…' };

function state(entry, actions) {
  if (entry.state === 'stored') return null;
  if (entry.state !== 'failed') {
    const again = entry.state === 'unsure' ? h('button', { type: 'button', class: 'text-button', onclick: () => actions.retry(entry) }, 'Send again') : null;
    return h('div', { class: `state ${entry.state}` }, STATES[entry.state], again);
  }
  return h('div', { class: 'state failed', role: 'alert' }, h('span', {}, `Not sent: ${oneLine(entry.problem)}`),
    h('button', { type: 'button', class: 'text-button', onclick: () => actions.retry(entry) }, 'Try again'),
    h('button', { type: 'button', class: 'text-button', onclick: () => actions.discard(entry) }, 'Discard'));
}

function message(item, context) {
  const { entry, isHead } = item;
  const time = h('time', { datetime: new Date(entry.time).toISOString(), title: full.format(entry.time) }, clock.format(entry.time));
  const classes = ['row', 'message', isHead && 'head', entry.mine && 'mine', entry.mentionsMe && 'for-me', entry.kind, entry.state !== 'stored' && 'pending'];
  const byline = isHead && entry.kind !== 'action'
    ? h('div', { class: 'byline' }, nickButton(entry.nick, context.actions), entry.bot && h('span', { class: 'badge' }, 'bot'), entry.kind === 'notice' && h('span', { class: 'badge' }, 'notice'), time)
    : null;
  const text = body(entry, context);
  if (entry.kind === 'action' && !entry.redacted) text.prepend(nickButton(entry.nick, context.actions), ' ');
  const label = byline ? null : h('span', { class: 'sr-only' }, `${oneLine(entry.nick)}: `);
  return h('li', { class: classes.filter(Boolean).join(' '), tabindex: '-1', 'data-key': item.key, 'data-msgid': entry.msgid },
    h('div', { class: 'gutter' }, isHead && entry.kind !== 'action' ? avatar(entry.nick) : time.cloneNode(true)),
    h('div', { class: 'body' }, byline, entry.replyTo && quote(item, context.actions), label, text, reactions(entry, context), state(entry, context.actions)));
}

function start({ conversation, actions }) {
  const { isLoading, isAtStart, historyProblem, timeline, isRoom, name } = conversation;
  if (historyProblem) {
    return h('li', { class: 'row start' }, h('p', { class: 'problem' }, `Older messages could not be loaded: ${oneLine(historyProblem)}`),
      h('button', { type: 'button', class: 'button', onclick: () => actions.older() }, 'Try again'));
  }
  if (isLoading) return h('li', { class: 'row start' }, h('p', { class: 'loading' }, 'Loading…'));
  if (!isAtStart && timeline.entries.length > 0) return h('li', { class: 'row start' }, h('button', { type: 'button', class: 'text-button', onclick: () => actions.older() }, 'Load older messages'));
  const title = isRoom ? ['Welcome to ', bdi(name)] : ['You and ', bdi(name)];
  const text = isRoom ? 'This is the beginning of the room. Say hello; everybody who comes later can read it.' : 'What you write here is for the two of you.';
  return h('li', { class: 'row start beginning' }, avatar(name), h('h2', {}, title), h('p', {}, text));
}

/** The element of a row; `context`: `{ conversation, me, actions }`. */
export function row(item, context) {
  if (item.kind === 'start') return start(context);
  if (item.kind === 'day') return h('li', { class: 'row day' }, h('span', {}, dayText(item.time)));
  if (item.kind === 'new') return h('li', { class: 'row new' }, h('span', {}, 'New'));
  if (item.kind === 'event') return h('li', { class: 'row event', 'data-key': item.key }, h('time', { datetime: new Date(item.entry.time).toISOString() }, clock.format(item.entry.time)), bdi(oneLine(item.entry.text, 500)));
  return message(item, context);
}

/** Says a message to who cannot see it, once. */
export function announce(text) {
  const log = $('announcer');
  log.append(h('p', {}, text));
  while (log.children.length > 20) log.firstChild.remove();
}

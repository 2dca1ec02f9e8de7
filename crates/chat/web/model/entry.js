// One entry of a conversation, made from a line of IRC: a message, or something that happened.
// It must never look at other entries.

import { mentions } from '../text/pieces.js';
import { isSame } from './names.js';

/** The tag by which an own message is known again, whichever connection brought it to the server. */
export const ID_TAG = '+switchboard/id';

let made = 0;

export function entry(fields) {
  made += 1;
  return {
    key: made, msgid: null, id: null, time: Date.now(), kind: 'message', nick: '', account: null, bot: false,
    text: '', replyTo: null, mine: false, mentionsMe: false, state: 'stored', problem: '',
    reactions: new Map(), redacted: null, version: 0, ...fields,
  };
}

export function timeOf(message, now = Date.now()) {
  const time = Date.parse(message.tags.get('time') ?? '');
  return Number.isNaN(time) ? now : time;
}

/** The entry of a `PRIVMSG` or `NOTICE`; null: it is nothing to show. */
export function said(message, me) {
  const { tags, source, command, params } = message;
  let text = params[1] ?? '';
  let kind = command === 'NOTICE' ? 'notice' : 'message';
  const ctcp = /^\x01([A-Z]+) ?([\s\S]*?)\x01?$/.exec(text);
  if (ctcp && ctcp[1] !== 'ACTION') return null;
  if (ctcp) [kind, text] = ['action', ctcp[2]];
  const mine = isSame(source.nick, me);
  return entry({
    msgid: tags.get('msgid') ?? null,
    id: tags.get(ID_TAG) ?? null,
    time: timeOf(message),
    kind,
    nick: source.nick,
    account: tags.get('account') ?? null,
    bot: tags.has('bot'),
    text,
    replyTo: tags.get('+draft/reply') ?? tags.get('+reply') ?? null,
    mine,
    mentionsMe: !mine && mentions(text, me),
  });
}

/** The reaction that a `TAGMSG` is, or null. */
export function reaction(message) {
  const { tags, source } = message;
  const target = tags.get('+draft/reply') ?? tags.get('+reply');
  const on = tags.get('+draft/react') ?? tags.get('+react');
  const off = tags.get('+draft/unreact') ?? tags.get('+unreact');
  if (!target || !(on ?? off)) return null;
  return { msgid: tags.get('msgid') ?? null, target, nick: source.nick, emoji: on ?? off, isOn: on !== undefined };
}

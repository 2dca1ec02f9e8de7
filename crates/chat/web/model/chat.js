// All that the page knows of the chat, and how each line of IRC changes it.
// It must never touch the document or the network: it is told lines, and says what has changed.

import { Conversation } from './conversation.js';
import { reaction, said, timeOf, entry } from './entry.js';
import { describeModes, modeChanges } from './modes.js';
import { fold, isRoom, isSame } from './names.js';

const TOPIC = '332';
const NO_TOPIC = '331';
/** Numerics that only repeat what the page shows anyway. */
const SILENT = new Set(
  '001 002 003 004 005 250 251 252 253 254 255 265 266 315 318 324 329 333 366 372 375 376 422 396 900 903 305 306 301 341 732 733'.split(' '),
);

/**
 * `emit(what, detail)`: `rooms`, `me`, `entries` (conversation), `members` (conversation), `typing`
 * (conversation), `incoming` ({ conversation, entry }), `joined` (conversation), `left` ({ name, text }),
 * `presence` ({ nick, isOnline }), `notice` ({ text, isProblem }), `marked` (conversation).
 */
export class Chat {
  constructor(emit) {
    this.emit = emit;
    this.me = { nick: '', account: null, away: false };
    /** By folded names, in the order in which they came. */
    this.conversations = new Map();
    /** By folded nicks: `{ nick, account, away, awayText, realname, isBot, isOnline }`. */
    this.users = new Map();
    this.isupport = new Map();
    /** Whether somebody is looking at the end of this conversation. */
    this.isBeingRead = () => false;
  }

  find(name) {
    return this.conversations.get(fold(name)) ?? null;
  }

  open(name) {
    let found = this.find(name);
    if (!found) {
      found = new Conversation(name);
      this.conversations.set(found.folded, found);
      this.emit('rooms');
    }
    return found;
  }

  close(conversation) {
    this.conversations.delete(conversation.folded);
    this.emit('rooms');
  }

  user(nick) {
    let user = this.users.get(fold(nick));
    if (!user) {
      user = { nick, account: null, away: false, awayText: '', realname: '', isBot: false, isOnline: true };
      this.users.set(fold(nick), user);
    }
    return user;
  }

  isMe(nick) {
    return isSame(nick, this.me.nick);
  }

  /** The connection is gone. Who was there stays on the screen until the next one says who is. */
  disconnected() {
    for (const conversation of this.conversations.values()) {
      conversation.isJoined = false;
      conversation.hasAllMembers = false;
      conversation.typing.clear();
      this.emit('typing', conversation);
    }
    this.emit('rooms');
  }

  apply(message) {
    const handler = this[`on${message.command}`];
    if (!handler) {
      this.#other(message);
      return;
    }
    try {
      handler.call(this, message);
    } catch (error) {
      // Some server leaves out what belongs into this line; the next one is not its fault.
      console.error(`not understood: ${message.command} ${message.params.length}`, error);
    }
  }

  #other({ command, params, source }) {
    if (SILENT.has(command)) {
      // Shown where it belongs, or nothing that anybody asked for.
    } else if (/^[45]\d\d$/.test(command)) {
      this.emit('notice', { text: params.at(-1), isProblem: true });
    } else if (/^[0-9]{3}$/.test(command)) {
      this.emit('notice', { text: params.slice(1).join(' '), isProblem: false });
    } else if (['FAIL', 'WARN', 'NOTE'].includes(command)) {
      this.emit('notice', { text: params.at(-1), isProblem: command === 'FAIL' });
    } else if (command === 'INVITE' && this.isMe(params[0])) {
      this.emit('invited', { by: source.nick, room: params[1] });
    }
  }

  /** An entry of which the conversation is known, live. */
  #add(conversation, made) {
    if (!conversation.timeline.add(made)) return;
    const isNews = made.kind !== 'event' && !made.mine;
    if (isNews) {
      conversation.typing.delete(made.nick);
      if (!this.isBeingRead(conversation)) {
        conversation.unread += 1;
        if (made.mentionsMe || !conversation.isRoom) conversation.mentions += 1;
      }
      this.emit('incoming', { conversation, entry: made });
      this.emit('typing', conversation);
    } else if (made.mine) {
      this.emit('own', { conversation, entry: made });
    }
    this.emit('entries', conversation);
  }

  #event(conversation, message, text, what) {
    this.#add(conversation, entry({ kind: 'event', what, time: timeOf(message), nick: message.source.nick, text }));
  }

  /** Where a message belongs: to the room, or to the other one of two. */
  #place({ source, params }) {
    const target = (params[0] ?? '').replace(/^[~&@%+]+(?=#)/, '');
    if (isRoom(target)) return this.find(target);
    return this.open(this.isMe(source.nick) ? target : source.nick);
  }

  on001({ params }) {
    this.me.nick = params[0];
    this.users.clear();
    this.emit('me');
  }

  on005({ params }) {
    for (const token of params.slice(1, -1)) {
      const [key, ...value] = token.split('=');
      this.isupport.set(key, value.join('='));
    }
  }

  onPRIVMSG(message) {
    if (message.source.user === '' && message.source.host === '' && !isRoom(message.params[0] ?? '')) {
      this.emit('notice', { text: message.params.at(-1) ?? '', isProblem: false });
      return;
    }
    const made = said(message, this.me.nick);
    const conversation = made && this.#place(message);
    if (conversation) this.#add(conversation, made);
  }

  onNOTICE(message) {
    this.onPRIVMSG(message);
  }

  onTAGMSG(message) {
    const target = message.params[0] ?? '';
    const typing = message.tags.get('+typing');
    const isKnown = isRoom(target) || this.find(this.isMe(message.source.nick) ? target : message.source.nick);
    const conversation = isKnown ? this.#place(message) : null;
    if (!conversation) return;
    const made = reaction(message);
    if (made && conversation.timeline.react(made)) this.emit('entries', conversation);
    if (typing && !this.isMe(message.source.nick)) {
      conversation.typed(message.source.nick, typing, Date.now());
      this.emit('typing', conversation);
    }
  }

  onREDACT(message) {
    const [, msgid, reason = ''] = message.params;
    const conversation = this.#place(message);
    conversation?.timeline.redact(msgid, { by: message.source.nick, reason });
    if (conversation) this.emit('entries', conversation);
  }

  onJOIN(message) {
    const { source, params } = message;
    const user = this.user(source.nick);
    user.account = params[1] && params[1] !== '*' ? params[1] : null;
    user.realname = params[2] ?? '';
    user.isOnline = true;
    if (this.isMe(source.nick)) {
      const conversation = this.open(params[0]);
      conversation.isJoined = true;
      conversation.problem = '';
      conversation.name = params[0];
      conversation.members.clear();
      conversation.setMember(source.nick, '');
      this.emit('joined', conversation);
      this.emit('rooms');
      return;
    }
    const conversation = this.find(params[0]);
    if (!conversation) return;
    conversation.setMember(source.nick, '');
    this.#event(conversation, message, `${source.nick} came in`, 'join');
    this.emit('members', conversation);
  }

  #gone(conversation, message, nick, text, what) {
    conversation.members.delete(fold(nick));
    conversation.typing.delete(nick);
    this.#event(conversation, message, text, what);
    this.emit('members', conversation);
  }

  onPART(message) {
    const { source, params } = message;
    const conversation = this.find(params[0]);
    if (!conversation) return;
    if (this.isMe(source.nick)) {
      this.close(conversation);
      this.emit('left', { name: conversation.name, text: '' });
      return;
    }
    const reason = params[1] ? ` (${params[1]})` : '';
    this.#gone(conversation, message, source.nick, `${source.nick} left${reason}`, 'part');
  }

  onQUIT(message) {
    const nick = message.source.nick;
    this.users.delete(fold(nick));
    for (const conversation of this.conversations.values()) {
      if (conversation.members.has(fold(nick))) this.#gone(conversation, message, nick, `${nick} went offline`, 'quit');
    }
  }

  onKICK(message) {
    const [room, nick, reason] = message.params;
    const conversation = this.find(room);
    if (!conversation) return;
    const why = reason && reason !== nick ? `: ${reason}` : '';
    if (this.isMe(nick)) {
      conversation.isJoined = false;
      conversation.members.clear();
      conversation.problem = `${message.source.nick} has put you out of this room${why}`;
      this.emit('left', { name: room, text: conversation.problem, isKick: true });
      this.emit('members', conversation);
      this.emit('rooms');
      return;
    }
    this.#gone(conversation, message, nick, `${message.source.nick} put ${nick} out${why}`, 'kick');
  }

  onNICK(message) {
    const [from, to] = [message.source.nick, message.params[0]];
    const user = this.users.get(fold(from));
    this.users.delete(fold(from));
    if (user) this.users.set(fold(to), { ...user, nick: to });
    if (this.isMe(from)) {
      this.me.nick = to;
      this.emit('me');
    }
    for (const conversation of this.conversations.values()) {
      const member = conversation.members.get(fold(from));
      if (!member) continue;
      conversation.members.delete(fold(from));
      conversation.setMember(to, member.role);
      this.#event(conversation, message, `${from} is now called ${to}`, 'nick');
      this.emit('members', conversation);
    }
    this.#renameTalk(from, to);
  }

  #renameTalk(from, to) {
    const talk = this.find(from);
    if (!talk || this.find(to) || this.isMe(to)) return;
    this.conversations.delete(talk.folded);
    [talk.name, talk.folded] = [to, fold(to)];
    this.conversations.set(talk.folded, talk);
    this.emit('rooms');
  }

  #everywhere(nick) {
    for (const conversation of this.conversations.values()) {
      if (conversation.members.has(fold(nick)) || isSame(conversation.name, nick)) this.emit('members', conversation);
    }
  }

  onAWAY({ source, params }) {
    const user = this.user(source.nick);
    [user.away, user.awayText] = [params.length > 0, params[0] ?? ''];
    this.#everywhere(source.nick);
  }

  onACCOUNT({ source, params }) {
    const account = params[0] === '*' ? null : params[0];
    this.user(source.nick).account = account;
    if (this.isMe(source.nick)) this.me.account = account;
    this.emit('me');
  }

  onSETNAME({ source, params }) {
    this.user(source.nick).realname = params[0];
    this.#everywhere(source.nick);
  }

  on900({ params }) {
    this.me.account = params[2] ?? null;
    this.emit('me');
  }

  onREGISTER({ params }) {
    if (params[0] !== 'SUCCESS') return;
    this.me.account = params[1];
    this.emit('me');
  }

  on305() {
    this.me.away = false;
    this.emit('me');
  }

  on306() {
    this.me.away = true;
    this.emit('me');
  }

  #topic(room, text) {
    const conversation = this.find(room);
    if (!conversation) return null;
    conversation.topic = text;
    this.emit('members', conversation);
    return conversation;
  }

  [`on${TOPIC}`]({ params }) {
    this.#topic(params[1], params[2] ?? '');
  }

  [`on${NO_TOPIC}`]({ params }) {
    this.#topic(params[1], '');
  }

  onTOPIC(message) {
    const [room, text = ''] = message.params;
    const conversation = this.#topic(room, text);
    const says = text === '' ? 'took the topic away' : `set the topic: ${text}`;
    if (conversation) this.#event(conversation, message, `${message.source.nick} ${says}`, 'topic');
  }

  onMODE(message) {
    const conversation = this.find(message.params[0] ?? '');
    if (!conversation) return;
    const changes = modeChanges(message.params.slice(1), this.isupport);
    for (const { role, isOn, argument } of changes) {
      const member = role && conversation.members.get(fold(argument));
      if (!member) continue;
      const others = [...member.role].filter((sign) => sign !== role).join('');
      member.role = isOn ? role + others : others;
    }
    for (const text of describeModes(changes, message.source.nick)) this.#event(conversation, message, text, 'mode');
    this.emit('members', conversation);
  }

  on353({ params }) {
    const conversation = this.find(params[2]);
    if (!conversation) return;
    for (const name of params[3].split(' ').filter(Boolean)) {
      const role = /^[~&@%+]*/.exec(name)[0];
      const nick = name.slice(role.length).split('!')[0];
      this.user(nick);
      conversation.setMember(nick, role);
    }
    this.emit('members', conversation);
  }

  /** `WHO room %tcnfar,7`: token, room, nick, flags, account, realname. */
  on354({ params }) {
    const [, , room, nick, flags, account, realname] = params;
    const user = this.user(nick);
    user.away = flags.startsWith('G');
    user.account = account === '0' ? null : account;
    user.realname = realname ?? '';
    user.isBot = flags.includes('B');
    const conversation = this.find(room);
    conversation?.setMember(nick, flags.replace(/[^~&@%+]/g, ''));
    if (conversation) this.emit('members', conversation);
  }

  onMARKREAD({ params }) {
    const time = Date.parse((params[1] ?? '').replace('timestamp=', ''));
    const conversation = this.find(params[0]);
    if (!conversation || Number.isNaN(time)) return;
    if (conversation.marker !== null && conversation.marker >= time) return;
    conversation.marker = time;
    conversation.recount();
    this.emit('marked', conversation);
    this.emit('rooms');
  }

  #seen(params, isOnline) {
    for (const name of params.at(-1).split(',')) {
      const nick = name.split('!')[0];
      if (isOnline) this.user(nick).isOnline = true;
      else this.users.delete(fold(nick));
      this.emit('presence', { nick, isOnline });
      this.#everywhere(nick);
    }
  }

  on730({ params }) {
    this.#seen(params, true);
  }

  on731({ params }) {
    this.#seen(params, false);
  }
}

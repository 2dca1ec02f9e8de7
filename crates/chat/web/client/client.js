// The chat as one thing to use: connects, comes in, joins, catches up, sends, and does so again.
// It must never touch the document; what people see is told by events.

import { Link } from '../irc/link.js';
import { Session } from '../irc/session.js';
import { Chat } from '../model/chat.js';
import { another, fold, isSame } from '../model/names.js';
import { History } from './history.js';
import { Liveness } from './liveness.js';
import { Outbox } from './outbox.js';

const TYPING_EVERY_MS = 3000;
const MARK_AFTER_MS = 800;
const ALTERNATIVES_MAX = 20;
const TICK_MS = 1000;
/** A server stores a batch in much less, unless its disk is in trouble. */
const SETTLE_MS = 1000;

/**
 * `emit(what, detail)`: all of the model's, and `status`, `welcome` ({ problem, nick, isReserved }),
 * `entered`.
 */
export class Client {
  #listeners = [];
  #marks = new Map();
  #typed = new Map();

  constructor({ url, memory, timing, WebSocket }) {
    this.memory = memory;
    this.chat = new Chat((what, detail) => this.emit(what, detail));
    const session = () => this.session;
    const parts = { chat: this.chat, session, memory, emit: (...all) => this.emit(...all) };
    this.history = new History(parts);
    this.outbox = new Outbox(parts);
    this.session = null;
    /** Kept while the page is open, to log in again after a lost connection; never stored. */
    this.login = null;
    this.wanted = '';
    this.hasEntered = false;
    this.link = new Link({
      url,
      WebSocket,
      on: {
        up: () => this.#begin(),
        line: (text) => this.#line(text),
        down: () => this.#down(),
        change: () => this.emit('status'),
      },
    });
    this.liveness = new Liveness({
      timing,
      ping: () => this.session?.say('PING', ['there?']),
      dead: () => this.link.abandon(),
      change: () => this.emit('status'),
    });
    setInterval(() => this.#tick(), TICK_MS);
    this.on((what, detail) => this.#react(what, detail));
  }

  on(listener) {
    this.#listeners.push(listener);
  }

  emit(what, detail) {
    this.#listeners.forEach((listener) => listener(what, detail));
  }

  /** `off`, `connecting`, `up` (not in yet), `in`, `slow`, `waiting`. */
  get status() {
    if (this.link.state !== 'up') return this.link.state;
    if (!this.session?.isReady) return 'up';
    return this.liveness.isSlow ? 'slow' : 'in';
  }

  get lobby() {
    return this.chat.isupport.get('LOBBY') ?? '#lobby';
  }

  /** Comes in under this name; `rooms` besides those of the last visit. */
  enter({ nick, login = null, rooms = [] }) {
    this.wanted = nick;
    this.login = login;
    this.alternatives = 0;
    this.rooms = rooms;
    this.link.stop();
    this.link.start();
  }

  /** Leaves for good, and forgets who one was. */
  leave() {
    this.session?.say('QUIT', ['']);
    this.link.stop();
    this.session = null;
    this.login = null;
    this.memory.forget();
  }

  async logIn(account, password) {
    await this.session.logIn(account, password);
    this.login = { account, password };
    this.memory.set('account', account);
  }

  async register(account, password) {
    const answer = await this.session.request('REGISTER', [account, '*', password], { quiet: false });
    const problem = answer.find(({ command }) => command === 'FAIL' || /^[45]\d\d$/.test(command));
    if (problem) throw new Error(problem.params.at(-1));
    this.login = { account, password };
    this.memory.set('account', account);
  }

  #begin() {
    this.liveness.heard();
    this.liveness.asked();
    this.session = new Session({
      send: (line) => this.link.send(line),
      nick: this.wanted,
      realname: this.wanted,
      login: this.login && { ...this.login },
      on: {
        ready: () => this.#ready(),
        message: (message) => this.chat.apply(message),
        nickRefused: (refusal) => this.#nickRefused(refusal),
        loginFailed: (text) => this.#turnedAway({ problem: text, nick: this.wanted, isReserved: true }),
        ended: (text) => this.emit('notice', { text: `The server has ended the connection: ${text}`, isProblem: true }),
      },
    });
    this.session.start();
  }

  #line(text) {
    this.liveness.heard();
    this.session.receive(text);
    if (this.session?.waiting > 0) this.liveness.asked();
  }

  #down() {
    this.session?.lost();
    this.outbox.lost();
    this.chat.disconnected();
    this.emit('status');
  }

  #tick() {
    if (this.link.state !== 'up') return;
    if (this.session?.waiting > 0) this.liveness.asked();
    this.liveness.tick();
  }

  #nickRefused({ nick, text, code }) {
    const isReserved = /account/i.test(text);
    const mayTry = this.hasEntered || this.isReturning;
    // Coming back, an old connection of this page may still have the name; somebody new shall choose.
    if (code === '433' && mayTry && !isReserved && this.alternatives < ALTERNATIVES_MAX) {
      this.alternatives += 1;
      this.session.rename(another(nick));
      return;
    }
    this.#turnedAway({ problem: text, nick: code === '433' && !isReserved ? another(nick) : nick, isReserved });
  }

  #turnedAway(detail) {
    this.link.stop();
    this.session = null;
    this.emit('welcome', detail);
    this.emit('status');
  }

  #ready() {
    this.alternatives = 0;
    const isOther = !isSame(this.session.nick, this.wanted);
    this.outbox.isOldConnectionAlive = isOther;
    if (isOther) this.session.say('MONITOR', ['+', this.wanted]);
    if (!this.hasEntered) {
      this.outbox.restore();
      this.memory.set('nick', this.wanted);
    }
    this.hasEntered = true;
    const known = [...this.chat.conversations.values()];
    const kept = known.length > 0 ? known.filter((one) => one.isRoom).map((one) => one.name) : this.memory.rooms;
    const rooms = new Map([...kept, ...this.rooms].map((name) => [fold(name), name]));
    if (rooms.size === 0) rooms.set(fold(this.lobby), this.lobby);
    this.rooms = [];
    for (const name of rooms.values()) this.chat.open(name);
    this.session.say('JOIN', [[...rooms.values()].join(',')]);
    this.#resumeTalks();
    if (this.chat.me.away && this.awayText) this.session.say('AWAY', [this.awayText]);
    this.emit('entered');
    this.emit('status');
  }

  async #resumeTalks() {
    for (const name of this.memory.get('talks', [])) this.chat.open(name);
    const talks = [...this.chat.conversations.values()].filter((one) => !one.isRoom);
    if (talks.length > 0) this.session.say('MONITOR', ['+', talks.map((one) => one.name).join(',')]);
    await Promise.allSettled(talks.map((talk) => this.#catchUp(talk)));
  }

  async #catchUp(conversation) {
    const isKept = this.history.isKept(conversation);
    try {
      await this.history.resume(conversation);
      // What came over the old connection may be on its way to the disk just now: looked for twice.
      if (isKept && conversation.timeline.pending.some((own) => own.state === 'unsure')) {
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        await this.history.resume(conversation);
      }
    } catch {
      if (!this.session?.isReady) return; // the next connection does it again
    }
    if (conversation.marker === null) {
      const kept = this.memory.of('marks', conversation.folded);
      conversation.marker = kept ?? conversation.timeline.entries.at(-1)?.time ?? Date.now();
    }
    if (!this.chat.isBeingRead(conversation)) conversation.recount();
    this.outbox.settle(conversation, isKept);
    this.emit('caught-up', conversation);
    this.emit('rooms');
  }

  #react(what, detail) {
    if (what === 'joined') {
      this.#keepRooms();
      this.#catchUp(detail);
    } else if (what === 'left') {
      if (!detail.isKick) this.#keepRooms();
    } else if (what === 'presence' && !detail.isOnline && isSame(detail.nick, this.wanted)) {
      this.#nameIsFree();
    } else if (what === 'own') {
      this.#read(detail.conversation, detail.entry.time);
    }
  }

  /** The old connection is gone, and with it all that could still arrive over it. */
  #nameIsFree() {
    if (!this.session?.isReady || isSame(this.chat.me.nick, this.wanted)) return;
    this.session.say('MONITOR', ['-', this.wanted]);
    this.session.say('NICK', [this.wanted]);
    this.outbox.isOldConnectionAlive = false;
    for (const conversation of this.chat.conversations.values()) this.#catchUp(conversation);
  }

  #keepRooms() {
    const all = [...this.chat.conversations.values()];
    this.memory.keepRooms(all.filter((one) => one.isRoom).map((one) => one.name));
    this.memory.set('talks', all.filter((one) => !one.isRoom).map((one) => one.name));
  }

  /** Asks for another name. */
  async rename(nick) {
    const answer = await this.session.request('NICK', [nick], { quiet: false });
    const problem = answer.find(({ command }) => command === 'FAIL' || /^[45]\d\d$/.test(command));
    if (problem) throw new Error(problem.params.at(-1));
    this.wanted = nick;
    this.memory.set('nick', nick);
  }

  /** Joins a room, or makes it. */
  async join(name, key = '') {
    const known = this.chat.find(name);
    if (known?.isJoined) return known;
    const params = key === '' ? [name] : [name, key];
    const answer = await this.session.request('JOIN', params);
    const problem = answer.find(({ command }) => command === 'FAIL' || /^[45]\d\d$/.test(command));
    if (problem) throw new Error(problem.params.at(-1));
    return this.chat.find(name);
  }

  /** A talk with one person. */
  talk(nick) {
    const isNew = !this.chat.find(nick);
    const conversation = this.chat.open(nick);
    if (isNew) {
      this.session?.say('MONITOR', ['+', nick]);
      this.#catchUp(conversation);
      this.#keepRooms();
    }
    return conversation;
  }

  close(conversation) {
    if (conversation.isRoom && conversation.isJoined) {
      this.session?.say('PART', [conversation.name]);
      return;
    }
    if (!conversation.isRoom) this.session?.say('MONITOR', ['-', conversation.name]);
    this.chat.close(conversation);
    this.#keepRooms();
  }

  members(conversation) {
    if (!conversation.isJoined || conversation.hasAllMembers) return;
    conversation.hasAllMembers = true;
    this.session?.request('WHO', [conversation.name, '%tcnfar,7']).catch(() => {});
  }

  react(conversation, target, emoji) {
    const isOn = !target.reactions.get(emoji)?.has(this.chat.me.nick);
    const tags = { '+draft/reply': target.msgid, [isOn ? '+draft/react' : '+draft/unreact']: emoji };
    return this.session?.request('TAGMSG', [conversation.name], { tags });
  }

  async redact(conversation, target, reason = '') {
    const params = [conversation.name, target.msgid, ...(reason === '' ? [] : [reason])];
    const answer = await this.session.request('REDACT', params, { quiet: false });
    return answer;
  }

  /** Whether the server lets one take a message back: one's own with an account, others' as operator. */
  mayRedact(conversation, target) {
    if (!target.msgid || target.redacted || !this.session?.has('draft/message-redaction')) return false;
    const { nick, account } = this.chat.me;
    const isOwn = account !== null && target.account !== null && isSame(account, target.account);
    return isOwn || (conversation.isRoom && conversation.isOperator(nick));
  }

  typing(conversation, isActive) {
    const now = Date.now();
    const last = this.#typed.get(conversation) ?? 0;
    if (!this.session?.isReady || (conversation.isRoom && !conversation.isJoined)) return;
    if (isActive ? now - last < TYPING_EVERY_MS : last === 0) return;
    this.#typed.set(conversation, isActive ? now : 0);
    this.session.say('TAGMSG', [conversation.name], { '+typing': isActive ? 'active' : 'done' });
  }

  /** Sent: it is over without saying so. */
  typingEnded(conversation) {
    this.#typed.set(conversation, 0);
  }

  away(text) {
    this.awayText = text;
    this.session?.say('AWAY', text === '' ? [] : [text]);
  }

  /** All of it was seen. */
  markRead(conversation) {
    const last = conversation.timeline.entries.findLast((entry) => entry.kind !== 'event');
    const had = conversation.unread + conversation.mentions;
    [conversation.unread, conversation.mentions] = [0, 0];
    if (last) this.#read(conversation, last.time);
    if (had > 0) this.emit('rooms');
  }

  #read(conversation, time) {
    if (conversation.marker !== null && conversation.marker >= time) return;
    conversation.marker = time;
    this.memory.keepOf('marks', conversation.folded, time);
    if (this.chat.me.account === null) return;
    clearTimeout(this.#marks.get(conversation));
    const tell = () => {
      const stamp = `timestamp=${new Date(conversation.marker).toISOString()}`;
      if (this.session?.isReady) this.session.say('MARKREAD', [conversation.name, stamp]);
    };
    this.#marks.set(conversation, setTimeout(tell, MARK_AFTER_MS));
  }
}

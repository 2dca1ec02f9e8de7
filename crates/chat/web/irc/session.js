// One connection to the server, from `CAP LS` on: capabilities, login, name, labels, batches, PING.
// It must never touch a socket or a clock of its own (lines go in and out by function), and never
// decide what a message means for a room.

import { Batches, flat } from './batches.js';
import { format, parse } from './line.js';
import { Exchange } from './sasl.js';

/** What this page makes use of; the server may lack any of it. */
const WANTED = [
  'message-tags', 'server-time', 'echo-message', 'labeled-response', 'batch', 'account-tag',
  'account-notify', 'extended-join', 'away-notify', 'invite-notify', 'multi-prefix', 'setname',
  'cap-notify', 'standard-replies', 'sasl', 'draft/chathistory', 'draft/event-playback',
  'draft/read-marker', 'draft/message-redaction', 'draft/multiline', 'draft/account-registration',
  'extended-monitor', 'soju.im/search',
];

const BAD_NICK = new Set(['431', '432', '433', '436', '437']);
const SASL_FAILED = new Set(['902', '904', '905', '906', '907']);

/**
 * `on`: `ready()`, `nickRefused({ nick, text, code })`, `message(message)`, `ended(text)`,
 * `loginFailed(text)`.
 */
export class Session {
  #batches = new Batches();
  #requests = new Map();
  #labels = 0;
  #offered = new Map();
  #exchange = null;
  #on;
  #send;

  constructor({ send, nick, realname, login = null, on }) {
    this.#send = send;
    this.#on = on;
    this.nick = nick;
    this.realname = realname;
    this.login = login;
    this.account = null;
    this.isReady = false;
    this.caps = new Map();
    this.isupport = new Map();
  }

  start() {
    this.say('CAP', ['LS', '302']);
  }

  say(command, params, tags) {
    this.#send(format(command, params, tags));
  }

  has(cap) {
    return this.caps.has(cap);
  }

  /** Another try for a name, before the server has taken one. */
  rename(nick) {
    this.nick = nick;
    this.say('NICK', [nick]);
  }

  /**
   * Says something and gives what is answered, all lines of it. `quiet`: the answer is for the asker
   * alone, and not told to `on.message`. `begin(label)` may write several lines that share a label.
   */
  request(command, params, { tags = {}, quiet = false, lines = null } = {}) {
    if (!this.has('labeled-response')) {
      this.say(command, params, tags);
      return Promise.resolve([]);
    }
    this.#labels += 1;
    const label = String(this.#labels);
    return new Promise((resolve, reject) => {
      this.#requests.set(label, { resolve, reject, quiet });
      this.say(command, params, { label, ...tags });
      (lines ?? []).forEach((line) => this.say(...line));
    });
  }

  /** How many questions are without an answer. */
  get waiting() {
    return this.#requests.size;
  }

  /** The connection is gone: nobody will answer any more. */
  lost() {
    this.isReady = false;
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    requests.forEach(({ reject }) => reject(new Error('the connection was lost')));
  }

  receive(text) {
    const message = parse(text);
    const whole = message && this.#batches.take(message);
    if (whole) this.#deliver(whole);
  }

  /** Logs in after the name was taken; the promise is kept when the server says how it went. */
  async logIn(account, password) {
    if (!this.has('sasl')) throw new Error('this server has no accounts');
    return new Promise((resolve, reject) => {
      this.login = { account, password, resolve, reject };
      this.#authenticate();
    });
  }

  #deliver(message) {
    const request = this.#requests.get(message.tags.get('label'));
    if (request) this.#requests.delete(message.tags.get('label'));
    const lines = flat(message).filter((line) => line.command !== 'ACK');
    request?.resolve(lines);
    for (const line of lines) {
      if (line.command === 'BATCH') {
        // A history is for who asked for it; anything else that stands together is still news.
        if (!request) line.content.filter((inner) => line.type !== 'chathistory' && inner).forEach((inner) => this.#act(inner));
      } else if (!request?.quiet) {
        this.#act(line);
      }
    }
  }

  #act(message) {
    const { command, params } = message;
    if (command === 'PING') this.say('PONG', [params.at(-1) ?? '']);
    else if (command === 'CAP') this.#cap(params);
    else if (command === 'AUTHENTICATE') this.#step(params[0] ?? '');
    else if (command === 'ERROR') this.#on.ended(params[0] ?? '');
    else if (BAD_NICK.has(command) && !this.isReady) {
      this.#on.nickRefused({ nick: params[1] ?? this.nick, text: params.at(-1) ?? '', code: command });
    } else {
      this.#remember(command, message);
      this.#on.message(message);
      if (command === '376' || command === '422') this.#ready();
    }
  }

  #remember(command, { params, source }) {
    if (command === '001') this.nick = params[0];
    else if (command === '005') this.#learn(params.slice(1, -1));
    else if (command === '900') this.account = params[2] ?? null;
    else if (command === '901') this.account = null;
    else if (command === '903') this.#loggedIn(null);
    else if (SASL_FAILED.has(command)) this.#loggedIn(params.at(-1));
    else if (command === 'NICK' && source.nick === this.nick) this.nick = params[0];
    else if (command === 'ACCOUNT' && source.nick === this.nick) this.account = params[0] === '*' ? null : params[0];
    else if (command === 'REGISTER' && params[0] === 'SUCCESS') this.account = params[1];
  }

  #ready() {
    if (this.isReady) return;
    this.isReady = true;
    this.#on.ready();
  }

  #learn(tokens) {
    for (const token of tokens) {
      const [key, ...value] = token.split('=');
      const text = value.join('=').replace(/\\x([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      this.isupport.set(key, text);
    }
  }

  #cap(params) {
    const command = params[1];
    const items = (params.at(-1) ?? '').split(' ').filter(Boolean);
    if (command === 'LS' || command === 'NEW') {
      items.forEach((item) => {
        const [name, ...value] = item.split('=');
        this.#offered.set(name, value.join('='));
      });
      if (params[2] !== '*') this.#askForCaps(command === 'LS');
    } else if (command === 'ACK') {
      items.forEach((name) => this.caps.set(name, this.#offered.get(name) ?? ''));
      if (!this.isReady) this.#afterCaps();
    } else if (command === 'NAK') {
      if (!this.isReady) this.#afterCaps();
    } else if (command === 'DEL') {
      items.forEach((name) => this.caps.delete(name));
    }
  }

  #askForCaps(isFirst) {
    const wanted = WANTED.filter((name) => this.#offered.has(name) && !this.caps.has(name));
    if (wanted.length > 0) this.say('CAP', ['REQ', wanted.join(' ')]);
    else if (isFirst) this.#afterCaps();
  }

  #afterCaps() {
    if (this.login && this.has('sasl')) this.#authenticate();
    else this.#introduce();
  }

  #introduce() {
    this.say('NICK', [this.nick]);
    this.say('USER', ['web', '0', '*', this.realname || this.nick]);
    this.say('CAP', ['END']);
  }

  #authenticate() {
    const say = (param) => this.say('AUTHENTICATE', [param]);
    this.#exchange = new Exchange({ ...this.login, offered: this.caps.get('sasl'), say });
    try {
      this.#exchange.start();
    } catch (error) {
      this.#loggedIn(error.message);
    }
  }

  async #step(param) {
    try {
      await this.#exchange?.take(param);
    } catch (error) {
      this.#loggedIn(error.message);
    }
  }

  /** `problem` is null when it went well. */
  #loggedIn(problem) {
    this.#exchange = null;
    const login = this.login;
    this.login = null;
    if (problem === null) login?.resolve?.();
    else login?.reject?.(new Error(problem));
    if (this.isReady) return;
    if (problem === null) this.#introduce();
    else this.#on.loginFailed(problem);
  }
}

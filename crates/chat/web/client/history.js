// Asks the server for what was said: the newest, the older, and what was missed while away.
// It must never leave a hole in a conversation without knowing it, and never ask twice at once.

import { reaction, said, timeOf, entry } from '../model/entry.js';

const PAGE = 100;
/** Who missed more than so many pages sees the newest; the rest comes as one scrolls up. */
const MISSED_PAGES_MAX = 20;
/** Pages that hold nothing to show (comings and goings) are followed by the next one, so often. */
const EMPTY_PAGES_MAX = 20;

export class History {
  constructor({ chat, session, emit }) {
    Object.assign(this, { chat, session, emit });
  }

  /** Whether there is a history of this conversation to ask for. */
  isKept(conversation) {
    if (!this.session()?.has('draft/chathistory')) return false;
    return conversation.isRoom ? conversation.isJoined : this.chat.me.account !== null;
  }

  async #ask(conversation, words) {
    const limit = Math.min(PAGE, Number(this.chat.isupport.get('CHATHISTORY')) || PAGE);
    const [command, ...rest] = words;
    const params = [command, conversation.name, ...rest, String(limit)];
    const answer = await this.session().request('CHATHISTORY', params, { quiet: true });
    const batch = answer.find((line) => line.type === 'chathistory');
    if (!batch) throw new Error(answer.find((line) => line.command === 'FAIL')?.params.at(-1) ?? 'no answer');
    return this.#read(batch.content);
  }

  #read(lines) {
    const page = { entries: [], reactions: [], first: null, last: null, count: lines.length };
    for (const line of lines) {
      const msgid = line.tags.get('msgid');
      page.first ??= msgid ?? null;
      page.last = msgid ?? page.last;
      const made = ['PRIVMSG', 'NOTICE'].includes(line.command) ? said(line, this.chat.me.nick) : past(line);
      if (made) page.entries.push(made);
      const found = line.command === 'TAGMSG' ? reaction(line) : null;
      if (found) page.reactions.push(found);
    }
    return page;
  }

  #put(conversation, page, isOlder = false) {
    const count = conversation.timeline.merge(page.entries, { isOlder });
    page.reactions.forEach((found) => conversation.timeline.react(found));
    if (count > 0 || page.reactions.length > 0) this.emit('entries', conversation);
    return count;
  }

  /** What is before the oldest that is here; the newest if nothing is. */
  async older(conversation) {
    if (conversation.isLoading || conversation.isAtStart || !this.isKept(conversation)) return;
    await this.#busy(conversation, async () => {
      for (let pages = 0; pages < EMPTY_PAGES_MAX; pages += 1) {
        const words = conversation.oldest ? ['BEFORE', `msgid=${conversation.oldest}`] : ['LATEST', '*'];
        const page = await this.#ask(conversation, words);
        conversation.oldest = page.first ?? conversation.oldest;
        if (page.count === 0) conversation.isAtStart = true;
        if (this.#put(conversation, page, words[0] === 'BEFORE') > 0 || page.count === 0) return;
      }
    });
  }

  /** After a connection: what was said meanwhile, all of it, or the newest if that is too much. */
  async resume(conversation) {
    if (!this.isKept(conversation)) return;
    const last = conversation.timeline.lastMsgid;
    if (!last) {
      await this.older(conversation);
      return;
    }
    await this.#busy(conversation, async () => {
      const isWhole = await this.#missed(conversation, last);
      if (!isWhole) {
        conversation.timeline.clear();
        conversation.oldest = null;
      }
      const page = await this.#ask(conversation, ['LATEST', '*']);
      this.#put(conversation, page);
      if (!isWhole) conversation.oldest = page.first;
      // What was taken back meanwhile is not told of; it is not there any more.
      else if (conversation.timeline.reconcile(page.entries) > 0) this.emit('entries', conversation);
    });
  }

  async #missed(conversation, last) {
    for (let pages = 0; pages < MISSED_PAGES_MAX; pages += 1) {
      const page = await this.#ask(conversation, ['AFTER', `msgid=${last}`]);
      this.#put(conversation, page);
      if (page.count === 0 || page.last === null) return true;
      last = page.last;
    }
    return false;
  }

  /** The entries around one, to jump to it; the hole between them and the newest is closed by reading on. */
  async until(conversation, msgid, pagesMax = 100) {
    for (let pages = 0; pages < pagesMax; pages += 1) {
      if (conversation.timeline.get(msgid)) return true;
      if (conversation.isAtStart || conversation.isLoading) return false;
      await this.older(conversation);
    }
    return false;
  }

  async #busy(conversation, work) {
    conversation.isLoading = true;
    this.emit('entries', conversation);
    try {
      await work();
      conversation.historyProblem = '';
    } catch (error) {
      conversation.historyProblem = error.message;
      throw error;
    } finally {
      conversation.isLoading = false;
      this.emit('entries', conversation);
    }
  }

  /** Full text, in one conversation or in all rooms; newest last. */
  async search(text, conversation, before = null) {
    const attributes = { text, limit: '50' };
    if (conversation) attributes.in = conversation.name;
    if (before) attributes.before = new Date(before).toISOString();
    const words = Object.entries(attributes).map(([key, value]) => `${key}=${escapeAttribute(value)}`);
    const answer = await this.session().request('SEARCH', [words.join(';')], { quiet: true });
    const batch = answer.find((line) => line.type === 'soju.im/search');
    if (!batch) throw new Error(answer.find((line) => line.command === 'FAIL')?.params.at(-1) ?? 'no answer');
    const found = batch.content.map((line) => ({ place: line.params[0], entry: said(line, this.chat.me.nick) }));
    return found.filter((hit) => hit.entry);
  }
}

const ATTRIBUTE = { ';': '\\:', ' ': '\\s', '\\': '\\\\', '\r': '\\r', '\n': '\\n' };
const escapeAttribute = (text) => text.replace(/[; \\\r\n]/g, (c) => ATTRIBUTE[c]);

/** What happened and is worth reading later: no comings and goings. */
function past(line) {
  const { command, params, source } = line;
  const fields = { kind: 'event', msgid: line.tags.get('msgid') ?? null, time: timeOf(line), nick: source.nick };
  if (command === 'TOPIC') {
    const text = params[1] ? `set the topic: ${params[1]}` : 'took the topic away';
    return entry({ ...fields, what: 'topic', text: `${source.nick} ${text}` });
  }
  if (command === 'KICK') {
    const why = params[2] && params[2] !== params[1] ? `: ${params[2]}` : '';
    return entry({ ...fields, what: 'kick', text: `${source.nick} put ${params[1]} out${why}` });
  }
  return null;
}

// The log of the conversation that is shown: reading, scrolling back, choosing a message, what one can do with it.
// It must never keep a message itself: the model has them.

import { items, keyOf, versionOf } from './items.js';
import { $, fill, h, iconButton } from './dom.js';
import { row } from './message.js';
import { Window } from './window.js';

export class Log {
  #conversation = null;
  #selected = null;

  constructor({ client, actions }) {
    Object.assign(this, { client, actions });
    this.scroller = $('log');
    this.toEnd = $('to-end');
    this.window = new Window({
      scroller: this.scroller,
      list: $('list'),
      render: (item) => row(item, { conversation: this.#conversation, me: client.chat.me.nick, actions: this.#rowActions }),
      version: (item) => versionOf(item, client.chat.me.nick),
      onNearStart: () => this.#older(),
      onScrolled: () => this.#scrolled(),
    });
    this.tools = this.#makeTools();
    this.toEnd.addEventListener('click', () => this.#end());
    const list = $('list');
    list.addEventListener('pointerover', (event) => event.pointerType !== 'touch' && this.#offer(event.target.closest?.('.message')));
    list.addEventListener('pointerleave', (event) => {
      // A finger leaves when it has tapped.
      if (event.pointerType !== 'touch' && !this.tools.contains(document.activeElement)) this.tools.remove();
    });
    list.addEventListener('focusin', (event) => this.#offer(event.target.closest?.('.message')));
    list.addEventListener('click', (event) => this.#offer(event.target.closest?.('.message')));
    this.scroller.addEventListener('keydown', (event) => this.#key(event));
  }

  #rowActions = {
    person: (nick, at) => this.actions.person(nick, at),
    room: (name) => this.actions.room(name),
    jump: (msgid) => this.jump(msgid),
    react: (entry, emoji) => this.actions.react(this.#conversation, entry, emoji),
    retry: (entry) => this.client.outbox.retry(this.#conversation, entry),
    discard: (entry) => this.client.outbox.discard(this.#conversation, entry),
    older: () => this.#older(),
  };

  get isAtEnd() {
    return this.window.isAtEnd;
  }

  /** Shows another conversation, or what is new in this one. */
  update(conversation) {
    const isOther = conversation !== this.#conversation;
    this.#conversation = conversation;
    if (isOther) {
      this.#selected = null;
      this.tools.remove();
    }
    this.scroller.setAttribute('aria-label', `Messages in ${conversation.name}`);
    this.window.set(items(conversation), { reset: isOther });
    this.#scrolled();
    const hasRoomAbove = this.scroller.scrollTop < 400 && !conversation.isAtStart && !conversation.isLoading && !conversation.historyProblem;
    if (hasRoomAbove && conversation.oldest) this.#older();
  }

  #older() {
    if (!this.#conversation.historyProblem) this.client.history.older(this.#conversation).catch(() => {});
    else {
      this.#conversation.historyProblem = '';
      this.client.history.older(this.#conversation).catch(() => {});
    }
  }

  #scrolled() {
    const { unread } = this.#conversation;
    this.toEnd.hidden = this.window.isAtEnd;
    this.toEnd.lastChild.textContent = unread > 0 ? `${unread} new` : 'Newest';
    this.actions.read();
  }

  #end() {
    this.window.toEnd();
    this.#scrolled();
    $('text').focus();
  }

  /** Shows one message, wherever it is in the history. */
  async jump(msgid) {
    const conversation = this.#conversation;
    if (!(await this.client.history.until(conversation, msgid).catch(() => false))) {
      this.actions.say('That message is not here any more.');
      return;
    }
    if (conversation !== this.#conversation) return;
    this.update(conversation);
    const entry = conversation.timeline.get(msgid);
    const element = this.window.show(keyOf(entry));
    element?.classList.add('found');
    element?.focus({ preventScroll: true });
    setTimeout(() => element?.classList.remove('found'), 2400);
  }

  /** Chooses a message with the keyboard: the newest, or the next one up or down. */
  select(step) {
    const { entries, pending } = this.#conversation.timeline;
    const keys = [...entries, ...pending].filter((entry) => entry.kind !== 'event').map(keyOf);
    const now = keys.indexOf(this.#selected);
    const next = now < 0 ? keys.length - 1 : now + step;
    if (next >= keys.length) {
      $('text').focus();
      this.#selected = null;
      return;
    }
    if (next < 0) this.#older();
    const key = keys[Math.max(0, next)];
    if (key === undefined) return;
    this.#selected = key;
    this.window.show(key, { isNearest: true })?.focus({ preventScroll: true });
  }

  #entry(key) {
    const item = this.window.item(key);
    return item?.kind === 'message' ? item.entry : null;
  }

  get #chosen() {
    const key = document.activeElement?.closest?.('.message')?.dataset.key;
    return key ? this.#entry(key) : null;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('button, a')) return;
    const entry = this.#chosen;
    this.#selected = document.activeElement?.closest?.('.message')?.dataset.key ?? this.#selected;
    const does = {
      ArrowUp: () => this.select(-1),
      ArrowDown: () => this.select(1),
      End: () => this.#end(),
      r: entry && (() => this.actions.reply(this.#conversation, entry)),
      e: entry && (() => this.actions.pick(this.#conversation, entry, document.activeElement)),
      c: entry && (() => this.actions.copy(entry)),
      Delete: entry && (() => this.actions.redact(this.#conversation, entry)),
      m: entry && (() => this.actions.more(this.#conversation, entry, document.activeElement)),
    }[event.key];
    if (!does || (event.key.startsWith('Arrow') && !entry)) return;
    event.preventDefault();
    does();
  }

  #makeTools() {
    const on = (act) => (event) => {
      const key = this.tools.closest('.message')?.dataset.key;
      const entry = this.#entry(key);
      if (entry) act(entry, event.currentTarget);
    };
    return h('div', { class: 'tools', role: 'group', 'aria-label': 'With this message' },
      iconButton('smile', 'React', on((entry, at) => this.actions.pick(this.#conversation, entry, at))),
      iconButton('reply', 'Reply', on((entry) => this.actions.reply(this.#conversation, entry))),
      iconButton('more', 'More', on((entry, at) => this.actions.more(this.#conversation, entry, at))));
  }

  #offer(element) {
    const entry = element && this.#entry(element.dataset.key);
    if (!entry || !entry.msgid || entry.redacted) {
      if (element) this.tools.remove();
    } else if (this.tools.parentNode !== element) {
      element.append(this.tools);
    }
  }
}

/** Who is typing, in words. */
export function typingText(nicks) {
  if (nicks.length === 0) return [];
  const name = (nick) => h('bdi', { class: 'typer' }, nick);
  if (nicks.length === 1) return [name(nicks[0]), ' is typing…'];
  if (nicks.length === 2) return [name(nicks[0]), ' and ', name(nicks[1]), ' are typing…'];
  return [name(nicks[0]), ` and ${nicks.length - 1} others are typing…`];
}

export function showTyping(conversation, now = Date.now()) {
  const { nicks, next } = conversation.typers(now);
  fill($('typing'), typingText(nicks));
  $('typing').classList.toggle('is-on', nicks.length > 0);
  return next;
}

// Where one writes: a text that grows, drafts, replies, completion of names, commands behind a slash.
// It must never lose what was typed: a draft is kept until it is sent or taken away.

import { asMessage, commands, isCommand } from '../client/commands.js';
import { fold } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $, fill, h, iconButton } from './dom.js';
import { bdi } from './message.js';

const HIGH_MAX_PX = 220;
const DRAFT_BYTES_MAX = 20_000;

export class Composer {
  #conversation = null;
  #completion = null;

  constructor({ client, memory, actions }) {
    Object.assign(this, { client, memory, actions });
    this.text = $('text');
    this.text.addEventListener('input', () => this.#typed());
    this.text.addEventListener('keydown', (event) => this.#key(event));
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  update(conversation) {
    if (conversation !== this.#conversation) {
      this.#conversation = conversation;
      conversation.draft ||= this.memory.of('drafts', conversation.folded) ?? '';
      this.text.value = conversation.draft;
      this.#completion = null;
      this.#grow();
      this.#check();
    }
    const where = oneLine(conversation.name);
    this.text.placeholder = `Message ${where}`;
    this.text.setAttribute('aria-label', `Message ${where}`);
    const isOut = conversation.isRoom && !conversation.isJoined && this.client.session?.isReady && conversation.problem;
    $('outside').hidden = !isOut;
    $('composer').hidden = Boolean(isOut);
    if (isOut) {
      fill($('outside'), h('p', {}, oneLine(conversation.problem)), h('button', { type: 'button', class: 'button', onclick: () => this.actions.rejoin(conversation) }, 'Try to join'));
    }
    this.#showReply();
  }

  focus() {
    this.text.focus({ preventScroll: true });
  }

  reply(entry) {
    this.#conversation.replyTo = entry.msgid;
    this.#showReply();
    this.focus();
  }

  /** Puts a text where the cursor is. */
  insert(text) {
    this.text.setRangeText(text, this.text.selectionStart, this.text.selectionEnd, 'end');
    this.#typed();
    this.focus();
  }

  /** Whether there was something to take back with Escape. */
  cancel() {
    if (!this.#conversation?.replyTo) return false;
    this.#conversation.replyTo = null;
    this.#showReply();
    return true;
  }

  #showReply() {
    const entry = this.#conversation.timeline.get(this.#conversation.replyTo);
    $('replying').hidden = !entry;
    if (!entry) return;
    fill($('replying'), h('span', {}, 'Reply to ', bdi(entry.nick, { class: 'quoted-nick' }), ' ', bdi(oneLine(entry.text, 100), { class: 'quoted' })),
      iconButton('close', 'Do not reply', () => {
        this.cancel();
        this.focus();
      }, { class: 'icon-button small' }));
  }

  #typed() {
    this.#completion = null;
    const { value } = this.text;
    this.#conversation.draft = value;
    this.memory.keepOf('drafts', this.#conversation.folded, value.slice(0, DRAFT_BYTES_MAX));
    this.#grow();
    this.#check();
    const isMessage = value.trim() !== '' && !isCommand(value);
    this.client.typing(this.#conversation, isMessage);
    this.#suggest();
  }

  #grow() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, HIGH_MAX_PX)}px`;
  }

  /** Says before it is sent that a text is too long. */
  #check() {
    const limits = new URLSearchParams((this.client.session?.caps.get('draft/multiline') ?? '').replace(/,/g, '&'));
    const max = Number(limits.get('max-bytes')) || 8192;
    const lines = Number(limits.get('max-lines')) || 100;
    const size = new TextEncoder().encode(this.text.value).length;
    const count = this.text.value.split('\n').length;
    const problem = size > max ? `${size - max} bytes too long` : count > lines ? `${count - lines} lines too many` : '';
    $('too-long').textContent = problem;
    $('send').disabled = this.text.value.trim() === '' || problem !== '';
    return problem === '';
  }

  async #send() {
    const conversation = this.#conversation;
    const value = this.text.value.replace(/\s+$/u, '');
    if (value.trim() === '' || !this.#check()) return;
    const isOrder = isCommand(value);
    if (!isOrder) this.client.outbox.post(conversation, asMessage(value), { replyTo: conversation.replyTo });
    this.client.typingEnded(conversation);
    this.text.value = '';
    conversation.replyTo = null;
    this.#typed();
    this.#showReply();
    if (isOrder) await this.actions.command(value, conversation);
    else this.actions.sent();
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Tab' && !event.shiftKey && this.#complete()) {
      event.preventDefault();
    } else if (event.key === 'ArrowUp' && this.text.value === '') {
      event.preventDefault();
      this.actions.select();
    }
  }

  /** What the word before the cursor could be. */
  #candidates(word, isFirst) {
    const start = fold(word.replace(/^@/, ''));
    if (word.startsWith('/') && isFirst) return commands.map(({ name }) => `/${name} `).filter((name) => name.startsWith(start));
    const { chat } = this.client;
    if (word.startsWith('#')) return [...chat.conversations.values()].filter((one) => one.isRoom && one.folded.startsWith(start)).map((one) => `${one.name} `);
    const recent = new Map(this.#conversation.timeline.entries.slice(-200).reverse().map((entry) => [fold(entry.nick), entry.nick]));
    const nicks = new Map([...recent, ...[...this.#conversation.members].map(([folded, { nick }]) => [folded, nick])]);
    const found = [...nicks.values()].filter((nick) => fold(nick).startsWith(start) && !chat.isMe(nick));
    return found.map((nick) => (isFirst ? `${nick}: ` : `${nick} `));
  }

  #complete() {
    const end = this.text.selectionStart;
    if (!this.#completion) {
      const before = this.text.value.slice(0, end);
      const word = /\S+$/.exec(before)?.[0];
      if (!word) return false;
      const at = end - word.length;
      const candidates = this.#candidates(word, at === 0);
      if (candidates.length === 0) return false;
      this.#completion = { at, end, candidates, next: 0 };
    }
    const completion = this.#completion;
    const text = completion.candidates[completion.next % completion.candidates.length];
    this.text.setRangeText(text, completion.at, completion.end, 'end');
    this.#typed();
    this.#completion = { ...completion, end: completion.at + text.length, next: completion.next + 1 };
    return true;
  }

  /** While a command is typed: what it is for. */
  #suggest() {
    const typed = /^\/([a-z]*)$/.exec(this.text.value)?.[1] ?? /^\/([a-z]+) /.exec(this.text.value)?.[1];
    const isWhole = this.text.value.includes(' ');
    const found = typed === undefined ? [] : commands.filter(({ name }) => (isWhole ? name === typed : name.startsWith(typed)));
    $('suggestions').hidden = found.length === 0;
    fill($('suggestions'), found.slice(0, 8).map(({ usage, says }) => h('div', {}, h('code', {}, usage), ' ', says)));
  }
}

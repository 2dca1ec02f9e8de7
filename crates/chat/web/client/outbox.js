// Own messages from the moment they are written until the server has stored them: sent once, or visibly not.
// It must never send a message again that may have arrived, and never drop one without being told to.
//
// A message is `queued` (not sent), `sending` (sent, no answer), `unsure` (sent, and the connection was
// lost before the answer) or `failed` (refused, with the reason); confirmed, it is an entry like others.

import { ID_TAG, entry } from '../model/entry.js';

/** What fits into a line beside the names of a room and of a sender, in bytes. */
const PIECE_BYTES = 380;
const RETRY_MS = 1500;
const RETRIES_MAX = 8;
const PASSING = new Set(['RATE_LIMITED', 'TEMPORARILY_UNAVAILABLE']);
const bytes = (text) => new TextEncoder().encode(text).length;

/** Lines in pieces that fit; `goesOn`: it belongs to the line before. */
export function cut(text, bytesMax = PIECE_BYTES) {
  return text.split('\n').flatMap((line) => {
    const pieces = [];
    let piece = '';
    let size = 0;
    for (const c of line) {
      const more = bytes(c);
      if (size + more > bytesMax) {
        pieces.push(piece);
        [piece, size] = ['', 0];
      }
      piece += c;
      size += more;
    }
    pieces.push(piece);
    return pieces.map((part, index) => ({ text: part, goesOn: index > 0 }));
  });
}

export class Outbox {
  constructor({ chat, session, memory, emit, makeId = () => crypto.getRandomValues(new BigUint64Array(1))[0].toString(36) }) {
    Object.assign(this, { chat, session, memory, emit, makeId });
    /** An old connection may still bring what was sent over it. */
    this.isOldConnectionAlive = false;
  }

  /** Those of the last visit of this tab. */
  restore() {
    for (const { target, wasSent, ...fields } of this.memory.unsent.list ?? []) {
      const conversation = this.chat.open(target);
      const made = entry({ ...fields, nick: this.chat.me.nick, mine: true, state: wasSent ? 'unsure' : 'queued' });
      conversation.timeline.pending.push(made);
    }
  }

  #keep() {
    const all = [...this.chat.conversations.values()].flatMap((conversation) =>
      conversation.timeline.pending.map(({ id, time, kind, text, replyTo, state }) => ({
        target: conversation.name, id, time, kind, text, replyTo, wasSent: state !== 'queued' && state !== 'failed',
      })),
    );
    this.memory.keepUnsent(all);
  }

  /** Writes a message down, and sends it if it can be sent. */
  post(conversation, text, { kind = 'message', replyTo = null } = {}) {
    const made = entry({ id: this.makeId(), kind, text, replyTo, nick: this.chat.me.nick, mine: true, state: 'queued' });
    conversation.timeline.pending.push(made);
    this.#changed(conversation);
    this.flush(conversation);
  }

  discard(conversation, made) {
    const { pending } = conversation.timeline;
    const index = pending.indexOf(made);
    if (index >= 0) pending.splice(index, 1);
    this.#changed(conversation);
  }

  retry(conversation, made) {
    this.#set(conversation, made, 'queued');
    this.flush(conversation);
  }

  #canSend(conversation) {
    return Boolean(this.session()?.isReady) && (!conversation.isRoom || conversation.isJoined);
  }

  flush(conversation) {
    if (!this.#canSend(conversation)) return;
    for (const made of [...conversation.timeline.pending]) {
      if (made.state === 'queued') this.#send(conversation, made);
    }
  }

  /** The connection is gone: what was under way may have arrived, or not. */
  lost() {
    for (const conversation of this.chat.conversations.values()) {
      for (const made of conversation.timeline.pending) {
        if (made.state === 'sending') this.#set(conversation, made, 'unsure');
      }
    }
  }

  /** The history was read up to now: what is not in it did not arrive. */
  settle(conversation, isHistoryKept) {
    if (this.isOldConnectionAlive) return;
    for (const made of conversation.timeline.pending) {
      if (made.state !== 'unsure') continue;
      if (isHistoryKept) this.#set(conversation, made, 'queued');
      else this.#set(conversation, made, 'failed', 'the connection was lost: it may have arrived, or not');
    }
    this.flush(conversation);
  }

  async #send(conversation, made) {
    this.#set(conversation, made, 'sending');
    let answer;
    try {
      answer = await this.#request(conversation, made);
    } catch {
      return; // the connection was lost: `lost` has seen to it
    }
    if (conversation.timeline.isStored(made.id)) {
      this.#changed(conversation);
      return;
    }
    const refusal = answer.find(({ command }) => command === 'FAIL' || /^[245]\d\d$/.test(command));
    made.tries = (made.tries ?? 0) + 1;
    if (PASSING.has(refusal?.params[1]) && made.tries <= RETRIES_MAX) {
      this.#set(conversation, made, 'queued');
      setTimeout(() => this.flush(conversation), RETRY_MS);
      return;
    }
    this.#set(conversation, made, 'failed', refusal?.params.at(-1) ?? 'the server did not say why');
  }

  #request(conversation, made) {
    const session = this.session();
    const tags = { [ID_TAG]: made.id };
    if (made.replyTo) tags['+draft/reply'] = made.replyTo;
    const target = conversation.name;
    if (made.kind === 'action') {
      return session.request('PRIVMSG', [target, `\x01ACTION ${made.text.replace(/\n/g, ' ')}\x01`], { tags });
    }
    const pieces = cut(made.text);
    if (pieces.length === 1) return session.request('PRIVMSG', [target, made.text], { tags });
    const batch = `m${made.id}`;
    const lines = pieces.map(({ text, goesOn }) => [
      'PRIVMSG', [target, text], { batch, ...(goesOn ? { 'draft/multiline-concat': '' } : {}) },
    ]);
    lines.push(['BATCH', [`-${batch}`]]);
    return session.request('BATCH', [`+${batch}`, 'draft/multiline', target], { tags, lines });
  }

  #set(conversation, made, state, problem = '') {
    [made.state, made.problem] = [state, problem];
    made.version += 1;
    this.#changed(conversation);
  }

  #changed(conversation) {
    this.#keep();
    this.emit('entries', conversation);
  }
}

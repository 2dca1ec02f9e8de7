// The state of the connection, in words, where it cannot be missed; nothing while all is well.
// It must never promise what is not so.

import { oneLine } from '../text/visible.js';
import { $, fill, h } from './dom.js';

/** What to say, and whether there is a button; null: nothing. */
export function words(client, { now = Date.now(), isOnline = true } = {}) {
  const { status } = client;
  const unsent = [...client.chat.conversations.values()].reduce((sum, one) => sum + one.timeline.pending.length, 0);
  const kept = unsent > 0 ? ` ${unsent === 1 ? 'One message waits' : `${unsent} messages wait`} to be sent.` : ' What you write is kept and sent then.';
  if (status === 'waiting') {
    const seconds = Math.max(1, Math.ceil((client.link.retryAt - now) / 1000));
    const why = isOnline ? 'The connection is lost.' : 'This device is offline.';
    return { kind: 'down', text: `${why} Trying again in ${seconds} s.${kept}`, canRetry: true };
  }
  if (status === 'connecting' || status === 'up') return { kind: 'down', text: `Reconnecting…${kept}`, canRetry: false };
  if (status === 'slow') return { kind: 'slow', text: 'The connection is slow: waiting for the server…', canRetry: false };
  if (client.outbox.isOldConnectionAlive) {
    const { nick } = client.chat.me;
    return { kind: 'note', text: `You are ${oneLine(nick)} for now: the server still thinks that ${oneLine(client.wanted)} is here.`, canRetry: false };
  }
  return null;
}

export class Banner {
  #shown = '';

  constructor({ client }) {
    this.client = client;
    setInterval(() => this.update(), 1000);
    addEventListener('online', () => client.link.retry());
    addEventListener('offline', () => this.update());
  }

  update() {
    const said = this.client.hasEntered ? words(this.client, { isOnline: navigator.onLine }) : null;
    const banner = $('banner');
    document.body.classList.toggle('is-down', said?.kind === 'down');
    if (!said) {
      this.#shown = '';
      banner.hidden = true;
      return;
    }
    // The seconds change; a reader is told of the state only.
    const state = said.text.replace(/ in \d+ s/, '');
    banner.hidden = false;
    banner.className = `banner ${said.kind}`;
    if (state !== this.#shown) {
      this.#shown = state;
      $('banner-spoken').textContent = state;
      fill(banner, h('span', { class: 'words', 'aria-hidden': 'true' }), said.canRetry && h('button', { type: 'button', class: 'button small', onclick: () => this.client.link.retry() }, 'Try now'));
    }
    banner.querySelector('.words').textContent = said.text;
  }
}

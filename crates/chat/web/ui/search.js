// Searching what was said: the words, where, what was found, and the way to it.
// It must never look into what is not the server's answer.

import { isRoom } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $, fill, h } from './dom.js';
import { bdi, dayText, timeText } from './message.js';

export class Search {
  #asked = 0;
  #conversation = null;

  constructor({ client, actions }) {
    Object.assign(this, { client, actions });
    this.field = $('search-text');
    $('search-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search();
    });
    $('search-everywhere').addEventListener('change', () => this.#search());
  }

  open(conversation) {
    this.#conversation = conversation;
    $('search-where').textContent = `In all rooms, not only in ${oneLine(conversation.name, 40)}`;
    this.field.focus();
    this.field.select();
  }

  async #search(before = null) {
    const words = this.field.value.trim();
    if (words === '') return;
    this.#asked += 1;
    const asked = this.#asked;
    this.#say('Searching…');
    try {
      if (!this.client.session?.isReady) throw new Error('not connected');
      const where = $('search-everywhere').checked ? null : this.#conversation;
      const found = await this.client.history.search(words, where, before);
      if (asked === this.#asked) this.#show(found, words);
    } catch (error) {
      if (asked === this.#asked) this.#say(`This did not work: ${oneLine(error.message)}`);
    }
  }

  #say(text) {
    $('search-status').textContent = text;
    fill($('found'));
  }

  #show(found, words) {
    const count = found.length;
    this.#say(count === 0 ? `Nothing was found for “${oneLine(words, 60)}”.` : `${count}${count >= 50 ? ' newest' : ''} found`);
    const newest = [...found].sort((a, b) => b.entry.time - a.entry.time);
    fill($('found'), newest.map(({ place, entry }) => h('li', {}, h('button', { type: 'button', onclick: () => this.#go(place, entry) },
      h('span', { class: 'byline' }, bdi(entry.nick, { class: 'name' }), isRoom(place) ? bdi(place, { class: 'says' }) : null, h('time', {}, `${dayText(entry.time)}, ${timeText(entry.time)}`)),
      bdi(oneLine(entry.text, 240), { class: 'found-text' })))));
    if (count >= 50) {
      const older = Math.min(...found.map(({ entry }) => entry.time));
      $('found').append(h('li', {}, h('button', { type: 'button', class: 'text-button', onclick: () => this.#search(older) }, 'Older ones')));
    }
  }

  #go(place, entry) {
    const name = isRoom(place) ? place : this.#conversation.name;
    this.actions.goTo(name, entry.msgid);
  }
}

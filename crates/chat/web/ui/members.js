// Who is in the room that is shown, however many they are: name, rank, whether they are away.
// It must never ask the server; it shows what the model knows.

import { fold } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $, h } from './dom.js';
import { avatar, bdi } from './message.js';
import { Window } from './window.js';

const GROUPS = new Map([['~', 'Owners'], ['&', 'Operators'], ['@', 'Operators'], ['%', 'Operators'], ['+', 'Speakers'], ['', 'Members']]);
const HIGH_PX = 40;

export class Members {
  #conversation = null;

  constructor({ client, actions }) {
    Object.assign(this, { client, actions });
    this.window = new Window({ scroller: $('members'), list: $('member-list'), render: (item) => this.#row(item), version: (item) => item.version, sticks: false });
    this.filter = $('member-filter');
    this.filter.addEventListener('input', () => this.update(this.#conversation));
    $('members').addEventListener('keydown', (event) => this.#key(event));
  }

  update(conversation) {
    const isOther = conversation !== this.#conversation;
    this.#conversation = conversation;
    if (isOther) this.filter.value = '';
    const wanted = fold(this.filter.value.trim());
    const members = conversation.sorted().filter(({ nick }) => fold(nick).includes(wanted));
    const items = [];
    let group = null;
    for (const member of members) {
      const name = GROUPS.get(member.role[0] ?? '');
      if (name !== group) {
        const count = members.filter((one) => GROUPS.get(one.role[0] ?? '') === name).length;
        items.push({ key: `g${name}`, kind: 'group', text: `${name} · ${count}`, version: String(count), estimate: 32 });
        group = name;
      }
      const user = this.client.chat.users.get(fold(member.nick));
      items.push({ key: `m${fold(member.nick)}`, kind: 'member', member, user, version: `${member.role}${user?.away}${user?.awayText}${member.nick}`, estimate: HIGH_PX });
    }
    this.filter.hidden = conversation.members.size < 12;
    $('member-count').textContent = String(conversation.members.size);
    this.window.set(items, { reset: isOther });
  }

  #row({ kind, text, member, user }) {
    if (kind === 'group') return h('li', { class: 'group' }, text);
    const isMe = this.client.chat.isMe(member.nick);
    const state = user?.away ? 'away' : 'online';
    const says = user?.awayText && user.awayText !== 'away' ? oneLine(user.awayText, 80) : '';
    const element = h('button', {
      type: 'button', class: `member ${state}`, onclick: (event) => this.actions.person(member.nick, event.currentTarget),
    }, h('span', { class: 'face' }, avatar(member.nick), h('span', { class: `dot ${state}` }, h('span', { class: 'sr-only' }, state === 'away' ? 'away' : ''))),
    h('span', { class: 'who' }, bdi(member.nick, { class: 'name' }), says ? h('bdi', { class: 'says' }, says) : null),
    isMe ? h('span', { class: 'badge' }, 'you') : user?.isBot ? h('span', { class: 'badge' }, 'bot') : null);
    return h('li', {}, element);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const now = document.activeElement?.closest?.('#member-list li');
    if (!step || !now) return;
    event.preventDefault();
    let next = now;
    do next = step > 0 ? next.nextElementSibling : next.previousElementSibling;
    while (next && !next.querySelector?.('button'));
    next?.querySelector('button').focus();
  }
}

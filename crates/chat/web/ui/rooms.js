// The list of rooms and people, with what is unread; and who one is, below it.
// It must never decide what is unread: the model counts.

import { fold } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $, fill, h, iconButton } from './dom.js';
import { avatar, bdi } from './message.js';

function badge({ unread, mentions }) {
  if (unread === 0) return null;
  const count = mentions > 0 ? mentions : unread;
  const text = count > 99 ? '99+' : String(count);
  return h('span', { class: mentions > 0 ? 'count for-me' : 'count' }, text, h('span', { class: 'sr-only' }, mentions > 0 ? ' for you' : ' unread'));
}

export class Rooms {
  constructor({ client, actions }) {
    Object.assign(this, { client, actions });
  }

  #item(conversation, current) {
    const { name, isRoom, isJoined, problem, draft, unread } = conversation;
    const user = this.client.chat.users.get(fold(name));
    const state = !isRoom && (user ? (user.away ? 'away' : 'online') : 'offline');
    const isReady = this.client.session?.isReady;
    const classes = ['room', unread > 0 && 'unread', isRoom && (!isJoined && isReady) && 'outside', problem && 'problem'];
    const open = h('button', {
      type: 'button', class: classes.filter(Boolean).join(' '), 'aria-current': conversation === current ? 'page' : null,
      'data-name': conversation.folded, onclick: () => this.actions.show(conversation),
    }, isRoom ? h('span', { class: 'hash' }, '#') : h('span', { class: `dot ${state}` }, h('span', { class: 'sr-only' }, state)),
    bdi(isRoom ? name.slice(1) : name, { class: 'name' }), draft && conversation !== current ? h('span', { class: 'draft' }, 'draft') : null, badge(conversation));
    const close = iconButton('close', `${isRoom ? 'Leave' : 'Close'} ${oneLine(name)}`, () => this.actions.leave(conversation), { class: 'icon-button small' });
    return h('li', {}, open, close);
  }

  update(current) {
    const all = [...this.client.chat.conversations.values()];
    const byName = (a, b) => a.folded.localeCompare(b.folded);
    const lobby = fold(this.client.lobby);
    const rooms = all.filter((one) => one.isRoom).sort((a, b) => (b.folded === lobby) - (a.folded === lobby) || byName(a, b));
    const people = all.filter((one) => !one.isRoom).sort(byName);
    const hadFocus = document.activeElement?.closest?.('#room-list, #people-list') && document.activeElement.dataset.name;
    fill($('room-list'), rooms.map((one) => this.#item(one, current)));
    fill($('people-list'), people.map((one) => this.#item(one, current)));
    $('people-hint').hidden = people.length > 0;
    // The list is made anew; the keyboard stays where it was.
    if (hadFocus) [...document.querySelectorAll('#sidebar .room')].find((one) => one.dataset.name === hadFocus)?.focus({ preventScroll: true });
    const elsewhere = all.filter((one) => one !== current).reduce((sum, one) => sum + one.unread, 0);
    $('drawer-count').hidden = elsewhere === 0;
    $('drawer-count').textContent = elsewhere > 99 ? '99+' : String(elsewhere);
  }

  updateMe() {
    const { nick, account, away } = this.client.chat.me;
    const shown = nick || this.client.wanted;
    const says = away ? 'Away' : account ? `Logged in as ${account}` : 'Guest';
    fill($('me'), avatar(shown), h('span', { class: 'who' }, h('span', { class: 'sr-only' }, 'You are '), bdi(shown, { class: 'name' }), ' ', h('span', { class: away ? 'says away' : 'says' }, says)));
  }
}

/** In the title of the tab: how much is for one. */
export function title(conversations, current, network) {
  const forMe = conversations.reduce((sum, one) => sum + one.mentions, 0);
  const name = current ? `${oneLine(current.name, 60)} · ` : '';
  return `${forMe > 0 ? `(${forMe}) ` : ''}${name}${network}`;
}

// The page as a whole: which conversation is shown, and what is drawn again when the chat has changed.
// It must never draw more often than once a frame.

import { Client } from '../client/client.js';
import { isCommand, run } from '../client/commands.js';
import { Memory } from '../client/memory.js';
import { asRoom, fold } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { Actions } from './actions.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import * as dialogs from './dialogs.js';
import { $, fill } from './dom.js';
import { listenToKeys } from './keys.js';
import { Log, showTyping } from './log.js';
import { Members } from './members.js';
import { listen as listenToMenus, toast } from './menu.js';
import { announce, bdi } from './message.js';
import { notify } from './notify.js';
import { Rooms, title } from './rooms.js';
import { Search } from './search.js';
import { Welcome } from './welcome.js';

const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;

class App {
  #current = null;
  #dirty = new Set();
  #frame = 0;
  #typingTimer = null;
  #background = false;

  constructor() {
    this.memory = new Memory();
    this.setTheme(this.memory.get('theme', 'auto'));
    this.client = new Client({ url, memory: this.memory });
    this.client.chat.isBeingRead = (conversation) => this.#isBeingRead(conversation);
    this.actions = new Actions(this);
    const [client, memory] = [this.client, this.memory];
    const actions = this.#partActions();
    this.welcome = new Welcome({ memory, enter: (who) => this.enter(who) });
    this.rooms = new Rooms({ client, actions });
    this.log = new Log({ client, actions });
    this.members = new Members({ client, actions });
    this.composer = new Composer({ client, memory, actions });
    this.finder = new Search({ client, actions });
    this.banner = new Banner({ client });
    client.on((what, detail) => this.#changed(what, detail));
    this.#listen();
    const nick = memory.get('nick');
    if (nick) {
      client.isReturning = true;
      // Who has an account is asked for its password; others are in at once.
      this.enter({ nick });
    } else {
      this.welcome.show();
    }
  }

  /** What the parts may have the whole do. */
  #partActions() {
    const { actions } = this;
    return {
      show: (conversation) => this.show(conversation),
      read: () => this.#read(),
      sent: () => this.log.window.toEnd(),
      select: () => this.log.select(-1),
      say: (text) => toast(text),
      command: (text, conversation) => this.#command(text, conversation),
      goTo: (name, msgid) => this.#goTo(name, msgid),
      leave: (conversation) => actions.leave(conversation),
      rejoin: (conversation) => actions.rejoin(conversation),
      person: (...all) => actions.person(...all),
      room: (name) => actions.room(name),
      react: (...all) => actions.react(...all),
      pick: (...all) => actions.pick(...all),
      more: (...all) => actions.more(...all),
      reply: (...all) => actions.reply(...all),
      copy: (entry) => actions.copy(entry),
      redact: (...all) => actions.redact(...all),
    };
  }

  #listen() {
    listenToMenus();
    listenToKeys(this);
    const on = (id, act) => $(id).addEventListener('click', (event) => act(event.currentTarget));
    on('add-room', () => this.findRoom());
    on('add-person', () => dialogs.person({ talk: (nick) => this.actions.talk(nick) }));
    on('me', (at) => this.actions.me(at));
    on('show-search', () => this.search());
    on('show-members', () => this.#side($('side').dataset.shows === 'members' ? null : 'members', true));
    on('close-side', () => this.#usualSide());
    on('close-members', () => this.#side(null, true));
    on('room-name', (at) => this.actions.room_menu(this.#current, at));
    on('show-help', () => dialogs.help());
    on('drawer', () => this.drawer(true));
    on('scrim', () => this.closeOverlays());
    // What stands beside the conversation on a wide screen would cover it on a narrow one.
    matchMedia('(max-width: 900px)').addEventListener('change', () => {
      this.drawer(false);
      if (this.#current) this.#usualSide();
    });
    document.addEventListener('visibilitychange', () => this.#read());
    addEventListener('focus', () => this.#read());
    addEventListener('hashchange', () => {
      const name = this.#hashRoom();
      if (name && this.client.session?.isReady) this.actions.room(name);
    });
  }

  #hashRoom() {
    try {
      const name = decodeURIComponent(location.hash.slice(1));
      return name === '' ? null : asRoom(name);
    } catch {
      return null;
    }
  }

  current() {
    return this.#current;
  }

  enter(who) {
    const room = this.#hashRoom();
    this.client.enter({ ...who, rooms: room ? [room] : [] });
  }

  leave() {
    this.client.leave();
    location.hash = '';
    location.reload();
  }

  setTheme(name) {
    this.memory.set('theme', name);
    if (name === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  }

  show(conversation, { focus = true } = {}) {
    const isOther = conversation !== this.#current;
    if (isOther) {
      this.#current = conversation;
      conversation.shownMarker = conversation.unread > 0 ? conversation.marker : null;
      this.memory.set('last', conversation.name);
      if (conversation.isRoom) history.replaceState(null, '', conversation.name === this.client.lobby ? location.pathname : `#${encodeURIComponent(conversation.name.slice(1))}`);
      else history.replaceState(null, '', location.pathname);
    }
    this.closeOverlays();
    if (isOther && $('side').dataset.shows !== 'search') this.#usualSide();
    this.#touch('all');
    this.#draw();
    if (conversation.timeline.entries.length === 0) this.client.history.older(conversation).catch(() => {});
    if (focus) this.composer.focus();
  }

  findRoom() {
    if (!this.client.session?.isReady) {
      toast('Not connected: try again when the connection is back.', { isProblem: true });
      return;
    }
    dialogs.rooms({ client: this.client, join: (name) => this.actions.join(name) });
  }

  search() {
    this.#side('search');
    this.finder.open(this.#current);
  }

  /** `members`, `search`, or null. */
  #side(what, isChosen = false) {
    const side = $('side');
    side.dataset.shows = what ?? '';
    side.hidden = what === null;
    $('members-part').hidden = what !== 'members';
    $('search-part').hidden = what !== 'search';
    $('show-members').setAttribute('aria-expanded', String(what === 'members'));
    $('show-search').setAttribute('aria-expanded', String(what === 'search'));
    document.body.classList.toggle('has-side', what !== null);
    if (innerWidth > 900 && isChosen) this.memory.set('side', what === 'members' ? 'members' : 'none');
    this.#scrim();
    this.#touch('members');
  }

  drawer(isOpen) {
    document.body.classList.toggle('has-drawer', isOpen);
    $('drawer').setAttribute('aria-expanded', String(isOpen));
    this.#scrim();
    if (isOpen) document.querySelector('#room-list [aria-current]')?.focus();
  }

  #scrim() {
    $('scrim').hidden = !document.body.classList.contains('has-drawer') && !(document.body.classList.contains('has-side') && innerWidth <= 900);
  }

  /** What covers the conversation on a phone; false: nothing did. */
  closeOverlays() {
    const isNarrow = innerWidth <= 900;
    const had = document.body.classList.contains('has-drawer') || (isNarrow && !$('side').hidden);
    this.drawer(false);
    if (isNarrow && !$('side').hidden) this.#side(null);
    return had;
  }

  closeSide() {
    if ($('side').hidden || $('side').dataset.shows !== 'search') return false;
    this.#usualSide();
    return true;
  }

  /** Who is there, where there is room for it and somebody to show, unless one has closed it. */
  #usualSide() {
    const isShown = innerWidth > 900 && this.#current?.isRoom && this.memory.get('side', 'members') === 'members';
    this.#side(isShown ? 'members' : null);
  }

  async #goTo(name, msgid) {
    const conversation = this.client.chat.find(name);
    if (!conversation) return;
    this.show(conversation, { focus: false });
    await this.log.jump(msgid);
  }

  async #command(text, conversation) {
    try {
      const { show, text: says, help, quit } = await run(text, { client: this.client, conversation });
      if (show) this.show(show);
      if (says) toast(says);
      if (help) dialogs.help();
      if (quit) this.leave();
    } catch (error) {
      toast(error.message, { isProblem: true });
      // What was typed is not lost, unless something else is there by now.
      if ($('text').value === '' && isCommand(text)) this.composer.insert(text);
    }
  }

  #isBeingRead(conversation) {
    return conversation === this.#current && this.log.isAtEnd && document.visibilityState === 'visible' && document.hasFocus();
  }

  #read() {
    if (this.#current && this.#isBeingRead(this.#current)) this.client.markRead(this.#current);
    if (document.hidden) this.#background = true;
    else if (this.#background && this.#current) {
      this.#background = false;
      if (this.#current.unread === 0) return;
      this.#current.shownMarker = this.#current.marker;
      this.#touch('entries');
    }
  }

  #touch(...what) {
    what.forEach((one) => this.#dirty.add(one));
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
    // Nothing is drawn in a tab that nobody sees; its title still counts.
    if (document.hidden) this.#title();
  }

  #changed(what, detail) {
    const isCurrent = detail === this.#current;
    if (what === 'welcome') {
      this.#forgetScreen();
      this.welcome.show(detail);
    } else if (what === 'entered') this.#entered();
    else if (what === 'status') this.#status();
    else if (what === 'notice') toast(detail.text, { isProblem: detail.isProblem });
    else if (what === 'incoming') this.#incoming(detail);
    else if (what === 'invited') toast(`${oneLine(detail.by)} invites you to ${oneLine(detail.room)}.`, { action: { text: 'Join', act: () => this.actions.room(detail.room) } });
    else if (what === 'left') this.#left(detail);
    else if (what === 'caught-up' && isCurrent) this.#caughtUp(detail);
    else if (what === 'me') this.#touch('me', 'entries');
    else if (['entries', 'members', 'typing', 'marked'].includes(what)) {
      if (isCurrent) this.#touch(what);
      if (!isCurrent && what === 'entries') this.#touch('rooms');
      if (what === 'members' && detail && !detail.isRoom) this.#touch('rooms');
    }
    if (what === 'rooms' || what === 'joined') this.#touch('rooms', 'entries');
  }

  #forgetScreen() {
    this.#current = null;
  }

  #entered() {
    this.welcome.hide();
    const wanted = this.#hashRoom() ?? this.memory.get('last') ?? this.client.lobby;
    const all = [...this.client.chat.conversations.values()];
    const next = this.#current ?? this.client.chat.find(wanted) ?? all.find((one) => one.isRoom) ?? all[0];
    if (this.#current === null) {
      this.show(next);
    }
    this.#touch('all');
  }

  #status() {
    this.banner.update();
    if (this.client.link.state === 'waiting') this.welcome.waiting('The server does not answer. Trying again…');
    this.#touch('rooms', 'entries');
  }

  #incoming({ conversation, entry }) {
    this.#touch('rooms', ...(conversation === this.#current ? ['entries'] : []));
    if (conversation === this.#current) announce(`${oneLine(entry.nick)}: ${oneLine(entry.text)}`);
    const isForMe = entry.mentionsMe || !conversation.isRoom;
    if (isForMe && !this.#isBeingRead(conversation)) {
      notify({ conversation, entry }, { isOn: this.memory.get('notify', true), show: (one) => this.show(one) });
      if (conversation !== this.#current) announce(`In ${oneLine(conversation.name)}, ${oneLine(entry.nick)}: ${oneLine(entry.text)}`);
    }
  }

  #left({ name, text }) {
    if (text) toast(text, { isProblem: true });
    if (this.#current && fold(name) === this.#current.folded && !text) {
      const next = [...this.client.chat.conversations.values()][0] ?? this.client.chat.open(this.client.lobby);
      this.show(next);
    }
  }

  #caughtUp(conversation) {
    if (conversation.unread > 0 && conversation.shownMarker === null) conversation.shownMarker = conversation.marker;
    this.#touch('entries');
  }

  #title() {
    const network = this.client.chat.isupport.get('NETWORK')?.replace(/\\x20/g, ' ') || 'Switchboard';
    document.title = title([...this.client.chat.conversations.values()], this.#current, network);
    $('network').textContent = network;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const conversation = this.#current;
    if (!conversation) return;
    const isAll = dirty.has('all');
    if (isAll || dirty.has('entries') || dirty.has('marked')) this.log.update(conversation);
    if (isAll || dirty.has('members')) this.#drawHead(conversation);
    if (isAll || dirty.has('rooms')) this.composer.update(conversation);
    if (isAll || dirty.has('typing')) this.#drawTyping(conversation);
    this.banner.update();
    this.rooms.update(conversation);
    this.rooms.updateMe();
    this.#title();
  }

  #drawHead(conversation) {
    const { name, topic, isRoom } = conversation;
    fill($('room-name'), bdi(name));
    const user = this.client.chat.users.get(conversation.folded);
    const presence = user ? (user.away ? `Away${user.awayText && user.awayText !== 'away' ? `: ${user.awayText}` : ''}` : 'Here') : 'Not here now';
    fill($('topic'), bdi(oneLine(isRoom ? topic : presence, 400)));
    $('topic').title = oneLine(isRoom ? topic : presence, 400);
    $('show-members').hidden = !isRoom;
    if ($('side').dataset.shows === 'members' && isRoom) {
      this.client.members(conversation);
      this.members.update(conversation);
    }
    $('member-count').textContent = String(conversation.members.size);
  }

  #drawTyping(conversation) {
    clearTimeout(this.#typingTimer);
    const next = showTyping(conversation);
    if (next !== null) this.#typingTimer = setTimeout(() => this.#touch('typing'), next - Date.now() + 20);
  }
}

globalThis.switchboard = new App();

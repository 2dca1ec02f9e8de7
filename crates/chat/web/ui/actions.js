// What one can do with a person, a message, a room, and with oneself: the menus, and what their items do.
// It must never do anything that cannot be undone without asking first.

import { isSame } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import * as dialogs from './dialogs.js';
import { openMenu, openPicker, toast } from './menu.js';
import { askToNotify, permission } from './notify.js';

const problem = (error) => toast(error.message, { isProblem: true });

async function ask(client, command, params) {
  const answer = await client.session.request(command, params, { quiet: true });
  const refused = answer.find((line) => line.command === 'FAIL' || /^[45]\d\d$/.test(line.command));
  if (refused) throw new Error(refused.params.at(-1));
  answer.forEach((line) => client.chat.apply(line));
  return answer;
}

/** `app`: `{ client, memory, composer, show(conversation), current() }`. */
export class Actions {
  constructor(app) {
    this.app = app;
    this.client = app.client;
  }

  /** Something that needs a connection, with its problem shown if it fails. */
  async #try(work) {
    try {
      if (!this.client.session?.isReady) throw new Error('Not connected: try again when the connection is back.');
      return await work();
    } catch (error) {
      problem(error);
      return null;
    }
  }

  talk(nick) {
    this.app.show(this.client.talk(nick));
  }

  async join(name) {
    if (!this.client.session?.isReady) throw new Error('not connected');
    const conversation = await this.client.join(name);
    if (conversation) this.app.show(conversation);
  }

  room(name) {
    this.#try(() => this.join(name));
  }

  rejoin(conversation) {
    this.#try(() => this.client.join(conversation.name));
  }

  leave(conversation) {
    if (!conversation.isRoom) {
      this.client.close(conversation);
      return;
    }
    if (conversation.isJoined) this.#try(() => this.client.close(conversation));
    else this.client.close(conversation);
  }

  person(nick, at) {
    const room = this.app.current();
    const isMe = this.client.chat.isMe(nick);
    const rules = room?.isRoom && room.isOperator(this.client.chat.me.nick) && !isMe && room.roleOf(nick) !== undefined && room.members.has(nick.toLowerCase());
    const isOperator = room?.isOperator(nick);
    openMenu(at, `With ${oneLine(nick)}`, [
      { title: oneLine(nick, 40) },
      !isMe && { text: 'Write to them alone', act: () => this.talk(nick) },
      !isMe && { text: 'Mention them', act: () => this.app.composer.insert(`${nick} `) },
      { text: 'Who is this?', act: () => this.whois(nick) },
      rules && { text: isOperator ? 'Not an operator any more' : 'Make an operator', act: () => this.#try(() => ask(this.client, 'MODE', [room.name, isOperator ? '-o' : '+o', nick])) },
      rules && { text: 'Put out of the room', isDanger: true, act: () => this.#confirm(`Put ${oneLine(nick)} out?`, `They can come back to ${oneLine(room.name)}.`, 'Put out', () => ask(this.client, 'KICK', [room.name, nick])) },
      rules && { text: 'Ban from the room', isDanger: true, act: () => this.#confirm(`Ban ${oneLine(nick)}?`, `They are put out of ${oneLine(room.name)} and cannot come back under this name until somebody lets them in.`, 'Ban', () => this.#ban(room, nick)) },
    ]);
  }

  async #ban(room, nick) {
    await ask(this.client, 'MODE', [room.name, '+b', `${nick}!*@*`]);
    await ask(this.client, 'KICK', [room.name, nick]);
  }

  #confirm(title, text, action, act) {
    dialogs.confirm({ title, text, action, act });
  }

  whois(nick) {
    this.#try(async () => {
      const answer = await ask(this.client, 'WHOIS', [nick]);
      const lines = answer.filter(({ command }) => !['318', '338'].includes(command)).map(({ params }) => params.slice(2).join(' '));
      toast([nick, ...lines].join('\n'));
    });
  }

  pick(conversation, entry, at) {
    openPicker(at, (emoji) => this.react(conversation, entry, emoji));
  }

  react(conversation, entry, emoji) {
    this.#try(() => this.client.react(conversation, entry, emoji));
  }

  reply(conversation, entry) {
    if (entry.msgid && !entry.redacted) this.app.composer.reply(entry);
  }

  async copy(entry) {
    try {
      await navigator.clipboard.writeText(entry.text);
      toast('Copied.');
    } catch {
      toast('The browser does not let this page copy.', { isProblem: true });
    }
  }

  redact(conversation, entry) {
    if (!this.client.mayRedact(conversation, entry)) {
      toast(entry.mine ? 'To take back what you wrote you need an account: then the server knows that it was you.' : 'Only operators can take back what others wrote.', { isProblem: true });
      return;
    }
    dialogs.confirm({
      title: 'Take this message back?', text: `“${oneLine(entry.text, 120)}” will be gone for everybody.`, action: 'Take it back',
      act: async () => {
        const answer = await this.client.redact(conversation, entry);
        const refused = answer.find((line) => line.command === 'FAIL');
        if (refused) throw new Error(refused.params.at(-1));
      },
    });
  }

  more(conversation, entry, at) {
    openMenu(at, 'With this message', [
      { text: 'Reply', act: () => this.reply(conversation, entry) },
      { text: 'React', act: () => this.pick(conversation, entry, at) },
      { text: 'Copy the text', act: () => this.copy(entry) },
      !entry.mine && { text: `Write to ${oneLine(entry.nick, 30)} alone`, act: () => this.talk(entry.nick) },
      (entry.mine || this.client.mayRedact(conversation, entry)) && { text: 'Take it back', isDanger: true, act: () => this.redact(conversation, entry) },
    ]);
  }

  room_menu(conversation, at) {
    openMenu(at, `With ${oneLine(conversation.name)}`, [
      conversation.isRoom && { text: 'Change the topic', act: () => dialogs.topic({ client: this.client, conversation }) },
      { text: 'Search here', act: () => this.app.search() },
      { text: conversation.isRoom ? 'Leave this room' : 'Close this talk', act: () => this.leave(conversation) },
    ]);
  }

  me(at) {
    const { client, memory } = this.app;
    const { me } = client.chat;
    const mayRegister = client.session?.has('draft/account-registration');
    const now = permission();
    const isNotifying = now === 'granted' && memory.get('notify', true);
    const theme = memory.get('theme', 'auto');
    openMenu(at, 'You', [
      { text: 'Change your name', act: () => dialogs.name({ client }) },
      { text: me.away ? 'Say that you are back' : 'Say that you are away', act: () => client.away(me.away ? '' : 'away') },
      me.account === null && { text: 'Log in', act: () => dialogs.logIn({ client }) },
      me.account === null && mayRegister && { text: 'Make an account', act: () => dialogs.register({ client }) },
      { title: 'This browser' },
      now !== 'impossible' && { text: isNotifying ? 'Do not notify me' : 'Notify me of mentions', act: () => this.#toggleNotify(isNotifying) },
      ...[['auto', 'Light or dark like the system'], ['light', 'Light'], ['dark', 'Dark']].filter(([name]) => name !== theme).map(([name, text]) => ({ text, act: () => this.app.setTheme(name) })),
      { text: 'Keys and commands', act: () => dialogs.help() },
      { text: 'Leave the chat', isDanger: true, act: () => dialogs.confirm({ title: 'Leave the chat?', text: 'This browser forgets your name, your rooms and your drafts. What you said stays.', action: 'Leave', act: () => this.app.leave() }) },
    ]);
  }

  async #toggleNotify(isOn) {
    const { memory } = this.app;
    memory.set('notify', !isOn);
    if (isOn) return;
    const answer = await askToNotify();
    if (answer === 'granted') toast('You will be told of messages for you while you look elsewhere.');
    else toast('The browser does not let this page notify you: its settings for this site decide.', { isProblem: true });
  }

  isOwn(nick) {
    return isSame(nick, this.client.chat.me.nick);
  }
}

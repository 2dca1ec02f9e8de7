// The questions that the page asks in a dialog: which room, whom to write to, name, password, help.
// It must never keep a password: it hands it on and forgets the field.

import { commands } from '../client/commands.js';
import { asNick, asRoom } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $, fill, h, iconButton } from './dom.js';
import { bdi } from './message.js';

/** Opens the dialog with a form; `submit(values)` may throw a sentence, which is shown in it. */
function open({ title, content, submit = null, action = 'OK', className = '' }) {
  const dialog = $('dialog');
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = submit && h('button', { type: 'submit', class: 'button primary' }, action);
  const form = h('form', { class: className }, h('header', {}, h('h2', { id: 'dialog-title' }, title), iconButton('close', 'Close', () => dialog.close())), content, problem,
    button && h('div', { class: 'actions' }, button));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (!submit) return;
    problem.textContent = '';
    button.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      problem.textContent = oneLine(error.message);
    } finally {
      button.disabled = false;
    }
  });
  fill(dialog, form);
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector('[autofocus]') ?? dialog.querySelector('input') ?? dialog.querySelector('header button')).focus();
  return form;
}

function field(label, attributes, hint = '') {
  return h('label', { class: 'field' }, h('span', {}, label), h('input', { autocomplete: 'off', spellcheck: 'false', ...attributes }), hint && h('small', {}, hint));
}

/** The rooms of the server, and the way to a new one. */
export function rooms({ client, join }) {
  const list = h('ul', { class: 'directory' });
  const input = h('input', { name: 'room', autocomplete: 'off', spellcheck: 'false', 'aria-label': 'Name of the room', placeholder: 'Find a room, or name a new one', autofocus: true, maxlength: '60' });
  let known = [];
  const show = () => {
    const wanted = asRoom(input.value).toLowerCase();
    const found = known.filter(({ name }) => name.toLowerCase().includes(wanted.replace(/^#/, '')));
    const isNew = wanted.length > 1 && !known.some(({ name }) => name.toLowerCase() === wanted);
    const choose = (name) => () => join(name).then(() => $('dialog').close(), (error) => (list.previousSibling.textContent = oneLine(error.message)));
    fill(list, found.slice(0, 200).map(({ name, count, topic }) => h('li', {}, h('button', { type: 'button', onclick: choose(name) },
      bdi(name, { class: 'name' }), h('span', { class: 'says' }, `${count} ${count === 1 ? 'person' : 'people'}`), topic ? bdi(oneLine(topic, 120), { class: 'says topic' }) : null))),
    isNew ? h('li', {}, h('button', { type: 'button', class: 'make', onclick: choose(asRoom(input.value)) }, 'Make the room ', bdi(asRoom(input.value), { class: 'name' }))) : null);
  };
  input.addEventListener('input', show);
  open({
    title: 'Rooms', className: 'tall', content: [input, h('p', { class: 'problem', role: 'alert' }), list], action: 'Join',
    submit: async ({ room }) => {
      if (room.trim() === '') throw new Error('which room?');
      await join(asRoom(room));
    },
  });
  client.session.request('LIST', [], { quiet: true }).then((answer) => {
    known = answer.filter(({ command }) => command === '322').map(({ params }) => ({ name: params[1], count: Number(params[2]), topic: params[3] ?? '' }));
    known.sort((a, b) => b.count - a.count);
    show();
  }, () => {});
}

export function person({ talk }) {
  open({
    title: 'Write to somebody', action: 'Write', content: field('Their name', { name: 'nick', required: true, maxlength: '32', autofocus: true }, 'Or choose somebody in the list of a room.'),
    submit: ({ nick }) => talk(asNick(nick)),
  });
}

export function name({ client }) {
  open({
    title: 'Your name', action: 'Change', content: field('Others see you as', { name: 'nick', value: client.chat.me.nick, required: true, maxlength: '32', autofocus: true }, 'Letters, digits and - _ without spaces.'),
    submit: ({ nick }) => client.rename(asNick(nick)),
  });
}

export function topic({ client, conversation }) {
  open({
    title: `What ${oneLine(conversation.name)} is about`, action: 'Set', content: field('Topic', { name: 'topic', value: conversation.topic, maxlength: '300', autofocus: true }),
    submit: async ({ topic: text }) => {
      const answer = await client.session.request('TOPIC', [conversation.name, text.trim()], { quiet: true });
      const problem = answer.find(({ command }) => command === 'FAIL' || /^[45]\d\d$/.test(command));
      if (problem) throw new Error(problem.params.at(-1));
      answer.forEach((line) => client.chat.apply(line));
    },
  });
}

export function logIn({ client, account = '' }) {
  open({
    title: 'Log in', action: 'Log in', content: [
      field('Account', { name: 'account', value: account || client.memory.get('account', ''), required: true, autocomplete: 'username', autofocus: true }),
      field('Password', { name: 'password', type: 'password', required: true, autocomplete: 'current-password' }),
    ],
    submit: ({ account: as, password }) => client.logIn(as, password),
  });
}

export function register({ client }) {
  open({
    title: 'Make an account', action: 'Make it', content: [
      h('p', {}, 'Your name is then yours alone, what you have read is the same on all your devices, and you can take back what you wrote.'),
      field('Name', { name: 'account', value: client.chat.me.nick, required: true, autocomplete: 'username' }),
      field('Password', { name: 'password', type: 'password', required: true, minlength: '8', autocomplete: 'new-password', autofocus: true }, 'At least 8 characters. There is no way to recover it.'),
    ],
    submit: ({ account, password }) => client.register(asNick(account), password),
  });
}

export function confirm({ title, text, action, act }) {
  open({ title, content: h('p', {}, text), action, submit: act });
}

const KEYS = [
  ['Enter', 'send; with Shift a new line'], ['↑', 'in an empty text: choose a message'], ['R E C', 'at a chosen message: reply, react, copy'],
  ['Delete', 'at a chosen message: take it back'], ['M', 'at a chosen message: all that can be done'], ['Tab', 'complete a name, a room, a command'],
  ['Alt ↑ ↓', 'the room above or below'], ['Alt Shift ↑ ↓', 'the next room with something new'], ['Ctrl K', 'go to a room, or make one'],
  ['Ctrl F', 'search what was said'], ['Esc', 'close, cancel, back to the text; then to the newest'], ['?', 'this help (outside the text)'],
];

export function help() {
  const host = location.hostname;
  const port = location.port || (location.protocol === 'https:' ? '443' : '80');
  const rows = (list) => h('dl', {}, list.map(([key, says]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, says)]));
  open({
    title: 'Help', className: 'wide', content: h('div', { class: 'help', tabindex: '0', role: 'region', 'aria-label': 'Help' },
      h('h3', {}, 'Keys'), rows(KEYS),
      h('h3', {}, 'Commands'), rows(commands.map(({ usage, says }) => [usage, says])),
      h('h3', {}, 'Other programs'), h('p', {}, `The same rooms are open to any IRC client (host ${host}, port ${port}), and to a plain terminal:`), h('pre', {}, h('code', {}, `nc ${host} ${port}`))),
  });
}

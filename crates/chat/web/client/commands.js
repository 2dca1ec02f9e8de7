// What one can type behind a slash: which commands there are, and what each has the client do.
// It must never send a line that nobody asked for: an unknown command is explained, not said aloud.

import { asRoom, isRoom } from '../model/names.js';

const words = (text, count) => {
  const found = text.trim().split(/\s+/);
  if (found.length <= count) return found.filter(Boolean);
  const head = found.slice(0, count - 1);
  let rest = text.trim();
  head.forEach((word) => (rest = rest.slice(word.length).trimStart()));
  return [...head, rest];
};

const failed = (answer) => answer.find(({ command }) => command === 'FAIL' || /^[45]\d\d$/.test(command));

async function ask(client, command, params) {
  const answer = await client.session.request(command, params, { quiet: true });
  const problem = failed(answer);
  if (problem) throw new Error(problem.params.at(-1));
  return answer;
}

function needsRoom(conversation) {
  if (!conversation?.isRoom) throw new Error('this works in a room');
  return conversation.name;
}

function needs(argument, usage) {
  if (!argument) throw new Error(`say it like this: ${usage}`);
  return argument;
}

function mode(sign) {
  return async ({ client, conversation, rest, name }) => {
    const [nick] = words(rest, 1);
    await ask(client, 'MODE', [needsRoom(conversation), sign, needs(nick, `/${name} NAME`)]);
  };
}

const COMMANDS = [
  {
    name: 'join', usage: '/join #room', says: 'go into a room, or make it',
    run: async ({ client, rest }) => {
      const [room, key] = words(rest, 2);
      const found = await client.join(asRoom(needs(room, '/join #room')), key);
      return { show: found };
    },
  },
  {
    name: 'part', usage: '/part', says: 'leave this room, or close this talk',
    run: ({ client, conversation, rest }) => client.close((rest.trim() && client.chat.find(asRoom(rest))) || conversation),
  },
  {
    name: 'msg', usage: '/msg NAME text', says: 'write to one person',
    run: ({ client, rest }) => {
      const [nick, text] = words(rest, 2);
      const talk = isRoom(needs(nick, '/msg NAME text')) ? client.chat.find(nick) : client.talk(nick);
      if (!talk) throw new Error(`you are not in ${nick}: /join it first`);
      if (text) client.outbox.post(talk, text);
      return { show: talk };
    },
  },
  {
    name: 'me', usage: '/me waves', says: 'say what you do',
    run: ({ client, conversation, rest }) => client.outbox.post(conversation, needs(rest.trim(), '/me waves'), { kind: 'action' }),
  },
  {
    name: 'nick', usage: '/nick NAME', says: 'be called otherwise',
    run: async ({ client, rest }) => {
      const [nick] = words(rest, 1);
      await client.rename(needs(nick, '/nick NAME'));
    },
  },
  {
    name: 'topic', usage: '/topic text', says: 'set what this room is about',
    run: async ({ client, conversation, rest }) => {
      const room = needsRoom(conversation);
      if (rest.trim() === '') return { text: conversation.topic || 'There is no topic.' };
      await ask(client, 'TOPIC', [room, rest.trim()]);
      return {};
    },
  },
  { name: 'away', usage: '/away lunch', says: 'say that you are not there; empty again: back', run: ({ client, rest }) => client.away(rest.trim() || (client.chat.me.away ? '' : 'away')) },
  { name: 'back', usage: '/back', says: 'you are there again', run: ({ client }) => client.away('') },
  {
    name: 'invite', usage: '/invite NAME', says: 'ask somebody into this room',
    run: async ({ client, conversation, rest }) => {
      const nick = needs(words(rest, 1)[0], '/invite NAME');
      await ask(client, 'INVITE', [nick, needsRoom(conversation)]);
      return { text: `${nick} is invited.` };
    },
  },
  {
    name: 'kick', usage: '/kick NAME why', says: 'put somebody out of this room (operators)',
    run: async ({ client, conversation, rest }) => {
      const [nick, why] = words(rest, 2);
      await ask(client, 'KICK', [needsRoom(conversation), needs(nick, '/kick NAME why'), ...(why ? [why] : [])]);
    },
  },
  {
    name: 'ban', usage: '/ban NAME', says: 'keep somebody out; a name, or nick!user@host with * (operators)',
    run: async ({ client, conversation, rest }) => {
      const who = needs(words(rest, 1)[0], '/ban NAME');
      await ask(client, 'MODE', [needsRoom(conversation), '+b', /[!@*~]/.test(who) ? who : `${who}!*@*`]);
    },
  },
  {
    name: 'unban', usage: '/unban NAME', says: 'let somebody in again (operators)',
    run: async ({ client, conversation, rest }) => {
      const who = needs(words(rest, 1)[0], '/unban NAME');
      await ask(client, 'MODE', [needsRoom(conversation), '-b', /[!@*~]/.test(who) ? who : `${who}!*@*`]);
    },
  },
  { name: 'op', usage: '/op NAME', says: 'make somebody an operator', run: mode('+o') },
  { name: 'deop', usage: '/deop NAME', says: 'take that back', run: mode('-o') },
  { name: 'voice', usage: '/voice NAME', says: 'let somebody speak in a moderated room', run: mode('+v') },
  {
    name: 'mode', usage: '/mode +i', says: 'change how this room works',
    run: async ({ client, conversation, rest }) => {
      await ask(client, 'MODE', [needsRoom(conversation), ...words(rest, 4)]);
    },
  },
  {
    name: 'whois', usage: '/whois NAME', says: 'ask who somebody is',
    run: async ({ client, rest }) => {
      const nick = needs(words(rest, 1)[0], '/whois NAME');
      const answer = await ask(client, 'WHOIS', [nick]);
      return { text: answer.filter(({ command }) => command !== '318').map(({ params }) => params.slice(2).join(' ')).join('\n') };
    },
  },
  { name: 'help', usage: '/help', says: 'this list, and the keys', run: () => ({ help: true }) },
  { name: 'quit', usage: '/quit', says: 'leave, and be forgotten by this browser', run: () => ({ quit: true }) },
];

const ALIASES = { j: 'join', leave: 'part', close: 'part', query: 'msg', dm: 'msg', name: 'nick', w: 'whois' };

export const commands = COMMANDS.map(({ name, usage, says }) => ({ name, usage, says }));

/** Whether a text is a command. `//text` is the message `/text`, and `/usr/bin` is a message, too. */
export const isCommand = (text) => /^\/(?!\/)[a-z]*(\s|$)/i.test(text);

/** The message that a text is which is no command. */
export const asMessage = (text) => (text.startsWith('//') ? text.slice(1) : text);

/**
 * Runs `/name rest`; gives what to show: `{ show: conversation }`, `{ text }`, `{ help }`, `{ quit }`.
 * Throws with a sentence for people.
 */
export async function run(text, { client, conversation }) {
  const [, typed, rest] = /^\/(\S*)\s*([\s\S]*)$/.exec(text);
  const name = ALIASES[typed.toLowerCase()] ?? typed.toLowerCase();
  const command = COMMANDS.find((one) => one.name === name);
  if (!command) throw new Error(`There is no command /${typed}. /help lists them; to send it as a message, write //${typed}.`);
  const isLocal = ['help', 'quit', 'me', 'part', 'msg'].includes(name);
  if (!isLocal && !client.session?.isReady) throw new Error('not connected: try again when the connection is back');
  return (await command.run({ client, conversation, rest, name })) ?? {};
}

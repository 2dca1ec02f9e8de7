// An IRC client on a plain socket: somebody in the room who uses another program.
// It must never share code with the page, or both could be wrong in the same way.

import { connect } from 'node:net';
import { once } from 'node:events';

export class Irc {
  static async join(port, nick, room = '#lobby', caps = 'message-tags server-time echo-message') {
    const irc = new Irc();
    irc.nick = nick;
    irc.lines = [];
    irc.waiting = [];
    irc.socket = connect(port, '127.0.0.1');
    irc.socket.setNoDelay(true);
    irc.socket.on('error', () => {});
    await once(irc.socket, 'connect');
    let rest = '';
    irc.socket.setEncoding('utf8').on('data', (data) => {
      const lines = (rest + data).split('\r\n');
      rest = lines.pop();
      lines.forEach((line) => irc.#take(line));
    });
    irc.say('CAP LS 302', `NICK ${nick}`, `USER ${nick} 0 * :${nick}`, `CAP REQ :${caps}`, 'CAP END');
    await irc.heard(/ (376|422) /);
    if (room) {
      irc.say(`JOIN ${room}`);
      await irc.heard(/ 366 /);
    }
    return irc;
  }

  #take(line) {
    if (line.startsWith('PING')) this.say(line.replace('PING', 'PONG'));
    this.lines.push(line);
    this.waiting = this.waiting.filter(({ pattern, resolve }) => {
      if (!pattern.test(line)) return true;
      resolve(line);
      return false;
    });
  }

  say(...lines) {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** The next line of this kind, or one that came before. */
  async heard(pattern, ms = 10_000) {
    const known = this.lines.find((line) => pattern.test(line));
    if (known) return known;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.nick} never heard ${pattern}; the last lines: ${this.lines.slice(-5).join('\n')}`)), ms);
      this.waiting.push({ pattern, resolve: (line) => (clearTimeout(timer), resolve(line)) });
    });
  }

  /** The texts of all messages so far, in order. */
  texts(room = '#lobby') {
    return this.lines.map((line) => line.match(/ PRIVMSG (\S+) :?(.*)$/)).filter((match) => match?.[1] === room).map((match) => match[2]);
  }

  close() {
    this.socket.destroy();
  }
}

/** Many at once, a few at a time. */
export async function crowd(port, count, room, name = (number) => `guest${number}`) {
  const all = [];
  for (let start = 0; start < count; start += 25) {
    const some = Array.from({ length: Math.min(25, count - start) }, (_, index) => Irc.join(port, name(start + index), room));
    all.push(...(await Promise.all(some)));
  }
  return all;
}

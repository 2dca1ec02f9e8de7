// Names: which are the same, which are rooms, what a new visitor could be called.
// It must never ask anybody: the server has the last word on every name.

/** `CASEMAPPING=ascii`, the server's: A–Z are a–z, and nothing else is folded. */
export const fold = (name = '') => name.replace(/[A-Z]/g, (c) => c.toLowerCase());

export const isSame = (a, b) => fold(a) === fold(b);

export const isRoom = (name) => name.startsWith('#');

const HOW = ['amber', 'brave', 'calm', 'clever', 'gentle', 'happy', 'kind', 'lucky', 'merry', 'quick', 'quiet', 'sunny', 'swift', 'warm', 'wise'];
const WHO = ['badger', 'crane', 'finch', 'fox', 'hare', 'heron', 'lark', 'lynx', 'otter', 'owl', 'raven', 'robin', 'seal', 'swan', 'wren'];

/** A name for somebody who has none yet. */
export function suggestion(random = Math.random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  return `${pick(HOW)}-${pick(WHO)}`;
}

const NICK_BYTES_MAX = 32;

/** The next name to try when this one is taken: `ada`, `ada-2`, `ada-3` … */
export function another(nick) {
  const [, base, number] = /^(.*?)(?:-(\d+))?$/su.exec(nick);
  const end = `-${Number(number ?? 1) + 1}`;
  let start = base;
  while (new TextEncoder().encode(start + end).length > NICK_BYTES_MAX) start = [...start].slice(0, -1).join('');
  return start + end;
}

/** What somebody typed, as near to a name as it can be: `Ada Lovelace` is `Ada-Lovelace`. */
export function asNick(text) {
  return text.trim().normalize('NFC').replace(/\s+/gu, '-');
}

/** What somebody typed as a room's name. */
export function asRoom(text) {
  const name = text.trim().normalize('NFC').replace(/[\s,]+/gu, '-');
  return name === '' || name.startsWith('#') ? name : `#${name}`;
}

/** A number that stays the same for a name: its colour. */
export function hue(name) {
  let hash = 2166136261;
  for (const c of fold(name)) hash = Math.imul(hash ^ c.codePointAt(0), 16777619);
  return Math.abs(hash) % 360;
}

// A message as pieces to show: text, links, rooms, mentions, code. What a reader sees is decided here.
// It must never make markup: the pieces are data, and whoever shows them uses textContent.

import { links } from './links.js';
import { visible } from './visible.js';

const CODE = /```(?:[a-z0-9+-]*\n)?([\s\S]+?)```|`([^`\n]+)`/g;
const ROOM = /(?<![\p{L}\p{N}_/&#])#[\p{L}\p{N}][\p{L}\p{N}_.-]{0,60}(?<![.-])/gu;

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const mentionCache = new Map();

/** Where somebody is called by name: the whole word, in any case. */
export function mentionPattern(nick) {
  let pattern = mentionCache.get(nick);
  if (!pattern) {
    pattern = new RegExp(`(?<![\\p{L}\\p{N}_])@?${escaped(nick)}(?![\\p{L}\\p{N}_])`, 'giu');
    mentionCache.clear();
    mentionCache.set(nick, pattern);
  }
  pattern.lastIndex = 0;
  return pattern;
}

/** Whether a text calls somebody. */
export function mentions(text, nick) {
  return nick !== '' && mentionPattern(nick).test(text);
}

function split(pieces, pattern, make) {
  return pieces.flatMap((piece) => {
    if (piece.kind !== 'text') return [piece];
    const found = [];
    let done = 0;
    for (const match of piece.text.matchAll(pattern)) {
      if (match.index > done) found.push({ kind: 'text', text: piece.text.slice(done, match.index) });
      found.push(make(match));
      done = match.index + match[0].length;
    }
    if (done < piece.text.length) found.push({ kind: 'text', text: piece.text.slice(done) });
    return found;
  });
}

/** The pieces of a message for a reader who is called `nick`. */
export function pieces(text, nick) {
  let all = visible(text);
  all = split(all, CODE, ([, block, inline]) =>
    block === undefined ? { kind: 'code', text: inline } : { kind: 'block', text: block.replace(/\n$/, '') },
  );
  all = all.flatMap((piece) => (piece.kind === 'text' ? links(piece.text) : [piece]));
  all = split(all, ROOM, ([name]) => ({ kind: 'room', text: name }));
  if (nick !== '') all = split(all, mentionPattern(nick), ([name]) => ({ kind: 'mention', text: name }));
  return all;
}

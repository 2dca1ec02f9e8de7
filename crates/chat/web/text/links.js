// Which parts of a text are addresses that may be opened: http and https, and nothing else.
// It must never make a link of any other scheme, nor show another host than the one that is opened.

/** An address ends at space, quotes, brackets of HTML, and whatever is invisible or turns the direction. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"`\\^{|}\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+/giu;

const CHARS_MAX = 2048;
const PAIRS = { ')': '(', ']': '[' };

/** Without the punctuation of the sentence around it. */
function trimmed(address) {
  let end = address.length;
  for (;;) {
    const last = address[end - 1];
    const open = PAIRS[last];
    const count = (c) => address.slice(0, end).split(c).length;
    const isOfSentence = open ? count(last) > count(open) : /[.,;:!?'*_~…。、]/u.test(last ?? '');
    if (!isOfSentence) return address.slice(0, end);
    end -= 1;
  }
}

/** What an address says, its host as the browser will look it up (punycode), so that look-alikes show. */
function shown(url) {
  const text = url.href.slice(url.origin.length);
  let path = text === '/' ? '' : text;
  try {
    // Letters of other scripts are readable in the path; escapes that mean something stay.
    path = path.replace(/(%[89a-f][0-9a-f])+/gi, (escaped) => decodeURIComponent(escaped));
  } catch {
    // Not UTF-8: as it is.
  }
  return `${url.origin}${path}`;
}

function read(address) {
  try {
    const url = new URL(address);
    const isOpenable = url.protocol === 'http:' || url.protocol === 'https:';
    // `https://bank.example@evil.example` opens evil.example.
    if (!isOpenable || url.username !== '' || url.password !== '' || url.hostname === '') return null;
    return { href: url.href, text: shown(url) };
  } catch {
    return null;
  }
}

/** The text as pieces `{ kind: 'text', text }` and `{ kind: 'link', href, text }`. */
export function links(text) {
  const pieces = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0].slice(0, CHARS_MAX));
    const link = match.index >= done ? read(address) : null;
    if (!link) continue;
    if (match.index > done) pieces.push({ kind: 'text', text: text.slice(done, match.index) });
    pieces.push({ kind: 'link', ...link });
    done = match.index + address.length;
  }
  if (done < text.length) pieces.push({ kind: 'text', text: text.slice(done) });
  return pieces;
}

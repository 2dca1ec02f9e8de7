// What a text from the network looks like so that it cannot deceive: as pieces, with what is invisible,
// turns the direction around or covers other lines taken out, clamped, or named.
// It must never touch the document, and never change a text that is sent.

/** Reorder what is around them; written by name instead. */
const DIRECTIONS = new Map([
  ['\u202a', 'LRE'], ['\u202b', 'RLE'], ['\u202c', 'PDF'], ['\u202d', 'LRO'], ['\u202e', 'RLO'],
  ['\u2066', 'LRI'], ['\u2067', 'RLI'], ['\u2068', 'FSI'], ['\u2069', 'PDI'],
]);

/** Nothing to see, and nothing that a language or an emoji needs. */
const INVISIBLE =
  /[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}]/gu;

/** Joiners and selectors are needed one at a time. */
const JOINERS = /([\u200c-\u200f\u061c\ufe00-\ufe0f])[\u200c-\u200f\u061c\ufe00-\ufe0f]+/gu;

/** A flag of a region has at most six tags and an end. */
const TAGS = /([\u{e0020}-\u{e007f}]{7})[\u{e0020}-\u{e007f}]+/gu;

/** More marks on one letter than any language has cover the lines around. */
const MARKS = /(\p{M}{4})\p{M}+/gu;

/** Bold, colours and the like, as IRC clients write them (https://modern.ircdocs.horse/formatting). */
const FORMATTING = /\x03(\d{1,2}(,\d{1,2})?)?|\x04([0-9a-f]{6}(,[0-9a-f]{6})?)?|[\x02\x0f\x11\x16\x1d\x1e\x1f]/gi;

/** Longer than any server of this kind sends. */
const CHARS_MAX = 20_000;

const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

function picture(c) {
  const code = c.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

function clamped(text) {
  const cut = text.length > CHARS_MAX ? `${text.slice(0, CHARS_MAX)}…` : text;
  return cut
    .toWellFormed()
    .replace(FORMATTING, '')
    .replace(/\r\n?/g, '\n')
    .replace(INVISIBLE, '')
    .replace(JOINERS, '$1')
    .replace(TAGS, '$1')
    .replace(MARKS, '$1');
}

/** Pieces `{ kind: 'text', text }` and `{ kind: 'control', text }` (the name of what stood there). */
export function visible(text) {
  const pieces = [];
  let plain = '';
  const flush = () => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
  };
  const clean = clamped(text);
  if (!CONTROLS.test(clean)) return clean === '' ? [] : [{ kind: 'text', text: clean }];
  for (const c of clean) {
    const name = DIRECTIONS.get(c);
    if (name) {
      flush();
      pieces.push({ kind: 'control', text: name });
    } else {
      plain += CONTROLS.test(c) ? picture(c) : c;
    }
  }
  flush();
  return pieces;
}

/** The same as one line of text, for titles, notifications and labels. */
export function oneLine(text, charsMax = 300) {
  const line = visible(text)
    .map((piece) => (piece.kind === 'control' ? `[${piece.text}]` : piece.text))
    .join('')
    .replace(/\s+/gu, ' ')
    .trim();
  const chars = [...line];
  return chars.length > charsMax ? `${chars.slice(0, charsMax).join('')}…` : line;
}

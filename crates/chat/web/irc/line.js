// One line of IRC, read and written: tags, source, command, parameters.
// It must never know what a command means, and never throw at a line, whatever is in it.
// The sources are https://modern.ircdocs.horse and https://ircv3.net/specs/extensions/message-tags.

const UNESCAPED = { ':': ';', s: ' ', '\\': '\\', r: '\r', n: '\n' };
const ESCAPED = { ';': '\\:', ' ': '\\s', '\\': '\\\\', '\r': '\\r', '\n': '\\n' };

/** The value of a tag as it was meant. A lone backslash at the end is nothing. */
export function unescapeTag(value) {
  return value.replace(/\\(.?)/gs, (_, c) => UNESCAPED[c] ?? c);
}

/** The value of a tag as it is written. */
export function escapeTag(value) {
  return value.replace(/[; \\\r\n]/g, (c) => ESCAPED[c]);
}

function readTags(text) {
  const tags = new Map();
  for (const part of text.split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals < 0) tags.set(part, '');
    else tags.set(part.slice(0, equals), unescapeTag(part.slice(equals + 1)));
  }
  return tags;
}

function readSource(text) {
  const at = text.indexOf('@');
  const host = at < 0 ? '' : text.slice(at + 1);
  const left = at < 0 ? text : text.slice(0, at);
  const bang = left.indexOf('!');
  return bang < 0
    ? { nick: left, user: '', host }
    : { nick: left.slice(0, bang), user: left.slice(bang + 1), host };
}

/** A line, without its newline: `{ tags, source, command, params }`, or null if it is none. */
export function parse(line) {
  let rest = line.replace(/[\r\n\0]+$/, '');
  let tags = new Map();
  let source = { nick: '', user: '', host: '' };
  const word = () => {
    const end = rest.indexOf(' ');
    const found = end < 0 ? rest : rest.slice(0, end);
    rest = end < 0 ? '' : rest.slice(end).replace(/^ +/, '');
    return found;
  };
  if (rest.startsWith('@')) tags = readTags(word().slice(1));
  if (rest.startsWith(':')) source = readSource(word().slice(1));
  const command = word().toUpperCase();
  if (!/^([A-Z]+|[0-9]{3})$/.test(command)) return null;
  const params = [];
  while (rest !== '') {
    if (rest.startsWith(':')) {
      params.push(rest.slice(1));
      break;
    }
    params.push(word());
  }
  return { tags, source, command, params };
}

/**
 * A line without its newline. The last parameter may hold spaces; control characters that would end
 * the line, and spaces in the others, are taken out, so that no text becomes a command.
 */
export function format(command, params = [], tags = {}) {
  const clean = (text) => String(text).replace(/[\r\n\0]/g, '');
  const words = params.map((param, index) => {
    const text = clean(param);
    if (index < params.length - 1) return text.replace(/ /g, '').replace(/^:+/, '') || '*';
    return text === '' || text.startsWith(':') || text.includes(' ') ? `:${text}` : text;
  });
  const written = Object.entries(tags).map(([key, value]) =>
    value === '' || value === true ? key : `${key}=${escapeTag(String(value))}`,
  );
  const before = written.length > 0 ? [`@${written.join(';')}`] : [];
  return [...before, command, ...words].join(' ');
}

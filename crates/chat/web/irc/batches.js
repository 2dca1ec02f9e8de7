// Batches: lines that belong together, given on as one when the last of them has come.
// It must never give on half a batch, and never keep one that was not opened.
// The sources are https://ircv3.net/specs/extensions/batch and .../multiline.

/** More than this inside one batch is no answer to anything that this page asks for. */
const LINES_MAX = 20_000;

export class Batches {
  #open = new Map();

  /** What is complete now: a line, a batch as `{ command: 'BATCH', type, params, content, tags }`, or null. */
  take(message) {
    if (message.command !== 'BATCH') return this.#put(message);
    const name = message.params[0] ?? '';
    if (name.startsWith('+')) {
      this.#open.set(name.slice(1), {
        ...message,
        type: message.params[1] ?? '',
        params: message.params.slice(2),
        content: [],
      });
      return null;
    }
    const batch = this.#open.get(name.slice(1));
    if (!batch) return null;
    this.#open.delete(name.slice(1));
    return this.#put(batch.type === 'draft/multiline' ? joined(batch) : batch);
  }

  #put(message) {
    const around = this.#open.get(message.tags.get('batch'));
    if (!around) return message;
    if (around.content.length < LINES_MAX) around.content.push(message);
    return null;
  }
}

/** The lines of one message as one message: its tags are those of the batch. */
function joined(batch) {
  let text = '';
  batch.content.forEach((line, index) => {
    const goesOn = index === 0 || line.tags.has('draft/multiline-concat');
    text += (goesOn ? '' : '\n') + (line.params[1] ?? '');
  });
  return {
    tags: batch.tags,
    source: batch.source,
    command: batch.content[0]?.command ?? 'PRIVMSG',
    params: [batch.params[0] ?? '', text],
  };
}

/** All lines of a batch, however deep they are in it; inner ones that mean something stay whole. */
export function flat(message) {
  if (message.command !== 'BATCH' || message.type !== 'labeled-response') return [message];
  return message.content.flatMap(flat);
}

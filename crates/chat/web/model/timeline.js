// The entries of one conversation in order, each once, whichever way it came: live, echoed, from history.
// It must never hold two entries of one message, and never ask for any.

/** Same millisecond: what came first stays first. */
function placeFor(entries, time) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].time <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two ordered lists as one; of the same millisecond, `fresh` comes first if it `isOlder`. */
function woven(old, fresh, isOlder) {
  const isBefore = (one, other) => (isOlder ? one.time <= other.time : one.time < other.time);
  if (old.length === 0 || isBefore(fresh.at(-1), old[0])) return fresh.concat(old);
  if (!isBefore(fresh[0], old.at(-1))) return old.concat(fresh);
  const all = [];
  let next = 0;
  for (const entry of old) {
    while (next < fresh.length && isBefore(fresh[next], entry)) all.push(fresh[next++]);
    all.push(entry);
  }
  return all.concat(fresh.slice(next));
}

/** What happens twice within this time is the same, told once live and once from history. */
const SAME_EVENT_MS = 2000;

export class Timeline {
  #byMsgid = new Map();
  #byId = new Map();
  /** Reactions to what is not here (yet), by msgid. */
  #early = new Map();
  #reactionsSeen = new Set();
  #redactionsSeen = new Map();

  constructor() {
    this.entries = [];
    /** Own messages that the server has not confirmed. */
    this.pending = [];
  }

  get(msgid) {
    return this.#byMsgid.get(msgid);
  }

  /** The newest message of which the server has told: where a history goes on. */
  get lastMsgid() {
    return this.entries.findLast((entry) => entry.msgid)?.msgid ?? null;
  }

  get first() {
    return this.entries.find((entry) => entry.msgid) ?? null;
  }

  /** Whether an own message of this id was confirmed. */
  isStored(id) {
    return this.#byId.has(id);
  }

  #isKnown(entry) {
    if (entry.msgid && this.#byMsgid.has(entry.msgid)) return true;
    if (entry.id && this.#byId.get(entry.id)?.nick === entry.nick) return true;
    if (entry.kind !== 'event') return false;
    const near = this.entries.slice(-40);
    return near.some((other) => other.kind === 'event' && other.text === entry.text && Math.abs(other.time - entry.time) < SAME_EVENT_MS);
  }

  #register(entry) {
    if (entry.msgid) this.#byMsgid.set(entry.msgid, entry);
    if (entry.id) {
      this.#byId.set(entry.id, entry);
      const waiting = this.pending.findIndex((own) => own.id === entry.id);
      if (waiting >= 0) this.pending.splice(waiting, 1);
    }
    const redaction = this.#redactionsSeen.get(entry.msgid);
    if (redaction) this.#blank(entry, redaction);
    for (const reaction of this.#early.get(entry.msgid) ?? []) this.#apply(entry, reaction);
    this.#early.delete(entry.msgid);
  }

  /** Adds an entry that happens now; false: it is here already. */
  add(entry) {
    if (this.#isKnown(entry)) return false;
    this.entries.splice(placeFor(this.entries, entry.time), 0, entry);
    this.#register(entry);
    return true;
  }

  /**
   * Adds a piece of history, which is in order; gives how many entries were new. `isOlder`: it ends
   * before all that is here. Many messages may have one time, so what is known tells the places.
   */
  merge(page, { isOlder = false } = {}) {
    let [fresh, count] = [[], 0];
    for (const entry of page) {
      if (!this.#isKnown(entry)) {
        fresh.push(entry);
        this.#register(entry);
        count += 1;
        continue;
      }
      const here = this.entries.lastIndexOf(this.#byMsgid.get(entry.msgid));
      if (here < 0 || fresh.length === 0) continue;
      this.entries.splice(here, 0, ...fresh);
      fresh = [];
    }
    if (fresh.length > 0) this.entries = woven(this.entries, fresh, isOlder);
    return count;
  }

  /** Forgets what is not newest, since there is a hole behind it that nobody will fill. */
  clear() {
    this.entries = [];
    this.#byMsgid.clear();
  }

  /** Takes away what the server does not have any more; `page` is all that it has of that time. */
  reconcile(page) {
    if (page.length === 0) return 0;
    const [from, until] = [page[0].time, page.at(-1).time];
    const there = new Set(page.map((entry) => entry.msgid));
    let count = 0;
    for (const entry of this.entries) {
      const isWithin = entry.time > from && entry.time < until;
      if (isWithin && entry.msgid && entry.kind !== 'event' && !entry.redacted && !there.has(entry.msgid)) {
        this.redact(entry.msgid, { by: '', reason: '' });
        count += 1;
      }
    }
    return count;
  }

  #blank(entry, redaction) {
    entry.redacted = redaction;
    entry.text = '';
    entry.reactions.clear();
    entry.version += 1;
  }

  redact(msgid, redaction) {
    this.#redactionsSeen.set(msgid, redaction);
    const entry = this.#byMsgid.get(msgid);
    if (entry) this.#blank(entry, redaction);
  }

  #apply(entry, { nick, emoji, isOn }) {
    const who = entry.reactions.get(emoji) ?? new Set();
    if (isOn) who.add(nick);
    else who.delete(nick);
    if (who.size > 0) entry.reactions.set(emoji, who);
    else entry.reactions.delete(emoji);
    entry.version += 1;
  }

  /** `{ msgid, target, nick, emoji, isOn }`; false: it was told before. */
  react(reaction) {
    if (reaction.msgid) {
      if (this.#reactionsSeen.has(reaction.msgid)) return false;
      this.#reactionsSeen.add(reaction.msgid);
    }
    const entry = this.#byMsgid.get(reaction.target);
    if (entry) {
      if (!entry.redacted) this.#apply(entry, reaction);
    } else {
      const early = this.#early.get(reaction.target) ?? [];
      early.push(reaction);
      this.#early.set(reaction.target, early);
    }
    return true;
  }
}

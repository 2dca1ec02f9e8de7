// A room or a talk with one person: who is there, what was said, what is unread.
// It must never send anything.

import { fold, isRoom } from './names.js';
import { Timeline } from './timeline.js';

/** Without news of it, somebody who was typing is not any more (https://ircv3.net/specs/client-tags/typing). */
const TYPING_MS = 6000;

const RANKS = ['~', '&', '@', '%', '+'];
export const rank = (role) => (role === '' ? RANKS.length : RANKS.indexOf(role[0]));

export class Conversation {
  constructor(name) {
    this.name = name;
    this.folded = fold(name);
    this.isRoom = isRoom(name);
    this.timeline = new Timeline();
    /** By folded nicks: `{ nick, role }`. */
    this.members = new Map();
    this.isJoined = false;
    this.hasAllMembers = false;
    this.topic = '';
    /** Read up to, in milliseconds since 1970. */
    this.marker = null;
    /** Where the line between read and new stands while one looks. */
    this.shownMarker = null;
    this.unread = 0;
    this.mentions = 0;
    this.isAtStart = false;
    this.isLoading = false;
    this.problem = '';
    this.typing = new Map();
    this.draft = '';
    this.replyTo = null;
  }

  roleOf(nick) {
    return this.members.get(fold(nick))?.role ?? '';
  }

  isOperator(nick) {
    return rank(this.roleOf(nick)) <= rank('@');
  }

  setMember(nick, role) {
    this.members.set(fold(nick), { nick, role });
  }

  typed(nick, state, now) {
    if (state === 'active') this.typing.set(nick, now + TYPING_MS);
    else this.typing.delete(nick);
  }

  /** Who is typing now, and when to look again (null: nobody to wait for). */
  typers(now) {
    for (const [nick, until] of this.typing) if (until <= now) this.typing.delete(nick);
    const next = Math.min(...this.typing.values());
    return { nicks: [...this.typing.keys()], next: Number.isFinite(next) ? next : null };
  }

  /** Members by rank and name. */
  sorted() {
    const order = new Intl.Collator('en', { sensitivity: 'base', numeric: true });
    return [...this.members.values()].sort(
      (a, b) => rank(a.role) - rank(b.role) || order.compare(a.nick, b.nick),
    );
  }

  /** Counts again what is behind the marker. */
  recount() {
    const marker = this.marker ?? Infinity;
    const fresh = this.timeline.entries.filter(
      (entry) => entry.time > marker && !entry.mine && entry.kind !== 'event' && !entry.redacted,
    );
    this.unread = fresh.length;
    this.mentions = this.isRoom ? fresh.filter((entry) => entry.mentionsMe).length : fresh.length;
  }
}

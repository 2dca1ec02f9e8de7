// What the browser remembers between visits: a name, rooms, up to where one has read, drafts, choices.
// It must never hold a password, and never fail if the browser refuses to remember.

const KEY = 'switchboard';
const ROOMS_MAX = 100;
const UNSENT_MAX = 50;

function load(storage, key) {
  try {
    return JSON.parse(storage().getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function save(storage, key, value) {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // A private window, or no room: the page works without.
  }
}

/** `local` is for ever, `session` for this tab; both are given as functions, since asking may throw. */
export class Memory {
  constructor(local = () => globalThis.localStorage, session = () => globalThis.sessionStorage) {
    this.storages = { local, session };
    this.kept = load(local, KEY);
    this.unsent = load(session, `${KEY}-unsent`);
  }

  get(name, otherwise = null) {
    return this.kept[name] ?? otherwise;
  }

  set(name, value) {
    // Another tab may have written meanwhile: only this one value is ours.
    this.kept = { ...load(this.storages.local, KEY), [name]: value };
    save(this.storages.local, KEY, this.kept);
  }

  /** The rooms to come back to, as they were called. */
  get rooms() {
    return this.get('rooms', []);
  }

  keepRooms(names) {
    this.set('rooms', names.slice(0, ROOMS_MAX));
  }

  /** Of one conversation: a draft, a read marker. */
  of(kind, folded) {
    return this.get(kind, {})[folded] ?? null;
  }

  keepOf(kind, folded, value) {
    const all = { ...this.get(kind, {}) };
    if (value === null || value === '') delete all[folded];
    else all[folded] = value;
    const names = Object.keys(all);
    if (names.length > 2 * ROOMS_MAX) delete all[names[0]];
    this.set(kind, all);
  }

  /** Messages that the server has not confirmed, so that a reload does not lose them. */
  keepUnsent(list) {
    this.unsent = { list: list.slice(-UNSENT_MAX) };
    save(this.storages.session, `${KEY}-unsent`, this.unsent);
  }

  forget() {
    const { theme, sound } = this.kept;
    this.kept = { theme, sound };
    save(this.storages.local, KEY, this.kept);
    this.keepUnsent([]);
  }
}

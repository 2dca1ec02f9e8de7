// The WebSocket, and when to open the next one: waits longer after each failure, notices a link that is dead.
// It must never read a line, and never give up for good.

const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15_000, 30_000];
const OPEN_MS = 10_000;
/** A connection that has lived so long was a good one: the next failure is the first one again. */
const GOOD_MS = 10_000;

/** How long to wait before try number `tries` (from 0), in milliseconds; `random` is in 0..1. */
export function wait(tries, random) {
  const base = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)];
  // Everybody comes back after a restart, so not all in the same moment.
  return Math.round(base * (0.75 + random * 0.5));
}

/**
 * `on`: `up()`, `line(text)`, `down()`, `change()`. `state` is one of `off`, `connecting`, `up`, and
 * `waiting` (until `retryAt`, in milliseconds of the clock).
 */
export class Link {
  #socket = null;
  #tries = 0;
  #timer = null;
  #since = 0;

  constructor({ url, on, WebSocket = globalThis.WebSocket, clock = Date, random = Math.random }) {
    Object.assign(this, { url, on, WebSocket, clock, random });
    this.state = 'off';
    this.retryAt = 0;
    this.buffered = () => this.#socket?.bufferedAmount ?? 0;
  }

  start() {
    if (this.state === 'off' || this.state === 'waiting') this.#open();
  }

  /** Closes it, and opens no other one. */
  stop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#set('off');
    socket?.close();
  }

  /** Opens the next one at once. */
  retry() {
    if (this.state === 'waiting') this.#open();
  }

  /** The connection is believed to be dead, whatever the browser thinks. */
  abandon() {
    if (this.#socket) this.#lost(this.#socket);
  }

  send(text) {
    if (this.state === 'up') this.#socket.send(text);
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.on.change?.();
  }

  #open() {
    clearTimeout(this.#timer);
    this.#set('connecting');
    const socket = new this.WebSocket(this.url, ['text.ircv3.net']);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(socket), OPEN_MS);
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#timer);
      this.#since = this.clock.now();
      this.#set('up');
      this.on.up();
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket && typeof data === 'string') this.on.line(data);
    };
    socket.onclose = () => this.#lost(socket);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#socket = null;
    const wasUp = this.state === 'up';
    if (wasUp && this.clock.now() - this.#since > GOOD_MS) this.#tries = 0;
    const ms = wait(this.#tries, this.random());
    this.#tries += 1;
    this.retryAt = this.clock.now() + ms;
    this.#timer = setTimeout(() => this.#open(), ms);
    socket.close();
    if (wasUp) this.on.down();
    this.#set('waiting');
  }
}

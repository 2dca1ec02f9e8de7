// The network between a page and its server, as bad as a test wants it: cut, stalled, slow.
// It must never change a byte that it lets through.

import { connect, createServer } from 'node:net';

export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    proxy.pairs = new Set();
    proxy.isStalled = false;
    proxy.isCut = false;
    proxy.delayMs = 0;
    proxy.server = createServer((from) => proxy.#pair(from, port));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  #pair(from, port) {
    if (this.isCut) {
      from.destroy();
      return;
    }
    const to = connect(port, '127.0.0.1');
    const pair = { from, to, held: [] };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      from.destroy();
      to.destroy();
    };
    const pass = (one, other) => {
      one.on('data', (data) => {
        if (this.isStalled) pair.held.push(() => other.write(data));
        else if (this.delayMs > 0) setTimeout(() => other.write(data), this.delayMs);
        else other.write(data);
      });
      // A browser that gives up on a stalled link is not heard at the other end.
      one.on('close', () => (this.isStalled ? (pair.isDead = true) : end()));
      one.on('error', () => {});
    };
    pass(from, to);
    pass(to, from);
  }

  /** Ends all connections, and refuses others while `isCut`. */
  cut() {
    this.isCut = true;
    for (const { from, to } of this.pairs) {
      from.destroy();
      to.destroy();
    }
  }

  mend() {
    this.isCut = false;
    this.isStalled = false;
    for (const pair of this.pairs) {
      pair.held.splice(0).forEach((pass) => pass());
      if (pair.isDead) {
        pair.to.end();
        pair.from.destroy();
        this.pairs.delete(pair);
      }
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}

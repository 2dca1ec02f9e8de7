// Logging in: SCRAM-SHA-256 where the browser can compute it, PLAIN otherwise, as steps without a socket.
// It must never keep a password longer than the exchange, and never send one in PLAIN if SCRAM works.
// The sources are RFC 5802, RFC 7677 and https://ircv3.net/specs/extensions/sasl-3.1.

const encoder = new TextEncoder();
const CHUNK = 400;
const ITERATIONS_MAX = 1_000_000;

export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Payloads of `AUTHENTICATE`: pieces of 400 characters; a last one that is full is followed by `+`. */
export function chunks(text) {
  const base64 = toBase64(encoder.encode(text));
  const pieces = base64.match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? [];
  if (base64.length % CHUNK === 0) pieces.push('+');
  return pieces;
}

async function hmac(key, data) {
  const made = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', made, data));
}

async function sha256(data) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', data));
}

async function saltedPassword(password, salt, iterations) {
  const key = await crypto.subtle.importKey('raw', encoder.encode(password), 'PBKDF2', false, ['deriveBits']);
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
}

const fields = (text) => new Map(text.split(',').map((field) => [field[0], field.slice(2)]));

/** The steps of SCRAM-SHA-256; each takes what the server said and gives what to answer. */
export class Scram {
  constructor(account, password, nonce = toBase64(crypto.getRandomValues(new Uint8Array(18)))) {
    this.password = password.normalize('NFKC');
    this.nonce = nonce;
    const name = account.replace(/=/g, '=3D').replace(/,/g, '=2C');
    this.bare = `n=${name},r=${nonce}`;
  }

  first() {
    return `n,,${this.bare}`;
  }

  async final(serverFirst) {
    const got = fields(serverFirst);
    const [nonce, salt, iterations] = [got.get('r') ?? '', got.get('s') ?? '', Number(got.get('i'))];
    if (!nonce.startsWith(this.nonce) || nonce === this.nonce) throw new Error('the server answers to somebody else');
    if (!(iterations >= 1 && iterations <= ITERATIONS_MAX)) throw new Error('the server asks for an absurd amount of work');
    const salted = await saltedPassword(this.password, fromBase64(salt), iterations);
    this.password = '';
    const clientKey = await hmac(salted, encoder.encode('Client Key'));
    const without = `c=biws,r=${nonce}`;
    const signed = encoder.encode(`${this.bare},${serverFirst},${without}`);
    const signature = await hmac(await sha256(clientKey), signed);
    const proof = clientKey.map((byte, index) => byte ^ signature[index]);
    const serverKey = await hmac(salted, encoder.encode('Server Key'));
    this.expected = toBase64(await hmac(serverKey, signed));
    return `${without},p=${toBase64(proof)}`;
  }

  /** Whether the server knows the password, too: who does not is not the server. */
  isServer(serverFinal) {
    return this.expected !== undefined && fields(serverFinal).get('v') === this.expected;
  }
}

/** Which of the offered mechanisms to take; `subtle` is there only on https and on this machine. */
export function choose(offered, hasSubtle = globalThis.crypto?.subtle !== undefined) {
  const mechanisms = (offered || 'PLAIN').split(',');
  if (hasSubtle && mechanisms.includes('SCRAM-SHA-256')) return 'SCRAM-SHA-256';
  return mechanisms.includes('PLAIN') ? 'PLAIN' : null;
}

/** One login: `say(param)` sends `AUTHENTICATE param`; each parameter of the server goes to `take`. */
export class Exchange {
  #buffer = '';
  #step = 'mechanism';

  constructor({ account, password, offered, say }) {
    this.account = account;
    this.password = password;
    this.say = say;
    this.mechanism = choose(offered);
  }

  start() {
    if (!this.mechanism) throw new Error('this server takes passwords over TLS (https) only');
    this.say(this.mechanism);
  }

  #answer(text) {
    chunks(text).forEach((piece) => this.say(piece));
  }

  async take(param) {
    if (param !== '+') this.#buffer += param;
    if (param.length === CHUNK) return;
    const text = new TextDecoder().decode(fromBase64(this.#buffer));
    this.#buffer = '';
    if (this.mechanism === 'PLAIN') {
      this.#answer(`\0${this.account}\0${this.password}`);
      this.password = '';
    } else if (this.#step === 'mechanism') {
      this.scram = new Scram(this.account, this.password);
      this.password = '';
      this.#step = 'first';
      this.#answer(this.scram.first());
    } else if (this.#step === 'first') {
      this.#step = 'final';
      this.#answer(await this.scram.final(text));
    } else if (this.scram.isServer(text)) {
      this.say('+');
    } else {
      this.say('*');
      throw new Error('the server could not prove that it knows your account');
    }
  }
}

// The first thing that somebody sees: a name, already filled in, and a button.
// It must never ask for more than it needs: a password only where the name has one.

import { asNick, suggestion } from '../model/names.js';
import { oneLine } from '../text/visible.js';
import { $ } from './dom.js';

export class Welcome {
  constructor({ memory, enter }) {
    this.nick = $('welcome-nick');
    this.password = $('welcome-password');
    this.problem = $('welcome-problem');
    this.button = $('welcome-join');
    $('welcome-account').addEventListener('click', () => this.#showPassword(true));
    $('welcome-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const nick = asNick(this.nick.value);
      if (nick === '') return;
      this.problem.textContent = '';
      this.#busy(true);
      const password = this.password.value;
      this.password.value = '';
      enter({ nick, login: password === '' ? null : { account: nick, password } });
    });
    this.nick.value = memory.get('nick') ?? suggestion();
  }

  #showPassword(isShown) {
    $('welcome-password-field').hidden = !isShown;
    $('welcome-account').hidden = isShown;
    if (isShown) this.password.focus();
  }

  #busy(isBusy) {
    this.button.disabled = isBusy;
    this.button.textContent = isBusy ? 'Coming in…' : 'Join the chat';
  }

  show({ problem = '', nick = null, isReserved = false } = {}) {
    $('app').hidden = true;
    $('welcome').hidden = false;
    this.#busy(false);
    if (nick !== null) this.nick.value = nick;
    this.problem.textContent = problem === '' ? '' : this.#sentence(problem, isReserved);
    if (isReserved) this.#showPassword(true);
    else {
      this.nick.focus();
      this.nick.select();
    }
  }

  #sentence(problem, isReserved) {
    const text = oneLine(problem);
    const said = text.charAt(0).toUpperCase() + text.slice(1);
    return `${said}${/[.!?]$/.test(said) ? '' : '.'}${isReserved ? '' : ' Try another name.'}`;
  }

  /** The server cannot be reached yet: it is tried again by itself. */
  waiting(text) {
    if ($('welcome').hidden || !this.button.disabled) return;
    this.problem.textContent = text;
  }

  hide() {
    $('welcome').hidden = true;
    $('app').hidden = false;
    this.#busy(false);
  }
}

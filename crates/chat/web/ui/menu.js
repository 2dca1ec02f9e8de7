// Small menus beside what they belong to, and the picker of reactions; and the sentences that come and go below.
// It must never stay open when the focus has gone elsewhere, and always give the focus back.

import { oneLine } from '../text/visible.js';
import { $, fill, h } from './dom.js';

const TOAST_MS = 7000;
let opener = null;

function place(menu, at) {
  const box = at.getBoundingClientRect();
  const [wide, high] = [menu.offsetWidth, menu.offsetHeight];
  const left = Math.max(8, Math.min(box.left, innerWidth - wide - 8));
  const isBelow = box.bottom + high + 8 < innerHeight;
  const top = isBelow ? box.bottom + 4 : Math.max(8, box.top - high - 4);
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

export function closeMenu({ giveBack = true } = {}) {
  const menu = $('menu');
  if (menu.hidden) return false;
  menu.hidden = true;
  fill(menu);
  if (giveBack && opener?.isConnected) opener.focus({ preventScroll: true });
  opener = null;
  return true;
}

function open(at, role, label, content) {
  closeMenu({ giveBack: false });
  const menu = $('menu');
  opener = at;
  menu.setAttribute('role', role);
  menu.setAttribute('aria-label', label);
  fill(menu, content);
  menu.hidden = false;
  place(menu, at);
  menu.querySelector('button, input')?.focus({ preventScroll: true });
}

/** Items are `{ text, act, isDanger }`, `{ title }`, and null for what is not offered. */
export function openMenu(at, label, items) {
  const buttons = items.filter(Boolean).map((item) => {
    if (item.title) return h('div', { class: 'menu-title', role: 'presentation' }, item.title);
    const act = () => {
      closeMenu();
      item.act();
    };
    return h('button', { type: 'button', role: 'menuitem', class: item.isDanger ? 'danger' : null, onclick: act }, item.text);
  });
  open(at, 'menu', label, buttons);
}

const EMOJI = [
  ['👍', 'thumbs up'], ['❤️', 'heart'], ['😂', 'tears of joy'], ['🎉', 'party'], ['😮', 'surprised'], ['😢', 'sad'],
  ['🙏', 'thank you'], ['👀', 'eyes'], ['✅', 'done'], ['❌', 'no'], ['🔥', 'fire'], ['🤔', 'thinking'],
  ['👏', 'clapping'], ['💯', 'hundred'], ['🚀', 'rocket'], ['☕', 'coffee'],
];

/** Gives what was chosen to `act`. */
export function openPicker(at, act) {
  const choose = (emoji) => {
    closeMenu();
    act(emoji);
  };
  const buttons = EMOJI.map(([emoji, name]) => h('button', { type: 'button', class: 'emoji', 'aria-label': name, title: name, onclick: () => choose(emoji) }, emoji));
  const other = h('input', { type: 'text', maxlength: '16', placeholder: 'or type one', 'aria-label': 'Another reaction' });
  other.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && other.value.trim() !== '') choose(other.value.trim());
  });
  open(at, 'dialog', 'React', [h('div', { class: 'emojis' }, buttons), other]);
}

export function listen() {
  document.addEventListener('pointerdown', (event) => {
    if (!$('menu').hidden && !event.target.closest('#menu')) closeMenu({ giveBack: false });
  });
  $('menu').addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === 'Tab') closeMenu();
    if (!step || event.target.tagName === 'INPUT') return;
    event.preventDefault();
    const all = [...$('menu').querySelectorAll('button')];
    const columns = $('menu').querySelector('.emojis') && event.key.match(/Up|Down/) ? 8 : 1;
    all[(all.indexOf(document.activeElement) + step * columns + all.length) % all.length]?.focus();
  });
}

/** A sentence that goes away by itself. */
export function toast(text, { isProblem = false, action = null } = {}) {
  const element = h('div', { class: isProblem ? 'toast problem' : 'toast', role: isProblem ? 'alert' : 'status' });
  const gone = () => element.remove();
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  element.append(h('span', {}, sentence.split('\n').slice(0, 12).map((line) => h('span', { class: 'line' }, oneLine(line, 400)))));
  if (action) element.append(h('button', { type: 'button', class: 'text-button', onclick: () => { gone(); action.act(); } }, action.text));
  element.append(h('button', { type: 'button', class: 'text-button', onclick: gone }, 'Close'));
  $('toasts').append(element);
  while ($('toasts').children.length > 4) $('toasts').firstChild.remove();
  setTimeout(gone, action ? 3 * TOAST_MS : TOAST_MS);
}

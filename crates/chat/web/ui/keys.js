// What the keys do wherever one is: between rooms, to search, to help, out of whatever is open.
// It must never take a key from somebody who is typing a text.

import { closeMenu } from './menu.js';
import * as dialogs from './dialogs.js';
import { $ } from './dom.js';

function otherRoom(app, step, onlyNew) {
  const buttons = [...document.querySelectorAll('#room-list .room, #people-list .room')];
  const now = buttons.findIndex((button) => button.getAttribute('aria-current') === 'page');
  for (let count = 1; count <= buttons.length; count += 1) {
    const button = buttons[(now + step * count + buttons.length * count) % buttons.length];
    if (!onlyNew || button.classList.contains('unread')) {
      button.click();
      return;
    }
  }
}

function escape(app) {
  if (closeMenu() || app.composer.cancel() || app.closeSide() || app.closeOverlays()) return;
  if (document.activeElement !== $('text')) app.composer.focus();
  else app.log.window.toEnd();
}

export function listenToKeys(app) {
  document.addEventListener('keydown', (event) => {
    if ($('app').hidden || $('dialog').open || event.isComposing) return;
    const isTyping = /^(INPUT|TEXTAREA)$/.test(event.target.tagName);
    const command = event.ctrlKey || event.metaKey;
    const does = () => {
      if (event.key === 'Escape') return () => escape(app);
      if (event.altKey && event.key === 'ArrowUp') return () => otherRoom(app, -1, event.shiftKey);
      if (event.altKey && event.key === 'ArrowDown') return () => otherRoom(app, 1, event.shiftKey);
      if (command && event.key.toLowerCase() === 'k') return () => app.findRoom();
      if (command && event.key.toLowerCase() === 'f') return () => app.search();
      if (event.key === '?' && !isTyping) return () => dialogs.help();
      return null;
    };
    const act = does();
    if (!act) return;
    event.preventDefault();
    act();
  });
  // Somebody who begins to type with nothing chosen means the text.
  document.addEventListener('keydown', (event) => {
    const isLetter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isLetter && document.activeElement === document.body && !$('app').hidden && !$('dialog').open && event.key !== '?') app.composer.focus();
  });
}

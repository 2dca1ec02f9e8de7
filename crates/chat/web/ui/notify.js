// Telling somebody who looks elsewhere: notifications of the browser, for what is meant for them.
// It must never ask for the permission by itself: only a click does.

import { oneLine } from '../text/visible.js';

export const canNotify = () => 'Notification' in globalThis;

/** `default`, `granted`, `denied`, or `impossible`. */
export const permission = () => (canNotify() ? Notification.permission : 'impossible');

/** From a click. Gives what was answered. */
export async function askToNotify() {
  return canNotify() ? Notification.requestPermission() : 'impossible';
}

export function notify({ conversation, entry }, { isOn, show }) {
  if (!isOn || permission() !== 'granted') return;
  const title = conversation.isRoom ? `${oneLine(entry.nick, 40)} in ${oneLine(conversation.name, 60)}` : oneLine(entry.nick, 40);
  try {
    const made = new Notification(title, { body: oneLine(entry.text, 200), tag: `switchboard-${conversation.folded}`, icon: '/icon.svg' });
    made.onclick = () => {
      globalThis.focus();
      show(conversation);
      made.close();
    };
  } catch {
    // Some phones have the permission and not the constructor.
  }
}

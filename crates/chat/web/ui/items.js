// A conversation as the rows of its log: messages under who said them, days, what happened, what is new.
// It must never make an element; it says what is to be shown, and when a row has to be made again.

/** Messages of one person within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

const dayOf = (time) => new Date(time).setHours(0, 0, 0, 0);

/** How high a row will be, in pixels, until it was seen: the better, the less the scrollbar jumps. */
function estimate(entry, isHead) {
  entry.lines ??= Math.min(20, entry.text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / 90), 0));
  return entry.lines * 22 + 4 + (isHead ? 34 : 0) + (entry.replyTo ? 24 : 0) + (entry.reactions.size > 0 ? 32 : 0);
}

export const keyOf = (entry) => (entry.id && entry.mine ? `o${entry.id}` : `e${entry.key}`);

/** The rows of a conversation. All of them, for each change: no text is made here but what is needed. */
export function items(conversation) {
  const { timeline } = conversation;
  const rows = [{ key: 'start', kind: 'start', isFixed: true, estimate: 80, conversation }];
  let before = null;
  let isNewShown = conversation.shownMarker === null;
  for (const entry of timeline.pending.length > 0 ? [...timeline.entries, ...timeline.pending] : timeline.entries) {
    const isNewDay = before === null || dayOf(before.time) !== dayOf(entry.time);
    if (isNewDay) rows.push({ key: `d${dayOf(entry.time)}`, kind: 'day', time: entry.time, isFixed: true, estimate: 40 });
    const isFirstNew = !isNewShown && entry.time > conversation.shownMarker && entry.kind !== 'event' && !entry.mine;
    if (isFirstNew) {
      rows.push({ key: 'new', kind: 'new', estimate: 32 });
      isNewShown = true;
    }
    const isHead =
      isNewDay || isFirstNew || entry.kind === 'event' || entry.kind === 'action' || before.kind === 'event' || before.kind === 'action' ||
      before.nick !== entry.nick || before.kind !== entry.kind || Boolean(entry.replyTo) || entry.time - before.time > TOGETHER_MS;
    const quoted = entry.replyTo ? timeline.get(entry.replyTo) : null;
    rows.push({
      key: keyOf(entry),
      kind: entry.kind === 'event' ? 'event' : 'message',
      entry,
      isHead,
      quoted,
      estimate: entry.kind === 'event' ? 26 : estimate(entry, isHead),
    });
    before = entry;
  }
  return rows;
}

/** Changes when a row has to be made again, for somebody who is called `me`. */
export function versionOf({ kind, entry, isHead, quoted, conversation }, me) {
  if (kind === 'start') {
    const { isLoading, isAtStart, historyProblem, timeline } = conversation;
    return [isLoading, isAtStart, historyProblem, timeline.entries.length === 0].join();
  }
  return entry ? `${entry.version}${entry.state}${isHead ? 'h' : ''}${quoted ? `q${quoted.version}` : ''}${me}` : '';
}

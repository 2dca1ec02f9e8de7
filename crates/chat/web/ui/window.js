// A long list of which only what can be seen is in the document, however long it is and however high its rows are.
// It must never move what one is reading when something comes in above or below it.

/** Rendered above and below what is seen, in screens. */
const OVERSCAN = 0.75;
const NEAR_END_PX = 48;
const NEAR_START_PX = 900;

/**
 * Items are `{ key, estimate, isFixed }` (`isFixed`: others may come in below it),
 * `render(item)` makes an element of one, and `version(item)` says when it has to be made again.
 */
export class Window {
  #heights = new Map();
  #rows = new Map();
  #items = [];
  #index = new Map();
  #offsets = new Float64Array(1);
  #anchor = null;
  #width = 0;
  #ownScroll = null;
  #frame = 0;

  constructor({ scroller, list, render, version, sticks = true, onNearStart = () => {}, onScrolled = () => {} }) {
    Object.assign(this, { scroller, list, render, version, onNearStart, onScrolled });
    this.sticks = sticks;
    this.isAtEnd = sticks;
    this.above = document.createElement('div');
    this.below = document.createElement('div');
    list.before(this.above);
    list.after(this.below);
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** The items in order. `reset`: it is another list, so begin at its end. */
  set(items, { reset = false } = {}) {
    this.#items = items;
    this.#index = new Map(items.map((item, index) => [item.key, index]));
    if (reset) {
      this.isAtEnd = this.sticks;
      this.#anchor = null;
      this.#heights.clear();
      this.#rows.forEach(({ element }) => element.remove());
      this.#rows.clear();
      if (!this.sticks) this.#scrollTo(0);
    }
    this.layout();
  }

  element(key) {
    return this.#rows.get(key)?.element ?? null;
  }

  item(key) {
    return this.#items[this.#index.get(key)] ?? null;
  }

  toEnd() {
    this.isAtEnd = true;
    this.layout();
  }

  /** Brings an item to the middle, or only into view, and gives its element. */
  show(key, { isNearest = false } = {}) {
    const index = this.#index.get(key);
    if (index === undefined) return null;
    const height = this.scroller.clientHeight;
    // Twice: what is around it has its true height only once it was rendered.
    for (let round = 0; round < 2; round += 1) {
      const [top, bottom] = [this.#offsets[index], this.#offsets[index + 1]];
      const now = this.scroller.scrollTop;
      let wanted = top - Math.max(0, (height - (bottom - top)) / 2);
      if (isNearest) wanted = top < now ? top - 8 : bottom > now + height ? bottom - height + 8 : now;
      const last = this.#offsets[this.#items.length] - height;
      this.isAtEnd = this.sticks && wanted >= last - 1;
      this.#anchor = this.isAtEnd ? null : { key, delta: Math.max(0, wanted) - top };
      this.layout();
    }
    return this.element(key);
  }

  #resized() {
    if (this.scroller.clientWidth !== this.#width) {
      this.#width = this.scroller.clientWidth;
      this.#heights.clear();
    }
    this.layout();
  }

  #measure() {
    const count = this.#items.length;
    const offsets = new Float64Array(count + 1);
    for (let index = 0; index < count; index += 1) {
      const item = this.#items[index];
      offsets[index + 1] = offsets[index] + (this.#heights.get(item.key) ?? item.estimate);
    }
    this.#offsets = offsets;
  }

  /** The item at a height. */
  #at(y) {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #wanted() {
    const total = this.#offsets[this.#items.length];
    const last = Math.max(0, total - this.scroller.clientHeight);
    if (this.isAtEnd) return last;
    const index = this.#anchor ? this.#index.get(this.#anchor.key) : undefined;
    const top = index === undefined ? this.scroller.scrollTop : this.#offsets[index] + this.#anchor.delta;
    return Math.min(Math.max(0, top), last);
  }

  /** Renders what can be seen; once more if a height is another one than was thought. */
  layout() {
    for (let round = 0; round < 4; round += 1) {
      this.#measure();
      const top = this.#wanted();
      const height = this.scroller.clientHeight || 600;
      const first = this.#at(top - height * OVERSCAN);
      const last = Math.min(this.#items.length, this.#at(top + height * (1 + OVERSCAN)) + 1);
      this.#patch(first, last);
      this.above.style.height = `${this.#offsets[first]}px`;
      this.below.style.height = `${this.#offsets[this.#items.length] - this.#offsets[last]}px`;
      this.#scrollTo(this.isAtEnd ? this.scroller.scrollHeight - this.scroller.clientHeight : top);
      if (!this.#remember(first, last)) break;
    }
    this.range = [this.#at(this.scroller.scrollTop), this.#at(this.scroller.scrollTop + this.scroller.clientHeight)];
  }

  #scrollTo(top) {
    if (Math.abs(this.scroller.scrollTop - top) < 0.5) return;
    this.scroller.scrollTop = top;
    this.#ownScroll = this.scroller.scrollTop;
  }

  #patch(first, last) {
    const shown = new Set();
    let before = null;
    for (let index = last - 1; index >= first; index -= 1) {
      const item = this.#items[index];
      shown.add(item.key);
      let row = this.#rows.get(item.key);
      const version = this.version(item);
      if (!row || row.version !== version) {
        const element = this.render(item);
        if (row) row.element.replaceWith(element);
        row = { element, version };
        this.#rows.set(item.key, row);
      }
      if (row.element.nextSibling !== before || row.element.parentNode !== this.list) this.list.insertBefore(row.element, before);
      before = row.element;
    }
    for (const [key, { element }] of this.#rows) {
      if (shown.has(key)) continue;
      // The keyboard stays in the list.
      if (element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      element.remove();
      this.#rows.delete(key);
    }
  }

  /** Whether some height was not what was thought. */
  #remember(first, last) {
    let isOther = false;
    for (let index = first; index < last; index += 1) {
      const { key } = this.#items[index];
      const height = this.#rows.get(key).element.getBoundingClientRect().height;
      if (Math.abs((this.#heights.get(key) ?? -1) - height) > 0.5) {
        this.#heights.set(key, height);
        isOther = true;
      }
    }
    return isOther;
  }

  #scrolled() {
    const top = this.scroller.scrollTop;
    if (this.#ownScroll !== null && Math.abs(top - this.#ownScroll) < 1) {
      this.#ownScroll = null;
      return;
    }
    this.#ownScroll = null;
    const end = this.#offsets[this.#items.length] - this.scroller.clientHeight;
    this.isAtEnd = this.sticks && top >= end - NEAR_END_PX;
    let index = this.#at(top);
    while (index < this.#items.length - 1 && this.#items[index].isFixed) index += 1;
    const item = this.#items[index];
    this.#anchor = item ? { key: item.key, delta: top - this.#offsets[index] } : null;
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.layout();
        this.onScrolled();
        if (this.scroller.scrollTop < NEAR_START_PX) this.onNearStart();
      });
    }
  }
}

// The pictures that are ticked, gallery by gallery: one for all components and rows of this browser tab. It outlives pages and
// reloads, and no tick waits for the server. Python learns of it when the tray is asked to do something.
const SELECTION = "semblance-selection";
const MOST_SELECTED = 10000; // what a page may send in one list

class Selection {
  constructor() {
    this.sets = {};
    this.seen = {}; // gallery to the last thing that Python had put here: a reload does not put it again
    this.last = ""; // where a row of ticks with Shift begins
    this.hearers = new Set();
    try {
      const kept = JSON.parse(sessionStorage.getItem(SELECTION)) ?? {};
      for (const [of, ids] of Object.entries(kept.sets ?? {})) this.sets[of] = new Set(ids);
      this.seen = kept.seen ?? {};
    } catch {} // a browser that keeps nothing
    // rows that are plain markup: every tick in them is a button with data-tick and data-of
    document.addEventListener("click", (event) => {
      const tick = event.target.closest?.("[data-tick]");
      if (tick) this.press(tick.dataset.of, tick.dataset.tick, event.shiftKey, this.row(tick.dataset.of));
    });
    document.documentElement.dataset.ticks = "heard"; // until then tick.css shows none: a click on one would be lost
    new MutationObserver(() => this.paintSoon()).observe(document.body, { childList: true, subtree: true });
  }

  row(of) { return [...document.querySelectorAll("[data-tick]")].filter((tick) => tick.dataset.of === of).map((tick) => tick.dataset.tick); }

  ids(of) { return (this.sets[of] ??= new Set()); }

  has(of, id) { return this.ids(of).has(id); }

  set(of, ids, on) {
    const held = this.ids(of);
    for (const id of ids) {
      if (!on) held.delete(id);
      else if (held.size < MOST_SELECTED) held.add(id);
    }
    this.changed();
  }

  // A click on a tick; with Shift all of `row` from the last one to this.
  press(of, id, shift, row) {
    const [from, to] = [row.indexOf(this.last), row.indexOf(id)].sort((a, b) => a - b);
    if (shift && from >= 0) this.set(of, row.slice(from, to + 1), true);
    else this.set(of, [id], !this.has(of, id));
    this.last = id;
  }

  // What Python selects: a lasso, a cluster, a link. Once for each token.
  put({ of, ids, add, token }) {
    if (this.seen[of] === token) return;
    this.seen[of] = token;
    if (!add) this.ids(of).clear();
    this.set(of, ids, true);
  }

  changed() {
    try {
      const sets = Object.fromEntries(Object.entries(this.sets).filter(([, ids]) => ids.size).map(([of, ids]) => [of, [...ids]]));
      sessionStorage.setItem(SELECTION, JSON.stringify({ sets, seen: this.seen }));
    } catch {}
    for (const hearer of this.hearers) hearer();
    this.paint();
  }

  hear(hearer) {
    this.hearers.add(hearer);
    return () => this.hearers.delete(hearer);
  }

  paintSoon() { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); }); }

  paint() {
    for (const tick of document.querySelectorAll("[data-tick]")) {
      const on = String(this.has(tick.dataset.of, tick.dataset.tick));
      if (tick.getAttribute("aria-checked") !== on) tick.setAttribute("aria-checked", on);
    }
  }
}
const selection = (window.semblanceSelection ??= new Selection());

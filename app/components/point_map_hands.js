// What a visitor does with the map: pointer, wheel, keys, tools and legend. Mixed into PointMap.
const hands = {
  listen() {
    const { canvas } = this;
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.stage);
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.onwheel = (event) => {
      event.preventDefault();
      this.zoomAt(...at(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)));
    };
    canvas.onpointerdown = (event) => {
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.touches.set(event.pointerId, at(event));
      this.down = { at: at(event), last: at(event), moved: false, shift: event.shiftKey };
      this.point(-1);
      if (this.mode !== "move") this.drawing = [at(event)];
    };
    canvas.onpointermove = (event) => this.moved(event, at(event));
    canvas.onpointerup = (event) => this.lifted(event, at(event));
    canvas.onpointercancel = (event) => { this.touches.delete(event.pointerId); this.down = this.drawing = null; this.draw(); };
    canvas.onpointerleave = () => this.point(-1);
    canvas.ondblclick = (event) => this.zoomAt(...at(event), 2);
    canvas.onkeydown = (event) => this.pressed(event);
  },

  moved(event, here) {
    if (!this.down) return event.pointerType === "mouse" && this.point(this.nearest(...here), here);
    if (this.touches.size === 2 && this.touches.has(event.pointerId)) {
      const [one, two] = [...this.touches.entries()].map(([id, spot]) => (id === event.pointerId ? here : spot));
      const [a, b] = [...this.touches.values()];
      this.down.moved = true;
      this.drawing = null;
      const before = Math.hypot(a[0] - b[0], a[1] - b[1]), after = Math.hypot(one[0] - two[0], one[1] - two[1]);
      this.touches.set(event.pointerId, here);
      return this.zoomAt((one[0] + two[0]) / 2, (one[1] + two[1]) / 2, after / Math.max(before, 1));
    }
    this.touches.set(event.pointerId, here);
    const [dx, dy] = [here[0] - this.down.last[0], here[1] - this.down.last[1]];
    if (Math.hypot(here[0] - this.down.at[0], here[1] - this.down.at[1]) > 4) this.down.moved = true;
    if (!this.down.moved) return;
    this.down.last = here;
    if (this.mode === "box") this.drawing = corners(this.down.at, here);
    else if (this.mode === "lasso") this.drawing.push(here);
    else if (this.depth && !this.down.shift) this.turn = [this.turn[0] - dx * 0.008, Math.min(Math.max(this.turn[1] - dy * 0.008, -1.55), 1.55)];
    else {
      const fit = (Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * this.zoom) / 2;
      this.centre = [this.centre[0] - dx / fit, this.centre[1] + dy / fit];
    }
    this.draw();
  },

  lifted(event, here) {
    this.touches.delete(event.pointerId);
    const { down, drawing } = this;
    if (!down || this.touches.size) return;
    this.down = this.drawing = null;
    if (!down.moved) {
      const found = this.nearest(...here);
      if (found >= 0) this.changed({ picked: this.id(found) });
      else if (this.shape) this.select(null);
    } else if (drawing?.length > 2) {
      this.select({ polygon: thinned(drawing).map(([x, y]) => this.toMap(x, y).map((value) => Math.round(value * 1e4) / 1e4)), turn: this.depth ? this.turn.map((angle) => Math.round(angle * 1e3) / 1e3) : null }, event.shiftKey);
    }
    this.draw();
  },

  // All of what is seen, always: of two changes in quick succession the second may reach Python before the first is answered.
  changed(more = {}) {
    this.setTriggerValue("changed", { shape: this.shape, only: this.only, look: this.look, ...more, n: Date.now() });
  },

  // add: beside what is selected already, else in its place
  select(shape, add = false) {
    this.shape = shape;
    this.mark();
    this.draw();
    this.changed({ add });
  },

  point(i, here) {
    if (i === this.hover) return;
    this.hover = i;
    this.canvas.style.cursor = this.mode !== "move" ? "crosshair" : i >= 0 ? "pointer" : "grab";
    this.draw();
    clearTimeout(this.dwelling);
    this.tip.classList.remove("there");
    if (i < 0) return;
    this.dwelling = setTimeout(() => {
      const image = element("img", { src: this.picture(i), alt: "" });
      const name = this.data.legend.find((entry) => entry.code === this.codes[i])?.name;
      this.tip.replaceChildren(image, ...(name ? [element("span", {}, name)] : []));
      const [x, y] = this.spot(i), { clientWidth: w, clientHeight: h } = this.stage;
      this.tip.style.left = `${Math.min(Math.max(x - 66, 4), w - 140)}px`;
      this.tip.style.top = `${y > h / 2 ? y - 178 : y + 16}px`;
      this.tip.classList.add("there");
    }, DWELL);
  },

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step && this.depth) this.turn = [this.turn[0] + 0.1 * step[0], Math.min(Math.max(this.turn[1] + 0.1 * step[1], -1.55), 1.55)];
    else if (step) this.centre = [this.centre[0] + (0.1 * step[0]) / this.zoom, this.centre[1] + (0.1 * step[1]) / this.zoom];
    else if (event.key === "+" || event.key === "=") this.zoomAt(w / 2, h / 2, 1.3);
    else if (event.key === "-") this.zoomAt(w / 2, h / 2, 1 / 1.3);
    else if (event.key === "0") this.home();
    else if (event.key === "Escape") { if (this.shape) this.select(null); }
    else if ({ m: 1, l: 1, b: 1 }[event.key]) this.use({ m: "move", l: "lasso", b: "box" }[event.key]);
    else if ({ p: 1, g: 1 }[event.key]) this.choose({ p: "pictures", g: "grid" }[event.key]);
    else return;
    event.preventDefault();
    this.draw();
  },

  use(mode) {
    if (this.grid) return;
    this.mode = mode;
    this.drawTools();
    this.draw();
  },

  // A key chooses points again when it is pressed twice.
  choose(look, again = true) {
    const wanted = again && look === this.look ? "points" : look;
    this.show(wanted);
    this.draw();
    this.changed();
  },

  drawTools() {
    this.stage.dataset.mode = this.mode;
    this.canvas.style.cursor = this.mode === "move" ? "grab" : "crosshair";
    const button = (name, title, pressed, act) => {
      const made = element("button", { type: "button", title, ...(pressed === null ? { "aria-label": title } : { "aria-pressed": String(pressed) }) }, name);
      made.onclick = act;
      return made;
    };
    const modes = MODES.map(([mode, name, title]) => {
      const made = button(name, title, this.mode === mode, () => this.use(mode));
      made.disabled = this.grid && mode !== "move";
      return made;
    });
    const looks = LOOKS.map(([look, name, title]) => button(name, title, this.look === look, () => this.choose(look, false)));
    const zoom = (name, title, factor) => button(name, title, null, () => this.zoomAt(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2, factor));
    this.tools.replaceChildren(
      element("div", {}, ...modes),
      element("div", {}, ...looks),
      element("div", {}, zoom("+", "Closer (+)", 1.5), zoom("−", "Farther (-)", 1 / 1.5), button("Reset", "Reset to the whole map (0)", null, () => { this.home(); this.draw(); })),
      element("div", {}, button("PNG", "Save what is shown as a PNG", null, () => this.save())),
    );
  },

  drawLegend() {
    const { data } = this;
    this.note.textContent = data.note;
    this.note.hidden = !data.note;
    const title = element("b", {}, data.title);
    if (data.range) {
      const bar = element("i", { class: "ramp" });
      bar.style.background = `linear-gradient(to right, ${data.palette.slice(1).filter((_, i) => i % 32 === 0 || i === 254).join(",")})`;
      this.legend.replaceChildren(title, element("span", {}, data.range[0]), bar, element("span", {}, data.range[1]));
      return;
    }
    const entries = data.legend.map((entry) => {
      const swatch = element("i");
      swatch.style.background = data.palette[entry.code];
      const on = !this.only.length || this.only.includes(entry.name);
      const made = element("button", { type: "button", "aria-pressed": String(this.only.includes(entry.name)), class: on ? "" : "off", title: "Show only these; with Shift several" }, swatch, entry.name, element("small", {}, entry.count));
      made.onclick = (event) => this.isolate(entry.name, event.shiftKey);
      return made;
    });
    const all = element("button", { type: "button", class: "all" }, "Show all");
    all.onclick = () => this.isolate("", false);
    this.legend.replaceChildren(...(data.title ? [title] : []), ...entries, ...(this.only.length ? [all] : []));
  },

  isolate(name, several) {
    const alone = this.only.length === 1 && this.only[0] === name;
    if (!name || (alone && !several)) this.only = [];
    else if (several) this.only = this.only.includes(name) ? this.only.filter((one) => one !== name) : [...this.only, name];
    else this.only = [name];
    this.mark();
    this.drawLegend();
    this.draw();
    this.changed();
  },

  leave() {
    this.resized.disconnect();
    window.removeEventListener("semblance-legend", this.placed);
    clearTimeout(this.dwelling);
    this.painter.free();
  },
};
Object.assign(PointMap.prototype, hands);

function corners([a, b], [c, d]) { return [[a, b], [c, b], [c, d], [a, d]]; }

// At most 64 corners: enough for any circle drawn by hand, few enough for an address.
function thinned(points) {
  const step = Math.max(1, points.length / 64);
  return points.length <= 64 ? points : Array.from({ length: 64 }, (_, i) => points[Math.floor(i * step)]);
}

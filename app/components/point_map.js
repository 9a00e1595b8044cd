// A map of pictures: move, turn, isolate, lasso, hover, pick. Points come as bytes by address, text only as textContent.
// What a visitor picks or circles goes to Python as an id, or as a shape in the map's own units: Python has all points.
const NEAR = 14;    // pixels: how close a pointer must come to a point
const DWELL = 125;  // ms on a point before its picture is fetched
const CELL = 64;    // pixels: a picture in the view of pictures
const LOOKS = [
  ["points", "Points", "Every picture a point"],
  ["pictures", "Pictures", "Pictures instead of points, one for each place (P)"],
  ["grid", "Grid", "Every picture in a cell of its own, beside those that are alike (G)"],
];
const MODES = [
  ["move", "Move", "Drag to move, wheel to zoom, click a point to see its picture (M)"],
  ["lasso", "Lasso", "Draw around pictures to select them, with Shift more of them (L)"],
  ["box", "Box", "Draw a box over pictures to select them, with Shift more of them (B)"],
];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export default function (component) {
  const { parentElement } = component;
  parentElement.pointMap ??= new PointMap(parentElement.querySelector(".root"));
  parentElement.pointMap.take(component);
  return () => {
    parentElement.pointMap?.leave();
    delete parentElement.pointMap;
  };
}

class PointMap {
  constructor(root) {
    this.root = root;
    this.canvas = element("canvas", { class: "points", tabindex: "0", role: "application" });
    this.over = element("canvas", { class: "over", "aria-hidden": "true" });
    this.tip = element("div", { class: "tip" });
    this.tools = element("div", { class: "tools", role: "toolbar", "aria-label": "Map" });
    this.note = element("div", { class: "note", role: "status" });
    this.legend = element("div", { class: "legend" });
    this.stage = element("div", { class: "stage" }, this.canvas, this.over, this.tools, this.note, this.tip);
    root.replaceChildren(this.stage);
    this.placed = () => window.semblanceLegend?.replaceChildren(this.legend);
    window.addEventListener("semblance-legend", this.placed);
    this.placed();
    this.painter = painter(this.canvas);
    this.stage.dataset.painter = this.painter.kind;
    Object.assign(this, { mode: "move", look: "points", hover: -1, only: [], shape: null, cache: new Map(), touches: new Map() });
    this.count = 0;
    this.home();
    this.drawTools();
    this.listen();
  }

  async take({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { data, setStateValue, setTriggerValue });
    this.canvas.setAttribute("aria-label", data.alt);
    this.depth = data.dimensions === 3;
    this.stage.classList.toggle("deep", this.depth);
    const turn = ++this.turnOf || (this.turnOf = 1);
    if (data.points !== this.pointsAt) {
      const bytes = await (await fetch(data.points)).arrayBuffer();
      if (turn !== this.turnOf) return;
      this.readPoints(bytes);
      this.pointsAt = data.points;
      this.home();
    }
    if (data.grid && data.grid !== this.gridAt) {
      const [bytes, sheet] = await Promise.all([data.grid, data.sheet].map(async (address) => (await fetch(address)).arrayBuffer()));
      const image = await createImageBitmap(new Blob([sheet]));
      if (turn !== this.turnOf) return;
      this.sheet = image;
      this.readGrid(bytes);
      this.gridAt = data.grid;
    }
    if (data.codes !== this.codesAt) {
      const bytes = await (await fetch(data.codes)).arrayBuffer();
      if (turn !== this.turnOf) return;
      this.codes = new Uint8Array(bytes);
      this.painter.codes(this.codes);
      this.codesAt = data.codes;
    }
    this.show(data.look);
    this.only = data.only.filter((name) => data.legend.some((entry) => entry.name === name));
    this.shape = data.selection;
    if (this.shape?.turn) this.turn = [...this.shape.turn];
    this.mark();
    this.drawLegend();
    this.draw();
    this.root.dataset.ready = `${data.points} ${data.codes}`;
  }

  readPoints(bytes) {
    const dims = this.data.dimensions;
    this.count = bytes.byteLength / (4 * dims + 16);
    const flat = new Float32Array(bytes, 0, this.count * dims);
    this.xyz = new Float32Array(this.count * 3);
    for (let i = 0; i < this.count; i++) for (let d = 0; d < dims; d++) this.xyz[3 * i + d] = flat[dims * i + d];
    this.idBytes = new Uint8Array(bytes, 4 * dims * this.count);
    this.mapped = this.xyz;
    this.painter.points(this.xyz);
  }

  // Column and row of each point; one without a cell is put where nobody looks.
  readGrid(bytes) {
    const cells = (this.places = new Float32Array(bytes)), { columns, rows } = this.data;
    this.cell = 2 / Math.max(columns, rows); // its side, in the map's units
    this.gridded = new Float32Array(this.count * 3).fill(1e6);
    for (let i = 0; i < this.count; i++) {
      if (Number.isNaN(cells[2 * i])) continue;
      this.gridded.set([(cells[2 * i] - (columns - 1) / 2) * this.cell, ((rows - 1) / 2 - cells[2 * i + 1]) * this.cell, 0], 3 * i);
    }
  }

  // Which of LOOKS; the grid waits until Python has sent it.
  show(look) {
    const xyz = look === "grid" && this.gridded && this.data.grid ? this.gridded : this.mapped;
    this.look = look;
    this.grid = xyz === this.gridded && look === "grid";
    this.depth = this.data.dimensions === 3 && !this.grid;
    this.stage.classList.toggle("deep", this.depth);
    if (xyz && xyz !== this.xyz) {
      this.xyz = xyz;
      this.painter.points(xyz);
      this.home();
    }
    if (this.grid) this.mode = "move";
    this.drawTools();
  }

  id(i) {
    return [...this.idBytes.subarray(16 * i, 16 * i + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  picture(i) { return this.data.thumbnails + this.id(i) + ".jpg"; }

  // --- the view -------------------------------------------------------------------------------------------------

  // The whole map in the stage, whatever the shape of both.
  home() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const half = [0.05, 0.05];
    for (let i = 0; i < this.count; i++) for (const d of [0, 1]) if (this.xyz[3 * i] < 1e5) half[d] = Math.max(half[d], Math.abs(this.xyz[3 * i + d]) + (this.grid ? this.cell / 2 : 0));
    this.whole = this.depth || !w ? 0.8 : ((this.grid ? 0.84 : 0.92) * Math.min(w / half[0], h / half[1])) / Math.min(w, h);
    Object.assign(this, { zoom: this.whole, centre: [0, 0], turn: [0.5, 0.3] });
  }

  view() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const fit = Math.min(w, h);
    const scale = [(this.zoom * fit) / w, (this.zoom * fit) / h];
    const rows = this.depth ? turned(...this.turn) : [[1, 0, 0], [0, 1, 0]];
    return { rows, scale, offset: [-this.centre[0] * scale[0], -this.centre[1] * scale[1]] };
  }

  toMap(x, y) {
    const view = this.view();
    const u = (2 * x) / this.canvas.clientWidth - 1, v = 1 - (2 * y) / this.canvas.clientHeight;
    return [(u - view.offset[0]) / view.scale[0], (v - view.offset[1]) / view.scale[1]];
  }

  zoomAt(x, y, factor) {
    const before = this.toMap(x, y);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.4), 400);
    const after = this.toMap(x, y);
    this.centre = [this.centre[0] + before[0] - after[0], this.centre[1] + before[1] - after[1]];
    this.draw();
  }

  visible(code) {
    const entry = this.data.legend.find((one) => one.code === code);
    return !this.only.length || !entry || this.only.includes(entry.name);
  }

  // Which points the shape takes: dims the others. Python decides again over all points.
  mark() {
    const faded = new Uint8Array(this.count);
    const polygon = this.shape?.polygon;
    if (polygon) {
      const [a, b] = this.shape.turn ? turned(...this.shape.turn) : [[1, 0, 0], [0, 1, 0]];
      for (let i = 0; i < this.count; i++) {
        const [x, y, z] = this.mapped.subarray(3 * i, 3 * i + 3);
        faded[i] = inside(polygon, a[0] * x + a[1] * y + a[2] * z, b[0] * x + b[1] * y + b[2] * z) ? 0 : 1;
      }
    }
    this.fadedFlags = faded;
    this.painter.faded(faded);
    this.shown = Uint8Array.from({ length: 256 }, (_, code) => (this.visible(code) ? 1 : 0));
    const rgba = new Uint8Array(1024);
    this.data.palette.forEach((hex, code) => {
      const value = parseInt(hex.slice(1, 7), 16), alpha = hex.length > 7 ? parseInt(hex.slice(7), 16) : 255;
      rgba.set([value >> 16, (value >> 8) & 255, value & 255, this.shown[code] ? alpha : 0], 4 * code);
    });
    this.painter.palette(rgba);
  }

  draw() { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.drawNow(); }); }

  drawNow(ratio = Math.min(devicePixelRatio || 1, 2)) {
    if (!this.data || !this.count) return;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !h) return;
    for (const canvas of [this.canvas, this.over])
      if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
        canvas.width = Math.round(w * ratio);
        canvas.height = Math.round(h * ratio);
      }
    const crowd = Math.min(Math.max(38 / Math.sqrt(Math.sqrt(this.count)), 2.2), 9);
    const size = Math.min(crowd * Math.pow(this.zoom / this.whole, 0.35), 16) * ratio;
    this.painter.draw(this.view(), size, this.grid ? 0 : this.look === "pictures" ? 0.16 : 0.85);
    this.drawOver(ratio);
  }

  drawOver(ratio) {
    const pen = this.over.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.over.width, this.over.height);
    const style = getComputedStyle(this.root);
    const ink = style.getPropertyValue("--st-text-color") || "#000";
    this.cells = this.look === "pictures" ? this.drawPictures(pen) : null;
    if (this.grid) this.drawGrid(pen);
    pen.strokeStyle = ink;
    if (this.shape?.polygon && !this.grid) this.drawShape(pen, this.shape.polygon.map((point) => this.fromMap(point)), false);
    if (this.drawing) this.drawShape(pen, this.drawing, true);
    if (this.data.query && !this.grid) this.drawQuery(pen, this.spot3(this.data.query), ink, style.getPropertyValue("--st-background-color"));
    const picked = style.getPropertyValue("--st-primary-color");
    for (const id of this.data.near) this.ring(pen, this.indexOf(id), 6, 1.5, picked);
    this.ring(pen, this.indexOf(this.data.picked), 9, 3, picked);
    this.ring(pen, this.hover, 8, 2.5, ink);
  }

  ring(pen, i, radius, width, colour) {
    if (i < 0) return;
    pen.beginPath();
    pen.arc(...this.spot(i), radius, 0, 7);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  }

  drawShape(pen, corners, open) {
    pen.beginPath();
    corners.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    if (!open) pen.closePath();
    pen.setLineDash(open ? [] : [6, 4]);
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.setLineDash([]);
  }

  drawQuery(pen, [x, y], ink, paper) {
    pen.beginPath();
    for (let i = 0; i < 10; i++) {
      const far = i % 2 ? 5.5 : 13, angle = (i * Math.PI) / 5 - Math.PI / 2;
      pen.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
    }
    pen.closePath();
    pen.fillStyle = ink;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = paper;
    pen.stroke();
    pen.strokeStyle = ink;
  }

  // One picture a cell: the point nearest its middle; it stands in the middle, so that none covers another.
  drawPictures(pen) {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const view = this.view(), cells = new Map();
    for (let i = 0; i < this.count; i++) {
      if (!this.shown[this.codes[i]]) continue;
      const [x, y] = onCanvas(view, this.xyz, i, w, h);
      if (x < 0 || y < 0 || x >= w || y >= h) continue;
      const column = Math.floor(x / CELL), row = Math.floor(y / CELL), key = row * 1000 + column;
      const far = Math.hypot(x - (column + 0.5) * CELL, y - (row + 0.5) * CELL);
      if (!(cells.get(key)?.far <= far)) cells.set(key, { i, far, x: column * CELL, y: row * CELL });
    }
    for (const cell of cells.values()) this.drawPicture(pen, cell.i, cell.x + 3, cell.y + 3, CELL - 6, 2.5);
    return cells;
  }

  // Each picture that the grid has in its cell, its colour around it where there is room for one.
  drawGrid(pen) {
    const { clientWidth: w, clientHeight: h } = this.canvas, view = this.view();
    const size = (this.cell * view.scale[0] * w) / 2, gap = size > 24 ? 2 : 0.5;
    for (let i = 0; i < this.count; i++) {
      if (this.xyz[3 * i] > 1e5 || !this.shown[this.codes[i]]) continue;
      const [x, y] = onCanvas(view, this.xyz, i, w, h);
      if (x < -size || y < -size || x > w + size || y > h + size) continue;
      pen.globalAlpha = this.fadedFlags[i] ? 0.25 : 1;
      const box = [x - size / 2 + gap, y - size / 2 + gap, size - 2 * gap, size - 2 * gap], { tile } = this.data;
      pen.drawImage(this.sheet, this.places[2 * i] * tile, this.places[2 * i + 1] * tile, tile, tile, ...box);
      this.drawPicture(pen, i, ...box.slice(0, 3), size > 24 ? 2.5 : 1, size > 1.2 * tile);
    }
    pen.globalAlpha = 1;
  }

  // whole: also the thumbnail, not just the line around it.
  drawPicture(pen, i, x, y, size, line, whole = true) {
    const image = whole && this.load(this.picture(i)), colour = this.data.palette[this.codes[i]];
    if (image?.naturalWidth) {
      const side = Math.min(image.naturalWidth, image.naturalHeight);
      pen.drawImage(image, (image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2, side, side, x, y, size, size);
    }
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.strokeRect(x, y, size, size);
  }

  // The view as it stands, with its legend, as a PNG.
  save() {
    const ratio = Math.max(2, devicePixelRatio || 1), { clientWidth: w, clientHeight: h } = this.canvas;
    this.drawNow(ratio); // what WebGL has drawn is there until the browser shows it
    const style = getComputedStyle(this.root), entries = this.data.legend.filter((entry) => !this.only.length || this.only.includes(entry.name)).slice(0, 24);
    const aside = entries.length ? 220 : 0, out = element("canvas");
    Object.assign(out, { width: (w + aside) * ratio, height: h * ratio });
    const pen = out.getContext("2d");
    pen.fillStyle = style.getPropertyValue("--st-background-color");
    pen.fillRect(0, 0, out.width, out.height);
    for (const canvas of [this.canvas, this.over]) pen.drawImage(canvas, 0, 0, w * ratio, h * ratio);
    pen.scale(ratio, ratio);
    pen.font = `13px ${style.getPropertyValue("--st-font")}`;
    entries.forEach((entry, row) => {
      const y = 24 + 22 * row;
      pen.fillStyle = this.data.palette[entry.code];
      pen.fillRect(w + 16, y - 10, 12, 12);
      pen.fillStyle = style.getPropertyValue("--st-text-color");
      pen.fillText(`${entry.name}  ${entry.count}`, w + 36, y, aside - 44);
    });
    this.draw();
    out.toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob), download: `map-${this.look}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  load(address) {
    let image = this.cache.get(address);
    if (!image) {
      image = new Image();
      image.onload = () => this.draw();
      image.src = address;
      this.cache.set(address, image);
      if (this.cache.size > 600) this.cache.delete(this.cache.keys().next().value);
    }
    return image;
  }

  spot(i) { return onCanvas(this.view(), this.xyz, i, this.canvas.clientWidth, this.canvas.clientHeight); }
  spot3(point) { return onCanvas(this.view(), [...point, 0], 0, this.canvas.clientWidth, this.canvas.clientHeight); }

  fromMap([u, v]) {
    const view = this.view();
    return [((u * view.scale[0] + view.offset[0] + 1) / 2) * this.canvas.clientWidth, ((1 - v * view.scale[1] - view.offset[1]) / 2) * this.canvas.clientHeight];
  }

  indexOf(id) {
    if (!id) return -1;
    if (this.indexed !== this.pointsAt) {
      this.indexed = this.pointsAt;
      this.index = new Map(Array.from({ length: this.count }, (_, i) => [this.id(i), i]));
    }
    return this.index.get(id) ?? -1;
  }

  nearest(x, y) {
    if (this.cells) return this.cells.get(Math.floor(y / CELL) * 1000 + Math.floor(x / CELL))?.i ?? -1;
    const view = this.view(), { clientWidth: w, clientHeight: h } = this.canvas;
    let best = -1, least = NEAR;
    for (let i = 0; i < this.count; i++) {
      if (!this.shown[this.codes[i]]) continue;
      const [px, py] = onCanvas(view, this.xyz, i, w, h);
      const far = Math.hypot(px - x, py - y);
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }
}

// Pictures to keep or leave out, by click or key. The whole set that is left out is sent each time, so that quick clicks
// never lose one. Text is only ever set as textContent or an attribute, never parsed as markup.
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const out = new Set(data.tiles.filter((tile) => tile.out).map((tile) => tile.id));
  const focused = root.contains(root.getRootNode().activeElement) && root.getRootNode().activeElement.dataset.id;
  const grid = element("div", { class: "grid", role: "group", "aria-label": data.called });
  if (data.side) grid.style.setProperty("--tile", `${data.side}px`);

  function paint(tile) {
    const gone = out.has(tile.dataset.id);
    tile.classList.toggle("out", gone);
    tile.setAttribute("aria-pressed", String(!gone));
    tile.querySelector(".mark").textContent = gone ? "✕" : "✓";
  }

  function set(tile, gone) {
    const id = tile.dataset.id;
    if (out.has(id) === gone) return;
    if (gone) out.add(id);
    else out.delete(id);
    for (const other of grid.querySelectorAll(".tile")) paint(other);  // a picture may stand in several groups
    setTriggerValue("picked", { out: [...out], n: Date.now() });
  }

  const ticks = [], pictures = data.tiles.filter((tile) => tile.picture).map((tile) => tile.picture);
  const paintTicks = () => ticks.forEach(([tick, tile]) => tick.setAttribute("aria-checked", String(selection.has(tile.of, tile.picture))));

  for (const tile of data.tiles) {
    if (tile.heading !== undefined) {
      const heading = element("div", { class: "heading" });
      if (tile.src) heading.append(element("img", { src: tile.src, alt: "", loading: "lazy" }));
      heading.append(element("div", {}, element("b", {}, tile.heading), " ", element("span", {}, tile.note || "")));
      grid.append(heading);
      continue;
    }
    const frame = element("span", { class: "frame" });
    if (tile.src) frame.append(element("img", { src: tile.src, alt: "", loading: "lazy", decoding: "async" }));
    frame.append(element("span", { class: "mark", "aria-hidden": "true" }));
    const button = element("button", { type: "button", class: "tile", title: tile.alt, "aria-label": tile.alt });
    button.append(frame, element("span", { class: "first" }, tile.first), element("span", { class: "second" }, tile.second || ""));
    button.dataset.id = tile.id;
    button.onclick = () => set(button, !out.has(tile.id));
    paint(button);
    const cell = element("div", { class: "picked" }, button);
    if (tile.picture) {
      const tick = element("button", { type: "button", class: "tick", role: "checkbox", "aria-label": `Select ${tile.alt}`, title: "Select; with Shift all from the last one" });
      tick.onclick = (event) => selection.press(tile.of, tile.picture, event.shiftKey, pictures);
      ticks.push([tick, tile]);
      cell.append(tick);
    }
    grid.append(cell);
  }

  grid.onkeydown = (event) => {
    const tiles = [...grid.querySelectorAll(".tile")];
    const at = tiles.indexOf(event.target.closest(".tile"));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const gone = { x: true, d: true, k: false }[event.key.toLowerCase()];
    if (step) tiles[Math.min(Math.max(at + step, 0), tiles.length - 1)].focus();
    else if (gone !== undefined) set(tiles[at], gone);
    else return;
    event.preventDefault();
  };
  root.replaceChildren(grid);
  paintTicks();
  root.unhear?.();
  root.unhear = selection.hear(paintTicks);
  if (focused) [...grid.querySelectorAll(".tile")].find((tile) => tile.dataset.id === focused)?.focus();
  return () => root.unhear?.();
}

// A grid of hits. Marks (more / less like this) stay in the browser until "Refine" sends them, so marking is instant.
// Text from the gallery is only ever set as textContent or an attribute, never parsed as markup.
const ICONS = {
  search: "M9.5 3a6.5 6.5 0 0 1 5.2 10.4l5.4 5.4-1.4 1.4-5.4-5.4A6.5 6.5 0 1 1 9.5 3Zm0 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z",
  like: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  unlike: "M5 11h14v2H5z",
};
const TITLES = { search: "Search with this (Enter)", like: "More like this (L)", unlike: "Less like this (U)" };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const sent = new Map([...data.like.map((id) => [id, "like"]), ...data.unlike.map((id) => [id, "unlike"])]);
  const before = JSON.stringify([...sent].sort());
  // Marks that are not sent yet outlive another number of hits, order or filter; another question begins without any.
  const question = JSON.stringify([data.of, data.asked, before]);
  const marks = root.unsent?.question === question ? root.unsent.marks : sent;
  root.unsent = { question, marks };
  const send = (kind, id) => setTriggerValue("action", { kind, id, n: Date.now() });

  const grid = element("div", { class: data.small ? "grid small" : "grid", role: "list" });
  if (data.side) grid.style.setProperty("--tile", `${data.side}px`);
  const bar = element("div", { class: "bar", role: "status" });
  const dialog = element("dialog", { "aria-label": "Picture" });
  root.replaceChildren(grid, bar, dialog);

  function mark(id, kind) {
    if (marks.get(id) === kind) marks.delete(id);
    else marks.set(id, kind);
    for (const tile of grid.querySelectorAll(".tile")) paint(tile);
    drawBar();
  }

  function paint(tile) {
    const kind = marks.get(tile.dataset.id);
    tile.classList.toggle("liked", kind === "like");
    tile.classList.toggle("unliked", kind === "unlike");
    for (const button of tile.querySelectorAll(".act[aria-pressed]"))
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
  }

  function drawBar() {
    const count = (kind) => [...marks.values()].filter((value) => value === kind).length;
    bar.hidden = JSON.stringify([...marks].sort()) === before;
    const refine = element("button", { class: "go", type: "button", title: "R" }, "Refine");
    refine.onclick = () => setTriggerValue("feedback", {
      like: [...marks].filter(([, kind]) => kind === "like").map(([id]) => id),
      unlike: [...marks].filter(([, kind]) => kind === "unlike").map(([id]) => id),
      n: Date.now(),
    });
    const cancel = element("button", { type: "button" }, "Cancel");
    cancel.onclick = () => {
      marks.clear();
      for (const [id, kind] of JSON.parse(before)) marks.set(id, kind);
      grid.querySelectorAll(".tile").forEach(paint);
      drawBar();
    };
    bar.replaceChildren(`${count("like")} liked, ${count("unlike")} disliked`, refine, cancel);
  }

  const doings = [
    ["Search with this", (tile) => send("search", tile.id), "search"],
    ["Why similar?", (tile) => send("why", tile.id), "why"],
    ["Remove from gallery", (tile) => send("remove", tile.id), "remove"],
  ].filter(([, , kind]) => data.actions.includes(kind)).map(([title, act, kind]) => [title, act, kind === "search"]);
  const open = viewer(dialog, data.tiles.filter((tile) => tile.id), doings, data.query, (id) => grid.querySelector(`.tile[data-id="${id}"] .frame`)?.focus());

  const shown = data.tiles.filter((tile) => tile.id).map((tile) => tile.id);
  const choose = (id, shift) => selection.press(data.of, id, shift, shown);
  function paintTicks() {
    for (const tick of grid.querySelectorAll(".tick")) {
      const on = selection.has(data.of, tick.dataset.id);
      tick.setAttribute("aria-checked", String(on));
      tick.closest(".tile").classList.toggle("chosen", on);
    }
  }
  // A drag that begins on a tick gives all tiles on its way what the tick gets.
  let dragged = null;
  grid.onpointerdown = (event) => {
    const tick = event.target.closest(".tick");
    dragged = tick && event.pointerType === "mouse" ? { id: tick.dataset.id, on: !selection.has(data.of, tick.dataset.id) } : null;
  };
  grid.onpointerover = (event) => {
    const id = event.target.closest(".tile")?.dataset.id;
    if (dragged && event.buttons & 1 && id && id !== dragged.id) selection.set(data.of, [dragged.id, id], dragged.on);
  };

  for (const tile of data.tiles) {
    if (tile.heading) {
      const note = element("span");
      note.textContent = ` ${tile.note}`;
      const heading = element("div", { class: "heading" }, tile.heading, note);
      grid.append(heading);
      continue;
    }
    if (tile.divider) {
      grid.append(element("div", { class: "divider" }, tile.divider));
      continue;
    }
    const frame = element("button", { class: "frame", type: "button", "aria-label": tile.alt });
    frame.append(element("img", { src: tile.src, alt: tile.alt, loading: "lazy", decoding: "async" }));
    frame.onclick = () => (data.actions.includes("open") ? open(tile.id) : send("search", tile.id));
    const acts = element("div", { class: "acts" });
    for (const kind of ["unlike", "like", "search"].filter((name) => data.actions.includes(name))) {
      const button = element("button", { class: `act ${kind}`, type: "button", title: TITLES[kind], "aria-label": TITLES[kind] });
      button.dataset.kind = kind;
      if (kind !== "search") button.setAttribute("aria-pressed", "false");
      button.append(icon(kind));
      button.onclick = () => (kind === "search" ? send("search", tile.id) : mark(tile.id, kind));
      acts.append(button);
    }
    const picture = element("div", { class: "picked" }, frame, acts);
    if (data.actions.includes("choose")) {
      const tick = element("button", { class: "tick", type: "button", role: "checkbox", "aria-checked": "false", "aria-label": `Select ${tile.alt} (X)`, title: "Select (X); with Shift all from the last one" });
      tick.dataset.id = tile.id;
      tick.onclick = (event) => choose(tile.id, event.shiftKey);
      picture.append(tick);
    }
    if (tile.folded) picture.append(element("div", { class: "folded", title: "hidden behind this one: near-duplicates, or other parts of its picture or film" }, `+${tile.folded}`));
    if (tile.part) picture.append(element("div", { class: "part", title: tile.part }, tile.badge || "part"));
    const caption = element("div", { class: "caption" }, element("span", { class: "label", title: tile.label }, tile.label));
    if (tile.score !== undefined) caption.append(element("span", { class: "score", title: tile.meaning }, tile.score));
    const made = element("div", { class: tile.weak ? "tile weak" : "tile", role: "listitem" }, picture, caption);
    if (tile.meter !== undefined)
      made.append(element("div", { class: "meter" }, element("i", { style: `width:${Math.max(0, tile.meter)}%` })));
    if (tile.alike) {
      const line = element("div", { class: "alike" });
      for (const [name, value, meaning] of tile.alike) line.append(element("span", { title: meaning }, name, element("b", {}, value)));
      made.append(line);
    }
    made.dataset.id = tile.id;
    paint(made);
    grid.append(made);
  }

  grid.onkeydown = (event) => {
    const frames = [...grid.querySelectorAll(".frame")];
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = frames.indexOf(tile.querySelector(".frame"));
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step) frames[Math.min(Math.max(at + step, 0), frames.length - 1)].focus();
    else if (event.key === "Enter" && event.target.classList.contains("frame") && data.actions.includes("search")) send("search", tile.dataset.id);
    else if (event.key.toLowerCase() === "l" && data.actions.includes("like")) mark(tile.dataset.id, "like");
    else if (event.key.toLowerCase() === "x" && data.actions.includes("choose")) choose(tile.dataset.id, false);
    else if (event.key.toLowerCase() === "u" && data.actions.includes("unlike")) mark(tile.dataset.id, "unlike");
    else if (event.key.toLowerCase() === "r" && !bar.hidden) bar.querySelector(".go").click();
    else return;
    event.preventDefault();
  };
  drawBar();
  paintTicks();
  root.unhear?.();
  if (data.actions.includes("choose")) root.unhear = selection.hear(paintTicks);
  return () => root.unhear?.();
}

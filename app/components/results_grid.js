// A grid of hits. Marks (more / less like this) stay in the browser until "Refine" sends them, so marking is instant.
// Text from the gallery is only ever set as textContent or an attribute, never parsed as markup.
const ICONS = {
  search: "M9.5 3a6.5 6.5 0 0 1 5.2 10.4l5.4 5.4-1.4 1.4-5.4-5.4A6.5 6.5 0 1 1 9.5 3Zm0 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z",
  like: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  unlike: "M5 11h14v2H5z",
};
const TITLES = { search: "Search with this (Enter)", like: "More like this (L)", unlike: "Less like this (U)" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

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
  const marks = new Map([...data.like.map((id) => [id, "like"]), ...data.unlike.map((id) => [id, "unlike"])]);
  const before = JSON.stringify([...marks].sort());
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
    bar.replaceChildren(`${count("like")} more, ${count("unlike")} less like this`, refine, cancel);
  }

  function open(tile) {
    const details = element("dl");
    for (const [key, value] of tile.details) details.append(element("dt", {}, key), element("dd", {}, value));
    const close = element("button", { type: "button" }, "Close");
    close.onclick = () => dialog.close();
    const buttons = element("div", { class: "buttons" });
    if (data.actions.includes("search")) {
      const go = element("button", { class: "go", type: "button" }, "Search with this");
      go.onclick = () => { dialog.close(); send("search", tile.id); };
      buttons.append(go);
    }
    if (data.actions.includes("why")) {
      const why = element("button", { type: "button" }, "Why similar?");
      why.onclick = () => { dialog.close(); send("why", tile.id); };
      buttons.append(why);
    }
    if (data.actions.includes("remove")) {
      const remove = element("button", { type: "button" }, "Remove from gallery");
      remove.onclick = () => { dialog.close(); send("remove", tile.id); };
      buttons.append(remove);
    }
    buttons.append(close);
    const shown = element("img", { src: tile.whole || tile.src, alt: tile.part || tile.alt });
    shown.onerror = () => { shown.onerror = null; shown.src = tile.src; }; // the whole picture is gone
    dialog.replaceChildren(shown, details, buttons);
    dialog.showModal();
  }

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
    frame.onclick = () => (data.actions.includes("open") ? open(tile) : send("search", tile.id));
    const acts = element("div", { class: "acts" });
    for (const kind of ["unlike", "like", "search"].filter((name) => data.actions.includes(name))) {
      const button = element("button", { class: `act ${kind}`, type: "button", title: TITLES[kind], "aria-label": TITLES[kind] });
      button.dataset.kind = kind;
      if (kind !== "search") button.setAttribute("aria-pressed", "false");
      button.append(icon(kind));
      button.onclick = () => (kind === "search" ? send("search", tile.id) : mark(tile.id, kind));
      acts.append(button);
    }
    const picture = element("div", { class: "picture" }, frame, acts);
    if (tile.folded) picture.append(element("div", { class: "folded", title: "hidden behind this one: near-duplicates, or other parts of its picture" }, `+${tile.folded}`));
    if (tile.part) picture.append(element("div", { class: "part", title: tile.part }, "part"));
    const caption = element("div", { class: "caption" }, element("span", { class: "label", title: tile.label }, tile.label));
    if (tile.score !== undefined) caption.append(element("span", { class: "score", title: tile.meaning }, tile.score));
    const made = element("div", { class: tile.weak ? "tile weak" : "tile", role: "listitem" }, picture, caption);
    if (tile.meter !== undefined)
      made.append(element("div", { class: "meter" }, element("i", { style: `width:${Math.max(0, tile.meter)}%` })));
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
    else if (event.key.toLowerCase() === "u" && data.actions.includes("unlike")) mark(tile.dataset.id, "unlike");
    else if (event.key.toLowerCase() === "r" && !bar.hidden) bar.querySelector(".go").click();
    else return;
    event.preventDefault();
  };
  drawBar();
}

// One picture at a time over the page: arrows go on, a click zooms, a slider lays the query over it. Nothing beneath moves.
// Texts are only ever set as textContent or attributes.
const ZOOM = 2.5;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// tiles: those that can be opened; doings: [[title, (tile) => void, main]] of the buttons; query: address of the query or "";
// left: told the id of the last one looked at when the viewer is closed
function viewer(dialog, tiles, doings, query, left) {
  let at = 0, zoomed = false, laid = false;

  function button(title, act, kind = "") {
    const made = element("button", { type: "button", class: kind }, title);
    made.onclick = act;
    return made;
  }

  function step(by) {
    at = Math.min(Math.max(at + by, 0), tiles.length - 1);
    zoomed = false;
    draw();
  }

  function still(tile) {
    const shown = element("img", { src: tile.src, alt: tile.part || tile.alt, draggable: "false" });
    const large = new Image(); // what is known already is shown at once, and gives way to the large one
    large.onload = () => (shown.src = large.src);
    if (tile.whole) large.src = tile.whole;
    return shown;
  }

  function picture(tile) {
    const frame = element("div", { class: "view" });
    if (tile.film && !laid) {
      const film = element("video", { src: tile.film, poster: tile.src, controls: "", preload: "metadata", playsinline: "", "aria-label": tile.part });
      const instead = element("p", { class: "unplayed" }, "This browser cannot play the film, or its file is gone; this is the frame.");
      film.onerror = () => frame.replaceChildren(still(tile), instead);
      film.onkeydown = (event) => event.stopPropagation(); // arrows wind the film
      frame.classList.add("film");
      frame.append(film);
      return frame;
    }
    const shown = still(tile);
    frame.append(shown);
    if (laid) {
      const over = element("img", { src: query, alt: "the query", class: "over" });
      const slider = element("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "How much of the query is laid over the hit" });
      const cut = () => (over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`);
      slider.oninput = cut;
      slider.onkeydown = (event) => event.stopPropagation();
      cut();
      frame.append(over, slider);
      return frame;
    }
    const look = (event) => {
      const box = frame.getBoundingClientRect();
      shown.style.transformOrigin = `${(100 * (event.clientX - box.left)) / box.width}% ${(100 * (event.clientY - box.top)) / box.height}%`;
    };
    frame.onclick = (event) => {
      zoomed = !zoomed;
      look(event);
      shown.style.transform = zoomed ? `scale(${ZOOM})` : "";
      frame.classList.toggle("zoomed", zoomed);
    };
    frame.onpointermove = (event) => zoomed && look(event);
    return frame;
  }

  function draw() {
    const tile = tiles[at];
    const details = element("dl");
    for (const [key, value] of tile.details) details.append(element("dt", {}, key), element("dd", {}, value));
    const buttons = element("div", { class: "buttons" });
    const before = button("‹", () => step(-1), "step"), after = button("›", () => step(1), "step");
    before.disabled = at === 0;
    after.disabled = at === tiles.length - 1;
    before.setAttribute("aria-label", "Previous (←)");
    after.setAttribute("aria-label", "Next (→)");
    for (const [title, act, main] of doings) buttons.append(button(title, () => { dialog.close(); act(tile); }, main ? "go" : ""));
    if (query) {
      const over = button("Lay the query over it", () => { laid = !laid; draw(); });
      over.setAttribute("aria-pressed", String(laid));
      buttons.append(over);
    }
    buttons.append(button("Close", () => dialog.close()));
    const count = element("span", { class: "count" }, `${at + 1} of ${tiles.length}`);
    dialog.replaceChildren(element("div", { class: "steps" }, before, count, after), picture(tile), details, buttons);
  }

  dialog.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); }; // the scrim
  dialog.onclose = () => left(tiles[at]?.id);
  return (id) => {
    at = Math.max(tiles.findIndex((tile) => tile.id === id), 0);
    zoomed = laid = false;
    draw();
    if (!dialog.open) dialog.showModal();
  };
}

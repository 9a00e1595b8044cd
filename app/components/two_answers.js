// Two answers to one query as two ladders; a line joins a picture that both have. Texts are only ever set as textContent.
const NS = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const places = data.sides.map((side) => new Map(side.tiles.map((tile, at) => [tile.id, at])));
  const rows = Math.max(...data.sides.map((side) => side.tiles.length));
  const answers = element("div", { class: "answers", style: `--rows:${rows}` });

  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 1 ${rows}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true"); // each picture says in words where the other answer has it
  for (const [id, at] of places[0]) {
    if (!places[1].has(id)) continue;
    const [from, to] = [at + 0.5, places[1].get(id) + 0.5];
    const path = document.createElementNS(NS, "path");
    path.setAttribute("d", `M0 ${from}C.5 ${from} .5 ${to} 1 ${to}`);
    path.dataset.id = id;
    svg.append(path);
  }

  function light(id, on) {
    for (const one of answers.querySelectorAll("[data-id]")) one.classList.toggle("on", on && one.dataset.id === id);
    answers.classList.toggle("lit", on && places.every((place) => place.has(id)));
  }

  function ladder(side, which) {
    const dialog = element("dialog", { "aria-label": "Picture" });
    const list = element("div", { class: `side ${which ? "right" : "left"}`, role: "list", "aria-label": side.title });
    const doings = [["Search with this", (tile) => setTriggerValue("action", { kind: "search", id: tile.id, n: Date.now() }), true]];
    const open = viewer(dialog, side.tiles, doings, data.query, (id) => list.querySelector(`.rung[data-id="${id}"] .frame`)?.focus());
    side.tiles.forEach((tile, at) => {
      const other = places[1 - which].get(tile.id);
      const where = other === undefined ? "only here" : other === at ? "same place" : `${which ? "left" : "right"} ${other + 1}`;
      const frame = element("button", { class: "frame", type: "button", "aria-label": `${at + 1}, ${tile.alt}, ${where}` });
      frame.append(element("img", { src: tile.src, alt: "", loading: "lazy", decoding: "async" }));
      frame.onclick = () => open(tile.id);
      const said = element("div", { class: "said" },
        element("span", { class: "place" }, String(at + 1)),
        element("span", { class: "label", title: tile.label }, tile.label),
        element("span", { class: "score", title: tile.meaning || "" }, tile.score || ""),
        element("span", { class: other === undefined ? "where alone" : "where" }, where));
      const rung = element("div", { class: other === undefined ? "rung alone" : "rung", role: "listitem" }, said, frame);
      rung.dataset.id = tile.id;
      rung.onpointerenter = () => light(tile.id, true);
      rung.onpointerleave = () => light(tile.id, false);
      frame.onfocus = () => light(tile.id, true);
      frame.onblur = () => light(tile.id, false);
      list.append(rung);
    });
    root.append(dialog);
    return list;
  }

  root.replaceChildren();
  const heads = data.sides.map((side, which) => element("div", { class: `head ${which ? "right" : "left"}` }, element("b", {}, side.title)));
  answers.append(heads[0], element("div"), heads[1], ladder(data.sides[0], 0), svg, ladder(data.sides[1], 1));
  root.prepend(answers);
}

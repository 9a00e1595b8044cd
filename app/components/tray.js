// What can be done with the pictures that are ticked, at the foot of every page. Text is only ever set as textContent.
const LINKED = 1000; // ids that an address holds
const SAID = 3000; // ms that a button says what it did

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const held = () => [...selection.ids(data.of)];
  const page = document.documentElement;

  function button(title, act, kind = "", said = "") {
    const made = element("button", { type: "button", class: kind }, title);
    if (said) made.title = said;
    made.onclick = () => act(made);
    return made;
  }

  const does = (title, kind, look = "more", said = "") =>
    button(title, () => {
      setTriggerValue("does", { kind, ids: held(), n: Date.now() });
      if (kind === "remove") selection.set(data.of, held(), false);
    }, look, said);

  // The ids as the address takes them: 16 bytes each, base64 with - and _.
  function link() {
    const bytes = held().flatMap((id) => id.match(/../g).map((pair) => parseInt(pair, 16)));
    const packed = btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    return `${location.origin}${data.base}?${new URLSearchParams({ gallery: data.of, selection: packed })}`;
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(link());
    } catch { // without https there is no clipboard
      const field = element("textarea");
      field.value = link();
      root.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    root.copied = Date.now() + SAID; // the page may be drawn again meanwhile
    draw();
    setTimeout(() => root.isConnected && root.draw(), SAID + 50); // as it is by then
  }

  function draw() {
    const count = selection.ids(data.of).size;
    const tray = element("div", { class: "tray", role: "toolbar", "aria-label": "Selected pictures" });
    tray.hidden = !count;
    tray.classList.toggle("unfolded", Boolean(root.unfolded));
    const most = count >= MOST_SELECTED ? ", the most that can be" : "";
    const shared = button(root.copied > Date.now() ? "Copied" : "Copy link", copy, "more", count > LINKED ? `A link holds ${LINKED.toLocaleString()}; export these` : "Whoever may open this gallery sees the same selection");
    shared.disabled = count > LINKED;
    const unfold = button(root.unfolded ? "Fewer" : "More", () => { root.unfolded = !root.unfolded; draw(); }, "unfold");
    unfold.setAttribute("aria-expanded", String(Boolean(root.unfolded)));
    tray.replaceChildren(
      element("span", { class: "count", role: "status" }, `${count.toLocaleString()} selected${most}`),
      does("Find more like these", "search", "go"),
      does("Show", "show", "more", "Look at what is selected"),
      does("Tag", "tag"), does("Relabel", "relabel"), does("Export", "export"),
      does("New gallery", "gallery", "more", "A gallery of these alone"),
      shared,
      does("Save view", "view", "more", "The page as it is and this selection, under a name"),
      does("Remove", "remove", "more", "Out of the gallery; files are left alone, and it can be undone"),
      unfold,
      button("Clear", () => { root.unfolded = false; selection.set(data.of, held(), false); }),
    );
    const focused = [...root.querySelectorAll("button")].indexOf(root.getRootNode().activeElement);
    root.replaceChildren(tray);
    tray.querySelectorAll("button")[focused]?.focus();
    page.style.setProperty("--tray", count ? `${tray.offsetHeight + 16}px` : "0px");
  }

  root.unhear?.();
  root.draw = draw;
  root.unhear = selection.hear(draw);
  draw();
  return () => {
    root.unhear?.();
    page.style.setProperty("--tray", "0px");
  };
}

// Pictures to say yes or no to, all of one round; the answers are sent together once each has one. Texts are only ever set
// as textContent or attributes.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const round = data.tiles.map((tile) => tile.id).join();
  if (root.dataset.round === round) return; // drawn again in the middle of a round: what was answered stays
  root.dataset.round = round;
  const answers = new Map();
  const list = element("div", { class: "round", role: "list" });
  const kinds = [["yes", "Yes", "Y"], ["no", "No", "N"], ["skip", "Can't tell", "S"]];

  function answer(id, kind, card) {
    answers.set(id, kind);
    card.dataset.said = kind;
    for (const button of card.querySelectorAll(".say")) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    const open = [...list.children].find((one) => !one.dataset.said);
    if (open) return open.querySelector(".frame").focus({ preventScroll: false });
    list.classList.add("sent");
    const said = (wanted) => [...answers].filter(([, one]) => one === wanted).map(([one]) => one);
    setTriggerValue("answers", { yes: said("yes"), no: said("no"), skip: said("skip"), n: Date.now() });
  }

  for (const tile of data.tiles) {
    const frame = element("div", { class: "frame", tabindex: "0", role: "img", "aria-label": `${tile.alt}. Y for yes, N for no, S for can't tell` });
    frame.append(element("img", { src: tile.whole || tile.src, alt: "" }));
    const says = element("div", { class: "says" });
    const card = element("div", { class: "card", role: "listitem" }, frame, says);
    for (const [kind, title] of kinds) {
      const button = element("button", { class: `say ${kind}`, type: "button", "aria-pressed": "false", "data-kind": kind }, title);
      button.onclick = () => answer(tile.id, kind, card);
      says.append(button);
    }
    card.onkeydown = (event) => {
      const kind = kinds.find(([, , letter]) => letter === event.key.toUpperCase());
      if (!kind || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      answer(tile.id, kind[0], card);
    };
    list.append(card);
  }
  root.replaceChildren(list);
  list.querySelector(".frame")?.focus({ preventScroll: true });
}

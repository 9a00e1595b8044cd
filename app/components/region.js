// Draw a box on the query picture with pointer or keys; state `box` is [x, y, w, h] as shares of the picture, or null.
const LEAST = 0.03; // a smaller drag is a click, which clears

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".root");
  const make = (tag, name) => Object.assign(document.createElement(tag), { className: name });
  const stage = make("div", "stage"), img = make("img", ""), rect = make("div", "box");
  const note = make("div", "note"), text = make("span", ""), whole = make("button", "");
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", "Query picture. Drag to search only a part of it; arrow keys move the part, with Shift they size it");
  stage.style.setProperty("--aspect", `${data.width} / ${data.height}`);
  stage.style.width = `min(100%, ${(320 * data.width) / data.height}px)`;
  img.src = data.src;
  img.alt = data.alt;
  whole.type = "button";
  whole.textContent = "Whole picture";
  stage.append(img, rect);
  note.append(text, whole);
  root.replaceChildren(stage, note);
  let box = data.box;

  function paint() {
    rect.hidden = !box;
    whole.hidden = !box;
    if (box) {
      ["left", "top", "width", "height"].forEach((side, i) => (rect.style[side] = `${100 * box[i]}%`));
      text.textContent = `part: ${Math.round(box[2] * data.width)} × ${Math.round(box[3] * data.height)} px`;
    } else text.textContent = "Drag a box to search only a part";
  }
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const at = (event) => {
    const frame = stage.getBoundingClientRect();
    return [clamp((event.clientX - frame.left) / frame.width, 0, 1), clamp((event.clientY - frame.top) / frame.height, 0, 1)];
  };
  const done = () => { paint(); setStateValue("box", box); };

  let from = null;
  stage.onpointerdown = (event) => { from = at(event); stage.setPointerCapture(event.pointerId); };
  stage.onpointermove = (event) => {
    if (!from) return;
    const to = at(event);
    box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(from[0] - to[0]), Math.abs(from[1] - to[1])];
    paint();
  };
  stage.onpointerup = () => {
    if (!from) return;
    from = null;
    if (!box || box[2] < LEAST || box[3] < LEAST) box = null;
    done();
  };
  stage.onpointercancel = () => { from = null; paint(); };
  whole.onclick = () => { box = null; done(); };
  let wait = null;
  stage.onkeydown = (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") { box = null; done(); return; }
    if (!move) return;
    event.preventDefault();
    box = box || [0.25, 0.25, 0.5, 0.5];
    const [x, y, w, h] = box, step = 0.03;
    box = event.shiftKey
      ? [x, y, clamp(w + move[0] * step, LEAST, 1 - x), clamp(h + move[1] * step, LEAST, 1 - y)]
      : [clamp(x + move[0] * step, 0, 1 - w), clamp(y + move[1] * step, 0, 1 - h), w, h];
    paint();
    clearTimeout(wait);
    wait = setTimeout(done, 350);
  };
  paint();
  return () => clearTimeout(wait);
}

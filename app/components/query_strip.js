// What is asked, as chips that can be taken away. While it is on the page, a picture pasted or dropped anywhere is handed
// to the page's own upload field, so that there is one way in. Texts are only ever set as textContent or attributes.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const items = make("div", { class: "items", role: "list", "aria-label": "Query" });
  for (const item of data.items) {
    const off = make("button", { class: "off", type: "button", title: `Take away: ${item.title}`, "aria-label": `Take away: ${item.title}` }, "×");
    off.onclick = () => setTriggerValue("off", { kind: item.kind, value: item.value, n: Date.now() });
    const small = item.kind === "like" || item.kind === "unlike";
    const made = make("div", { class: `item ${item.kind}${small ? " small" : ""}`, role: "listitem", title: item.title });
    if (item.src) {
      made.append(make("img", { src: item.src, alt: item.title }));
      if (item.sign) made.append(make("div", { class: "sign", "aria-hidden": "true" }, item.sign));
      made.append(off);
    } else made.append(make("div", { class: "chip" }, make("span", {}, item.title), off));
    items.append(made);
  }
  const veil = make("div", { class: "drop", hidden: "" }, "Drop the picture to search with it");
  root.replaceChildren(items, veil);

  root.listening?.abort();
  root.listening = new AbortController();
  const { signal } = root.listening;
  const field = () => document.querySelector(`.st-key-${data.field} input[type=file]`);
  const give = (files) => {
    const input = field();
    const pictures = [...files].filter((file) => !file.type || file.type.startsWith("image/"));
    if (!input || !pictures.length) return false;
    const held = new DataTransfer();
    pictures.forEach((file) => held.items.add(file));
    input.files = held.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  };
  const brings = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const inField = (event) => event.target.closest?.("[data-testid=stFileUploaderDropzone]");
  document.addEventListener("paste", (event) => {
    if (give(event.clipboardData?.files || [])) event.preventDefault();
  }, { signal });
  document.addEventListener("dragover", (event) => {
    if (!brings(event) || !field()) return;
    event.preventDefault();
    veil.hidden = Boolean(inField(event));
  }, { signal });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) veil.hidden = true; }, { signal });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!brings(event) || inField(event)) return;
    event.preventDefault();
    give(event.dataTransfer.files);
  }, { signal });
  return () => root.listening.abort();
}

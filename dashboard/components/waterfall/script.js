// Draws the waterfall. All text from data goes through textContent; nothing from data becomes markup.
const folded = new Map();
const COLOURS = 8;

function make(tag, className, parent, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function time(ms) {
  if (ms === null || ms === undefined) return "in progress";
  if (ms < 1) return ms.toFixed(2) + " ms";
  return ms < 1000 ? ms.toFixed(ms < 10 ? 1 : 0) + " ms" : (ms / 1000).toFixed(2) + " s";
}

const colours = new Map();

function colourOf(service) {
  if (!colours.has(service)) colours.set(service, colours.size % COLOURS);
  return colours.get(service);
}

function axis(total, parent) {
  const head = make("div", "row head", parent);
  make("div", "what", head, "service and operation");
  const ticks = make("div", "lane", head);
  for (let n = 0; n <= 4; n++) {
    const tick = make("span", "tick" + (n === 4 ? " last" : ""), ticks, time(total * n / 4));
    tick.style.left = `${n * 25}%`;
  }
}

function nameCell(row, isFolded, parent, toggle) {
  const cell = make("div", "what", parent);
  cell.style.paddingLeft = `${8 + row.depth * 16}px`;
  const fold = make("button", "fold", cell, row.children ? (isFolded ? "▸" : "▾") : "");
  fold.disabled = !row.children;
  fold.setAttribute("aria-label", isFolded ? "unfold" : "fold");
  fold.addEventListener("click", event => { event.stopPropagation(); toggle(row.id); });
  make("i", `dot c${colourOf(row.service)}`, cell);
  make("span", "service", cell, row.service);
  if (row.name !== row.service) make("span", "name", cell, row.name);
  if (row.status !== null) make("span", "status " + row.state, cell, String(row.status));
  else if (row.state !== "ok") make("span", "status " + row.state, cell, row.state);
}

function barCell(row, parent) {
  const lane = make("div", "lane", parent);
  const bar = make("div", `bar c${colourOf(row.service)} ${row.state}${row.is_inferred ? " inferred" : ""}${row.duration_ms === null ? " open" : ""}`, lane);
  bar.style.left = `${row.offset * 100}%`;
  bar.style.width = `max(3px, ${row.length * 100}%)`;
  const text = make("span", "time", lane, time(row.duration_ms) + (row.is_early ? "  (starts before its parent)" : ""));
  const end = row.offset + row.length;
  if (end < 0.82) text.style.left = `calc(${end * 100}% + 8px)`;
  else if (row.offset > 0.18) { text.style.right = `calc(${(1 - row.offset) * 100}% + 8px)`; }
  else { text.style.left = `calc(${row.offset * 100}% + 8px)`; text.classList.add("within"); }
}

export default function (component) {
  const { data, parentElement, setStateValue, key } = component;
  const root = parentElement.querySelector(".waterfall");
  const closed = folded.get(key) || new Set();
  folded.set(key, closed);
  const toggle = id => { closed.has(id) ? closed.delete(id) : closed.add(id); draw(); };
  function draw() {
    root.replaceChildren();
    colours.clear();
    if (!data || !data.rows.length) return;
    axis(data.total_ms, root);
    let hiddenBelow = Infinity;
    for (const row of data.rows) {
      if (row.depth > hiddenBelow) continue;
      hiddenBelow = closed.has(row.id) ? row.depth : Infinity;
      const line = make("div", "row" + (row.id === data.selected ? " chosen" : "") + (row.is_inferred ? " inferred" : ""), root);
      line.tabIndex = 0;
      line.addEventListener("click", () => setStateValue("selected", row.id));
      line.addEventListener("keydown", event => { if (event.key === "Enter") setStateValue("selected", row.id); });
      nameCell(row, closed.has(row.id), line, toggle);
      barCell(row, line);
    }
  }
  draw();
}

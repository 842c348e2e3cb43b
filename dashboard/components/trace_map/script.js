// Draws the trace map. All text from data goes through textContent; nothing from data becomes markup.
const SVG = "http://www.w3.org/2000/svg";
const R = 30, WIDTH = 7;
const STATES = ["ok", "error", "throttle", "fault"];

function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.appendChild(element);
  return element;
}

function label(text, attributes, parent) {
  const element = make("text", attributes, parent);
  element.textContent = text;
  return element;
}

function short(text, length) {
  return text.length > length ? text.slice(0, length - 1) + "…" : text;
}

function ring(node, parent) {
  make("circle", { r: R, class: "disc" }, parent);
  const total = STATES.reduce((sum, state) => sum + node[state], 0);
  if (!total) { make("circle", { r: R, class: "arc none" }, parent); return; }
  const around = 2 * Math.PI * R;
  let from = 0;
  for (const state of STATES) {
    const part = node[state] / total;
    if (!part) continue;
    make("circle", { r: R, class: "arc " + state, "stroke-dasharray": `${part * around} ${around}`,
      "stroke-dashoffset": -from * around, transform: "rotate(-90)" }, parent);
    from += part;
  }
}

function drawNode(node, chosen, select, parent) {
  const group = make("g", { class: "node" + (chosen ? " chosen" : "") + (node.is_client ? " client" : ""), transform: `translate(${node.x} ${node.y})`,
    tabindex: 0, role: "button", "aria-label": `${node.name}, ${node.type}` }, parent);
  if (chosen) make("circle", { r: R + 9, class: "halo" }, group);
  ring(node, group);
  const bad = node.fault + node.error + node.throttle, total = node.ok + bad;
  label(node.is_client ? "client" : total ? `${bad ? (100 * bad / total).toFixed(bad / total < 0.1 ? 1 : 0) + "%" : "ok"}` : "–",
    { class: bad ? "inside bad" : "inside", dy: "0.35em" }, group);
  label(short(node.name, 26), { y: R + 20, class: "name" }, group);
  if (!node.is_client && node.type !== "service") label(short(node.type, 28), { y: R + 34, class: "type" }, group);
  const facts = [node.latency, node.rate].filter(Boolean).join("  ·  ");
  label(facts, { y: R + (node.is_client || node.type === "service" ? 34 : 48), class: "facts" }, group);
  const title = make("title", {}, group);
  title.textContent = `${node.name} (${node.type})\n${node.ok} ok, ${node.error} errors, ${node.throttle} throttled, ${node.fault} faults`;
  const choose = event => { event.stopPropagation(); select("n:" + node.id); };
  group.addEventListener("click", choose);
  group.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(event); } });
}

function path(from, to) {
  const dx = to.x - from.x, dy = to.y - from.y, gap = R + WIDTH / 2 + 3;
  if (from === to) return { d: `M ${from.x - 12} ${from.y - R} C ${from.x - 60} ${from.y - 95}, ${from.x + 60} ${from.y - 95}, ${from.x + 12} ${from.y - R - 6}`, x: from.x, y: from.y - 80 };
  if (dx > 0) {
    const x1 = from.x + gap, x2 = to.x - gap - 6, bend = Math.max(40, (x2 - x1) / 2);
    return { d: `M ${x1} ${from.y} C ${x1 + bend} ${from.y}, ${x2 - bend} ${to.y}, ${x2} ${to.y}`, x: x1 + (x2 - x1) * 0.62, y: from.y + dy * 0.72 };
  }
  const lift = Math.max(from.y, to.y) + 90;
  return { d: `M ${from.x} ${from.y + gap} C ${from.x} ${lift}, ${to.x} ${lift}, ${to.x} ${to.y + gap + 6}`, x: (from.x + to.x) / 2, y: lift - 20 };
}

function drawArrow(arrow, byId, chosen, select, parent, labels) {
  const from = byId.get(arrow.source), to = byId.get(arrow.target);
  if (!from || !to) return;
  const line = path(from, to), width = 1.25 + 3 * Math.sqrt(arrow.share);
  const group = make("g", { class: `arrow ${arrow.state}${chosen ? " chosen" : ""}` }, parent);
  make("path", { d: line.d, class: "hit" }, group);
  make("path", { d: line.d, class: "line", "stroke-width": width, "stroke-dasharray": arrow.is_link ? "6 5" : "none", "marker-end": `url(#head-${arrow.state})` }, group);
  if (arrow.label) label(arrow.label, { x: line.x, y: line.y - 7, class: "arrow-label " + arrow.state }, labels);
  group.addEventListener("click", event => { event.stopPropagation(); select("e:" + arrow.id); });
}

function heads(svg) {
  const defs = make("defs", {}, svg);
  for (const state of STATES) {
    const marker = make("marker", { id: "head-" + state, viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto" }, defs);
    make("path", { d: "M 0 1 L 10 5 L 0 9 z", class: "head " + state }, marker);
  }
}

function fit(nodes) {
  const xs = nodes.map(n => n.x), ys = nodes.map(n => n.y);
  const x = Math.min(...xs) - 110, y = Math.min(...ys) - 70;
  return [x, y, Math.max(...xs) - x + 110, Math.max(...ys) - y + 105];
}

function movable(svg, remembered) {
  const show = () => svg.setAttribute("viewBox", remembered.box.join(" "));
  const scale = () => Math.max(remembered.box[2] / svg.clientWidth, remembered.box[3] / svg.clientHeight);
  svg.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const by = event.deltaY > 0 ? 1.12 : 1 / 1.12, [x, y, w, h] = remembered.box;
    remembered.box = [x + w * (1 - by) / 2, y + h * (1 - by) / 2, w * by, h * by];
    show();
  }, { passive: false });
  let held = null;
  svg.addEventListener("pointerdown", event => { if (event.target === svg) { held = [event.clientX, event.clientY, ...remembered.box]; svg.setPointerCapture(event.pointerId); } });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const by = scale();
    remembered.box[0] = held[2] - (event.clientX - held[0]) * by;
    remembered.box[1] = held[3] - (event.clientY - held[1]) * by;
    show();
  });
  svg.addEventListener("pointerup", () => { held = null; });
  show();
}

const views = new Map();

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".map");
  root.replaceChildren();
  if (!data || !data.nodes.length) return;
  const svg = make("svg", { class: "canvas", role: "group", "aria-label": "trace map", style: `height:${data.height}px` }, root);
  const select = id => setStateValue("selected", id);
  svg.addEventListener("click", event => { if (event.target === svg) select(null); });
  heads(svg);
  const shape = data.nodes.map(n => n.id).join() + data.height;
  const seen = views.get(component.key);
  const view = seen && seen.shape === shape ? seen : { shape, box: fit(data.nodes) };
  views.set(component.key, view);
  const arrows = make("g", {}, svg), labels = make("g", {}, svg), nodes = make("g", {}, svg);
  const byId = new Map(data.nodes.map(node => [node.id, node]));
  for (const arrow of data.arrows) drawArrow(arrow, byId, data.selected === "e:" + arrow.id, select, arrows, labels);
  for (const node of data.nodes) drawNode(node, data.selected === "n:" + node.id, select, nodes);
  movable(svg, view);
}

// The explorer: draws `view`, whose places are ten-thousandths of the axes, and sends where the
// controls stand. One question at a time: what is asked meanwhile waits, and only the last of it.

const SVG = "http://www.w3.org/2000/svg";
const PATIENCE = 5000; // ms after which an answer is taken as lost

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Shapes: a role is told by its marker, dashes and hatching as well as by its color

const MARKERS = {
  original: (x, y) => `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z`,
  quantized: (x, y) => `M${x - 3} ${y - 3}h6v6h-6Z`,
  error: (x, y) => `M${x - 3} ${y - 3}l6 6m0-6l-6 6`,
  highlight: (x, y) => `M${x} ${y - 4}l4 4l-4 4l-4-4Z`,
  neutral: (x, y) => `M${x - 1.5} ${y}a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0Z`,
  sign: (x, y) => `M${x} ${y - 4}l4 7h-8Z`,
  exponent: (x, y) => `M${x} ${y + 4}l4-7h-8Z`,
  mantissa: (x, y) => `M${x} ${y - 4}l4 3l-1.5 5h-5l-1.5-5Z`,
};
const FALLING = "M-1-1L7 7M-1 5L1 7M5-1L7 1";
const HATCHES = { error: "M-1 7L7-1M-1 1L1-1M5 7L7 5", highlight: FALLING, exponent: FALLING };

function moves(xs, ys) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i++) {
    const known = !Number.isNaN(xs[i] + ys[i]); // else the pen is lifted
    if (known) path += `${pen}${xs[i]} ${ys[i]}`;
    pen = known ? "L" : "M";
  }
  return path;
}

// From each run of numbers along the curve and back along the base.
function filled(xs, ys, bases) {
  let path = "";
  for (let start = 0, i = 0; i <= xs.length; i++) {
    if (i < xs.length && !Number.isNaN(xs[i] + ys[i] + bases[i])) continue;
    const [x, y, base] = [xs, ys, bases].map((all) => all.slice(start, i));
    if (i > start) path += `${moves(x, y)}${moves(x.reverse(), base.reverse()).replace("M", "L")}Z`;
    start = i + 1;
  }
  return path;
}

function pathOf({ kind, role }, xs, ys, bases) {
  if (kind === "line") return moves(xs, ys);
  if (kind === "area") return filled(xs, ys, bases);
  return xs.map((x, i) => (Number.isNaN(x + ys[i]) ? "" : MARKERS[role](x, ys[i]))).join("");
}

// What paths draw a mark: one, and another for its hatching.
function paths(mark, hatching, ...places) {
  const look = `qe-${mark.kind}${mark.thin ? " qe-thin" : ""}`;
  const path = { d: pathOf(mark, ...places), "data-role": mark.role, class: look, fill: "" };
  const hatched = mark.kind === "area" && HATCHES[mark.role];
  const fill = `url(#${hatching}-${mark.role})`;
  return hatched ? [path, { ...path, "data-role": "", class: "", fill }] : [path];
}

// Puts paths into a picture, touching only what differs from those that are there.
function redraw(picture, wanted) {
  while (picture.childElementCount > wanted.length) picture.lastChild.remove();
  wanted.forEach((attributes, i) => {
    const node = picture.children[i] ?? picture.appendChild(svg("path", {}));
    for (const [name, value] of Object.entries(attributes))
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  });
}

// A function that is called only if it is given something else than the last time.
function unlessSame(put) {
  let last;
  return (...given) => {
    const text = JSON.stringify(given);
    if (text !== last) put(...given);
    last = text;
  };
}

const places = (text, size, from = 0) =>
  text ? text.split(",").map((place) => Math.round(10 * (from + (place * size) / 1e4)) / 10) : [];

// Live regions are read aloud when they change: leave them alone while they do not.
const saying = (node) => unlessSame((text) => node.replaceChildren(...powers(text)));

// A panel: named above, its ticks beside and below; texts are HTML, so that they keep their size.
function panel(hatching) {
  const name = el("span");
  const legend = el("span", { class: "qe-legend" });
  const picture = svg("svg", {});
  const words = el("div");
  const plot = el("div", { class: "qe-plot" }, picture, words);
  const below = el("p", { class: "qe-below" });
  const head = el("div", { class: "qe-head" }, name, legend);
  const node = el("div", { class: "qe-panel", role: "img" }, head, plot, below);
  let [shown, width, height] = [null, 0, 0];

  function draw() {
    if (!shown || !width) return;
    const up = (text) => places(text, -height, height);
    const marks = shown.marks.filter((mark) => mark.kind !== "note");
    redraw(
      picture,
      marks.flatMap((mark) => paths(mark, hatching, places(mark.x, width), up(mark.y), up(mark.base))),
    );
  }

  // The size is asked for only when it has changed: asking lays out the page.
  function resize() {
    [width, height] = [plot.clientWidth, plot.clientHeight];
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    draw();
  }

  // A sample of a mark for the legend.
  function key(mark) {
    const sample = { points: [[12], [6], []], area: [[0, 24], [1, 1], [11, 11]], line: [[0, 24], [6, 6], []] };
    const nodes = paths(mark, hatching, ...sample[mark.kind]).map((path) => svg("path", path));
    return el("span", {}, svg("svg", { width: 24, height: 12 }, ...nodes), " ", ...powers(mark.label));
  }

  const placed = (axis, edge) => ([at, text]) =>
    el("span", { class: `qe-${axis}`, style: `${edge}: ${at}%` }, ...powers(text));

  function noted(mark) {
    const [xs, ys] = [places(mark.x, 100), places(mark.y, 100)];
    return mark.texts.map((text, i) => {
      const style = `left: ${xs[i]}%; bottom: ${ys[i]}%`;
      return el("span", { class: "qe-words", "data-role": mark.role, style }, ...powers(text));
    });
  }

  const [sayName, sayBelow] = [name, below].map(saying);
  const putLegend = unlessSame((labelled) => legend.replaceChildren(...labelled.map(key)));
  const putWords = unlessSame((x, y, notes) =>
    words.replaceChildren(
      ...[...x.map(placed("x", "left")), ...y.map(placed("y", "bottom"))],
      ...notes.flatMap(noted),
    ),
  );

  const show = unlessSame((view) => {
    shown = view;
    plot.style.height = `${view.height}px`;
    sayName(view.y.label);
    sayBelow(view.x.label);
    const first = (mark, i, all) => all.findIndex((one) => one.label === mark.label) === i;
    const labelled = view.marks.filter((mark) => mark.label).filter(first);
    const aloud = [view.y.label, view.x.label, ...labelled.map((mark) => mark.label)];
    node.setAttribute("aria-label", `picture: ${aloud.filter(Boolean).join(", ")}`);
    putLegend(labelled.map(({ kind, role, label }) => ({ kind, role, label })));
    putWords(view.x.ticks, view.y.ticks, view.marks.filter((mark) => mark.texts.length));
    plot.classList.toggle("qe-bare", !view.x.ticks.length);
    draw();
  });
  return { node, plot, show, resize };
}

// A control: what it shows for each of its stops, by their number.
function control({ kind, label, texts }, moved) {
  if (kind === "choice") {
    const options = texts.map((text, i) => el("option", { value: String(i) }, text));
    const list = el("select", { onchange: () => moved(Number(list.value)) }, ...options);
    return { node: el("label", {}, `${label} `, list), put: (at) => (list.value = at) };
  }
  if (kind === "buttons") {
    const name = newId();
    const radio = (i) => el("input", { type: "radio", name, value: i, onchange: () => moved(i) });
    const labels = texts.map((text, i) => el("label", {}, radio(i), ` ${text}`));
    const row = el("span", { class: "qe-options" }, ...labels);
    const node = el("div", { class: "qe-buttons", role: "radiogroup", "aria-label": label }, `${label} `, row);
    return { node, put: (at) => (labels[at].firstChild.checked = true) };
  }
  if (kind === "toggle") {
    const box = el("input", { type: "checkbox", onchange: () => moved(Number(box.checked)) });
    return { node: el("label", {}, box, ` ${label}`), put: (at) => (box.checked = at === 1) };
  }
  const longest = Math.max(...texts.map((text) => text.length));
  const said = el("output", { class: "qe-code", style: `min-width: ${longest}ch` });
  const put = (at) => {
    slider.value = at;
    slider.setAttribute("aria-valuetext", (said.textContent = texts[at]));
    return Number(at);
  };
  const slider = el("input", {
    ...{ type: "range", min: 0, max: texts.length - 1, step: 1, "aria-label": label },
    oninput: () => moved(put(slider.value)),
  });
  return { node: el("label", { class: "qe-slide" }, el("span", {}, label), slider, said), put };
}

function render({ model, el: root }) {
  const id = newId();
  const patterns = Object.entries(HATCHES).map(([role, d]) => {
    const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
    const lines = svg("path", { d, class: "qe-hatch", "data-role": role });
    return svg("pattern", { id: `${id}-${role}`, ...size }, lines);
  });
  const controls = {};
  for (const one of model.get("controls"))
    controls[one.name] = control(one, (at) => ask((wanted[one.name] = at)));
  const bar = el("div", { class: "qe-bar" }, ...Object.values(controls).map((one) => one.node));
  bar.addEventListener("keydown", (event) => {
    if (/^(Arrow|Page|Home|End|Enter| )/.test(event.key)) event.stopPropagation();
  });
  const error = el("p", { class: "qe-error", role: "alert" });
  const title = el("p", { class: "qe-title", "aria-live": "polite" });
  const sayTitle = saying(title);
  const panels = el("div", { class: "qe-panels" });
  const text = el("div", { class: "qe-text qe-code", role: "status" });
  const hatches = svg("svg", { class: "qe-hatches", "aria-hidden": "true" }, ...patterns);
  const name = `explorer: ${model.get("controls").map((one) => one.label).join(", ")}`;
  frame(root, name, bar, error, title, panels, text, hatches);

  let wanted = {}; // where the controls stand
  let [pending, asked] = ["", 0]; // the question that is being answered, and since when
  let behind = false; // the controls have moved on since

  function ask() {
    behind = Boolean(pending) && performance.now() - asked < PATIENCE;
    if (behind) return;
    asked = performance.now();
    pending = `${id} ${asked}`;
    tell(model, { do: "move", at: wanted, ticket: pending });
  }

  let drawers = [];
  const resized = new ResizeObserver(() => drawers.forEach((one) => one.resize()));
  const stop = follow(model, (view) => {
    if (view.answers === pending) pending = "";
    if (behind && !pending) ask();
    if (!pending) {
      wanted = { ...view.at };
      for (const [name, at] of Object.entries(wanted)) controls[name].put(at);
    }
    if (error.textContent !== view.error) error.textContent = view.error;
    sayTitle(view.title);
    if (text.textContent !== view.text) text.textContent = view.text;
    panels.style.setProperty("--columns", view.columns);
    if (drawers.length !== view.panels.length) {
      resized.disconnect();
      drawers = view.panels.map(() => panel(id));
      panels.replaceChildren(...drawers.map((one) => one.node));
      for (const one of drawers) resized.observe(one.plot);
    }
    drawers.forEach((one, i) => one.show(view.panels[i]));
  });
  return () => {
    resized.disconnect();
    stop();
  };
}

export default { render };

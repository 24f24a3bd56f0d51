// The budget splitter: draws `view`; every position comes from Python in thousandths of the axis.

const SVG = "http://www.w3.org/2000/svg";

function render({ model, el: root }) {
  const send = (action, content) => model.send({ do: action, ...content });
  const budget = el("select", { onchange: () => send("split", { bits: Number(budget.value) }) });
  const slider = el("input", {
    ...{ type: "range", step: "1", "aria-label": "exponent bits" },
    oninput: () => send("split", { exponent_bits: Number(slider.value) }),
  });
  const name = el("b", { class: "qe-name" });
  const cells = el("div", { class: "qe-split-cells", "aria-hidden": "true" });
  const facts = el("div", { class: "qe-facts" });
  const zoom = numberLine("qe-zoom");
  const line = numberLine("qe-line");
  const lens = picture("polygon");
  lens.node.setAttribute("class", "qe-lens");
  const note = el("p", { class: "qe-note" });
  frame(
    ...[root, "budget splitter"],
    el("div", { class: "qe-bar" }, el("label", {}, "Bits ", budget), name),
    el("div", { class: "qe-split" }, cells, slider),
    ...[facts, zoom.node, lens.node, line.node, note],
  );

  function picture(shape) {
    const node = document.createElementNS(SVG, "svg");
    const drawn = document.createElementNS(SVG, shape);
    node.setAttribute("viewBox", "0 0 1000 20");
    node.setAttribute("preserveAspectRatio", "none");
    node.setAttribute("aria-hidden", "true");
    node.append(drawn);
    return { node, drawn };
  }

  function numberLine(name) {
    const ticks = picture("path");
    const labels = el("div", { class: "qe-ticks" });
    const caption = el("p", { class: "qe-caption" });
    return {
      node: el("figure", { class: name }, caption, ticks.node, labels),
      show(view) {
        caption.textContent = view.caption;
        ticks.drawn.setAttribute("d", view.ticks.map((x) => `M${x} 0V20`).join(""));
        const label = (x, text) => el("span", { style: `left: ${x / 10}%` }, ...powers(text));
        labels.replaceChildren(...view.labels.map((one) => label(...one)));
      },
    };
  }

  const stop = follow(model, (view) => {
    if (!budget.length) budget.append(...view.choices.map((bits) => el("option", {}, `${bits}`)));
    budget.value = view.bits;
    name.textContent = view.name;
    const counts = { sign: 1, exponent: view.exponent_bits, mantissa: view.mantissa_bits };
    const cell = (name) => el("span", { class: `qe-cell qe-${name}` }, name[0].toUpperCase());
    const field = ([name, length]) => Array.from({ length }, () => cell(name));
    cells.replaceChildren(...Object.entries(counts).flatMap(field));
    slider.max = view.most;
    slider.min = 1;
    slider.value = view.exponent_bits;
    slider.style.setProperty("--steps", view.most - 1);
    slider.setAttribute("aria-valuetext", view.aloud);
    facts.replaceChildren(
      ...view.facts.map(([name, text, more]) => fact(name, [text], ...powers(more))),
    );
    zoom.show(view.zoom);
    line.show(view.line);
    lens.drawn.setAttribute("points", `0,0 1000,0 ${view.lens[1]},20 ${view.lens[0]},20`);
    note.textContent = view.note;
  });
  return stop;
}

export default { render };

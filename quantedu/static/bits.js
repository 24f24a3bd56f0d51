// The bit inspector: draws `view`, sends what the user did. No arithmetic on numbers here.

const MAX_CELL = 40;
const MIN_CELL = 23;
const GAP = 14; // between fields

function render({ model, el: root }) {
  const send = (action, content = {}) => tell(model, { do: action, ...content });
  const formats = el("select", {
    onchange: () => {
      send("format", { index: Number(formats.value) });
      formats.value = model.get("view").format; // until Python says that it has become so
    },
  });
  const number = entry({ size: "26" }, (text) => send("type", { text }));
  const hint = el("span", { class: "qe-hint", id: newId() });
  const error = complaint(number, hint);
  const bits = el("div", { class: "qe-bits", role: "group" });
  const formula = el("div", { class: "qe-formula" });
  const value = el("output", { class: "qe-value", role: "status" });
  const hex = el("span", { class: "qe-chip qe-code" });
  const kind = el("span", { class: "qe-chip" });
  const below = el("button", { type: "button", onclick: () => send("step", { to: "below" }) });
  const above = el("button", { type: "button", onclick: () => send("step", { to: "above" }) });
  const stored = el("i", { class: "qe-stored" }, "stored");
  const wanted = el("i", { class: "qe-wanted" }, "typed");
  const between = el("div", { class: "qe-between", "aria-hidden": "true" }, stored, wanted);
  const rounding = el("p", { class: "qe-rounding", "aria-live": "polite" });
  const head = [
    el("label", {}, "Format ", formats),
    el("label", {}, "Number ", number),
    hint,
  ];
  frame(
    ...[root, "bit inspector", el("div", { class: "qe-bar" }, ...head), error.node, bits],
    el("div", { class: "qe-reading" }, formula, el("div", { class: "qe-is" }, value, hex, kind)),
    el("div", { class: "qe-neighbours" }, below, between, above),
    rounding,
  );

  // The bits: one button each, one of them in the tab order

  let buttons = []; // the leftmost bit first
  let painting = null; // what a drag sets bits to, and the bit it came from
  let handled = false; // a click that the drag's beginning has answered already

  const bitOf = (button) => buttons.length - 1 - buttons.indexOf(button);
  const isOn = (button) => button.getAttribute("aria-pressed") === "true";
  const ofEvent = (event) => event.target.closest?.(".qe-bit");

  function makeTabStop(button) {
    for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
  }

  bits.addEventListener("focusin", (event) => ofEvent(event) && makeTabStop(ofEvent(event)));
  bits.addEventListener("pointerdown", (event) => {
    const button = ofEvent(event);
    handled = false;
    if (!button || event.button !== 0 || event.pointerType === "touch") return;
    handled = true;
    number.blur(); // what was typed and not sent yet comes first
    button.focus();
    painting = { on: !isOn(button), from: button };
    send("set", { bits: [bitOf(button)], on: painting.on });
  });
  bits.addEventListener("pointerover", (event) => {
    const button = ofEvent(event);
    if (!(event.buttons & 1)) painting = null;
    if (!painting || !button) return;
    let [first, last] = [buttons.indexOf(painting.from), buttons.indexOf(button)];
    if (painting.from.offsetTop !== button.offsetTop) first = last;
    // a fast mouse skips bits
    const passed = buttons.slice(Math.min(first, last), Math.max(first, last) + 1);
    painting.from = button;
    const changed = passed.filter((one) => isOn(one) !== painting.on);
    if (changed.length) send("set", { bits: changed.map(bitOf), on: painting.on });
  });
  bits.addEventListener("click", (event) => {
    const button = ofEvent(event);
    if (button && !(handled && event.detail)) send("flip", { bit: bitOf(button) });
    handled = false;
  });
  bits.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(ofEvent(event));
    const to = {
      ...{ ArrowLeft: buttons[at - 1], ArrowRight: buttons[at + 1] },
      ...{ Home: buttons[0], End: buttons.at(-1) },
      ...{ ArrowUp: inOtherRow(buttons[at], -1), ArrowDown: inOtherRow(buttons[at], 1) },
    };
    if (at < 0 || !(event.key in to) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    to[event.key]?.focus();
  });

  function inOtherRow(button, direction) {
    const here = button?.getBoundingClientRect();
    const boxes = buttons.map((one) => [one, one.getBoundingClientRect()]);
    const distance = ([, box]) =>
      Math.hypot(10 * Math.abs(box.top - here.top), Math.abs(box.left - here.left));
    return boxes
      .filter(([, box]) => here && direction * (box.top - here.top) > 1)
      .sort((one, other) => distance(one) - distance(other))[0]?.[0];
  }

  function build(view) {
    let bit = view.fields.reduce((sum, field) => sum + field.bits.length, 0) - 1;
    const parts = view.fields.map((field) => {
      const cells = [...field.bits].map(() => {
        const name = `bit ${bit}, ${field.name}`;
        const index = el("small", { "aria-hidden": "true" }, String(bit--));
        const button = { type: "button", class: "qe-bit", tabindex: "-1", "aria-label": name };
        return el("button", button, index, el("b"));
      });
      const label = el("span", { class: "qe-label" }, el("b", {}, field.letter), ` ${field.name}`);
      const row = el("div", { class: "qe-cells" }, ...cells);
      return el("div", { class: `qe-field qe-${field.name}` }, label, row, el("span"));
    });
    bits.replaceChildren(...parts);
    bits.setAttribute("aria-label", view.aloud);
    buttons = [...bits.querySelectorAll(".qe-bit")];
    makeTabStop(buttons[0]);
    fit();
  }

  // All bits in one row if they have room there, else the mantissa in rows of equal length.
  function fit() {
    const fields = [...bits.children];
    const width = bits.clientWidth;
    if (!fields.length || !width) return;
    const counts = fields.map((field) => field.querySelectorAll(".qe-bit").length);
    let longest = buttons.length;
    let room = width - GAP * fields.length; // a single bit is a little wider: its name
    if (room / longest < MIN_CELL) {
      const most = Math.floor(width / MIN_CELL);
      const rows = Math.max(...counts.map((count) => Math.ceil(count / most)));
      longest = Math.max(...counts.map((count) => Math.ceil(count / rows)));
      room = width;
    }
    bits.style.setProperty("--cell", `${Math.min(MAX_CELL, Math.floor(room / longest))}px`);
    for (const [i, field] of fields.entries())
      field.style.setProperty("--columns", Math.min(counts[i], longest));
  }

  // A product, each factor marked as the field's that it comes from.
  function marked(line) {
    const [, start, product, end] = /^(x = |\s+= )?(.*?)(\s{3}.*)?$/.exec(line);
    const factors = product.split(" · ");
    if (factors.length < 2) return [line];
    const names = ["sign", "exponent", "mantissa"].slice(-factors.length);
    const nodes = factors.map((factor, i) =>
      el("span", { class: `qe-factor qe-${names[i]}` }, ...powers(factor)),
    );
    return [start, ...nodes.flatMap((node, i) => (i ? [" ·\u00a0", node] : [node])), end ?? ""];
  }

  let layout = "";
  const stop = follow(model, (view) => {
    const options = view.formats.map((name, i) => el("option", { value: String(i) }, name));
    if (options.length !== formats.length) formats.replaceChildren(...options); // may be open
    formats.value = view.format;
    hint.textContent = `0.1, 1/3, 1e-3, 2^-14, -0, inf, nan, or a code: ${view.hex}`;
    if (!view.error) number.show(view.text);
    error.say(view.error);

    const now = JSON.stringify(view.fields.map((field) => [field.name, field.bits.length]));
    if (now !== layout) build(view);
    layout = now;
    const digits = view.fields.map((field) => field.bits).join("");
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(digits[i] === "1"));
      button.lastChild.textContent = digits[i];
    });
    [...bits.children].forEach((field, i) => {
      field.lastChild.textContent = `${view.fields[i].letter} = ${view.fields[i].held}`;
    });

    formula.replaceChildren(...view.formula.map((line) => el("div", {}, ...marked(line))));
    value.replaceChildren(...powers(view.value));
    value.classList.toggle("qe-long", view.value.length > 28);
    hex.textContent = view.hex;
    kind.textContent = view.kind;
    for (const [side, button] of Object.entries({ below, above })) {
      button.disabled = !view[side];
      button.replaceChildren(el("small", {}, `next ${side}`), el("span", {}, view[side] || "none"));
    }
    for (const [i, mark] of [stored, wanted].entries()) {
      mark.hidden = view.places[i] === null;
      mark.style.left = `${100 * view.places[i]}%`;
    }
    rounding.replaceChildren(...powers(view.rounding));
  });
  const resized = new ResizeObserver(fit);
  resized.observe(bits);
  return () => {
    resized.disconnect();
    stop();
  };
}

export default { render };

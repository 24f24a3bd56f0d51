// What the widgets share; widgets.py puts it in front of each of them.

// An element with attributes (`on…` are listeners) and children, texts among them.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

let ids = 0;
const newId = () => `qe-${Math.random().toString(36).slice(2)}-${ids++}`;

// "2^(11 − 15)" with a raised exponent.
function powers(text) {
  return text.split(/\^(\([^)]*\)|[-−]?\d+)/).map((part, i) =>
    i % 2 ? el("sup", {}, part.replace(/^\(|\)$/g, "").replace("-", "−")) : part,
  );
}

// "the code `0x3C00`" with the code set as code.
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

// The widget's frame. A notebook's own keys stay out of it: arrows, Enter, Space.
function frame(root, label, ...children) {
  const keep = (event) =>
    event.ctrlKey || event.metaKey || event.altKey || event.stopPropagation();
  const group = { class: "qe", role: "group", "aria-label": label, onkeydown: keep };
  root.replaceChildren(el("div", group, ...children));
}

// Where something wrong with a field is said, at once and aloud.
function complaint(field, hint) {
  const node = el("p", { class: "qe-error", role: "alert", id: newId() });
  field.setAttribute("aria-describedby", hint ? `${node.id} ${hint.id}` : node.id);
  return {
    node,
    say(text) {
      if (node.textContent !== text) node.textContent = text;
      field.setAttribute("aria-invalid", text ? "true" : "false");
    },
  };
}

// A text field that sends what it holds on Enter and when it is left, and takes back on Escape.
function entry(attributes, send) {
  let shown = "";
  let sent = "";
  const field = el("input", {
    ...{ type: "text", autocomplete: "off", spellcheck: "false", ...attributes },
    onchange: () => field.value !== sent && field.commit(),
    onkeydown: (event) => {
      if (event.key === "Enter") field.commit();
      if (event.key === "Escape") field.value = sent = shown;
    },
  });
  field.commit = () => send((sent = field.value));
  field.show = (text) => (field.value = sent = shown = text);
  return field;
}

// Send what the user did. Jupyter's server keeps its next small message back until the browser has
// acknowledged the last, and a browser with nothing to say does that 40 ms late: so it says something.
let hurries = [];
function tell(model, message) {
  hurries.forEach(clearTimeout);
  model.send(message);
  hurries = [6, 20].map((ms) => setTimeout(() => model.send({ do: "hurry" }), ms));
}

// Draw now and whenever Python has changed the view; gives the function that ends it.
function follow(model, draw) {
  const redraw = () => draw(model.get("view"));
  model.on("change:view", redraw);
  redraw();
  return () => model.off("change:view", redraw);
}

// A name, what there is to say under it, and more in small print.
const fact = (name, text, ...more) =>
  el("div", {}, ...[el("span", {}, name), el("b", {}, ...text)], el("small", {}, ...more));

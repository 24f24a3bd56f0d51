// The prediction box, and the card that sets prediction and answer side by side.

function question(model, root) {
  const name = newId();
  const asked = el("legend");
  const choices = el("div", { class: "qe-options" });
  const send = (text) => model.send({ do: "predict", text });
  const number = entry({ size: "12", "aria-label": "your prediction" }, send);
  const unit = el("span");
  const error = complaint(number);
  const said = el("p", { class: "qe-said", role: "status" });
  const box = el("fieldset", { class: "qe-predict" }, asked, choices, error.node, said);
  frame(root, "prediction", box);
  let layout = "";
  return follow(model, (view) => {
    asked.replaceChildren(el("b", {}, "Predict "), ...prose(view.question));
    const now = JSON.stringify(view.options);
    if (now !== layout) {
      const radios = view.options.map((option) => {
        const radio = { type: "radio", name, value: option, onchange: () => send(option) };
        return el("label", {}, el("input", radio), el("span", {}, ...prose(option)));
      });
      const field = el("label", {}, number, " ", unit);
      choices.replaceChildren(...(view.options.length ? radios : [field]));
    }
    layout = now;
    for (const radio of choices.querySelectorAll("input[type=radio]"))
      radio.checked = radio.value === view.predicted;
    unit.textContent = view.unit;
    if (!view.error) number.show(view.predicted);
    error.say(view.error);
    said.textContent = view.said;
  });
}

function comparison(model, root) {
  const rows = el("div", { class: "qe-compare", role: "status" });
  const because = el("p", { class: "qe-because" });
  frame(root, "prediction and answer", rows, because);
  return follow(model, (view) => {
    rows.replaceChildren(...view.rows.map(([name, text]) => fact(name, prose(text))));
    because.replaceChildren(...prose(view.because));
  });
}

function render({ model, el: root }) {
  return (model.get("view").rows ? comparison : question)(model, root);
}

export default { render };

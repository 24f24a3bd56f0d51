"""The explorer in JupyterLab: by keyboard, while the kernel is slow, when the function fails."""

import re
import statistics

import nbformat
import pytest

from quantedu.explorer import Explorer, Slider
from quantedu.sketch import ROLES, Panel, Scene, line

pytestmark = pytest.mark.browser

CELLS = [
    """
import time
import numpy as np
from quantedu.explorer import Choice, Explorer, Slider, Toggle
from quantedu.sketch import Axis, Panel, ROLES, Scene, area, bars, line, note, points, step, ticks

calls = []

def waves(n=2, kind="sine", fill=False):
    calls.append(n)
    time.sleep(pause)
    if n == 9:
        raise RuntimeError("nine is too many")
    x = np.linspace(0, 1, 2500)
    y = getattr(np, {"sine": "sin", "cosine": "cos"}[kind])(9 * n * x)
    marks = [area(x, y, role="error", label="area")] * fill + [line(x, y, label="wave")]
    below = Panel(points([0, 1], [n, 0]), "2^n", height=90)
    return Scene(f"{n} waves", [Panel(marks, "x", Axis("y", (-2, 2))), below], f"n {n}")

pause = 0
w = Explorer(
    waves, n=Slider(1, 9, value=2, label="how many", unit="waves"),
    kind=Choice(["sine", "cosine"]), fill=Toggle(label="filled"),
)
w
""",
    """
x = np.arange(3)
many = [
    mark for i, role in enumerate(ROLES) for mark in (
        line(x, x + i, role, f"a long label of the line {role}"), area(x, x + i, i, role),
        points(x, x + i, role, role), ticks(x, role=role), note(1, 2 * i, f"a note: {role}", role),
        bars([0, 1, 2], [1, 2], 0, role), step([0, 1, 2], [1, i], role),
    )
]
logarithmic = Panel(many, Axis("x", (0.001, 2.5), 10), Axis("y", (0.0001, 9), 10))
panels = [logarithmic, Panel(many), Panel([])]
Explorer(lambda: Scene("Every mark, in every role", panels, "all of them", 2))
""",
    """
def power(weights):
    return Scene(f"{weights} bits", Panel(line([0, 1], [0, weights])), f"w {weights}")

row = Explorer(power, weights=Choice([16, 8, 4, 2], unit="bits", buttons=True))
row
""",
]
RESET = "pause = 0; w.set(n=2, kind='sine', fill=False); calls.clear()"


@pytest.fixture(scope="module")
def opened(lab):
    return lab(CELLS, height=2400)


@pytest.fixture(scope="module")
def expect(browser):
    from playwright.sync_api import expect

    return expect


@pytest.fixture
def book(opened):
    opened.page.set_viewport_size({"width": 1100, "height": 2400})
    assert opened.says(RESET) == ""
    yield opened
    assert opened.errors == []
    outputs = opened.page.locator(".jp-OutputArea-output")
    assert [one for one in outputs.all_inner_texts() if "Error" in one or "Traceback" in one] == []


@pytest.fixture
def explorer(book, expect):
    group = book.page.get_by_role("group", name="explorer: how many, kind, filled")
    expect(group.get_by_role("status").last).to_have_text("n 2")
    return group


def picture(explorer):
    return explorer.locator(".qe-plot path").first.get_attribute("d")


def test_the_slider_moves_by_keyboard_and_the_picture_follows(book, explorer, expect):
    cell = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    slider = explorer.get_by_role("slider", name="how many")
    slider.focus()
    active, before = book.page.evaluate(cell), picture(explorer)
    expect(slider).to_have_attribute("aria-valuetext", "2 waves")
    for key, n in (("ArrowRight", 3), ("ArrowUp", 4), ("ArrowLeft", 3), ("Home", 1), ("PageUp", 2)):
        book.page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuetext", f"{n} waves")
        expect(explorer.locator(".qe-text")).to_have_text(f"n {n}")
        expect(explorer.locator(".qe-title")).to_have_text(f"{n} waves")
        assert book.says("print(w.value['n'], w.scene.text)") == f"{n} n {n}"
        expect(slider).to_be_focused()
    assert picture(explorer) == before
    book.page.keyboard.press("ArrowRight")
    expect(explorer.locator(".qe-text")).to_have_text("n 3")
    assert picture(explorer) != before
    assert book.page.evaluate(cell) == active  # the notebook's own keys stayed out of it


def test_marks_are_drawn_where_python_places_them(book, explorer):
    """sin(0) = 0 in the middle of −2 … 2; x from 0 to 1 with 4 % more; the point (0, 2) above."""
    plot = explorer.locator(".qe-plot").first
    width, height = plot.evaluate("node => [node.clientWidth, node.clientHeight]")
    first = [float(x) for x in re.match(r"M(\S+) ([^L]+)L", picture(explorer)).groups()]
    assert first == pytest.approx([0.04 / 1.08 * width, height / 2], abs=0.2)
    above = explorer.locator(".qe-points")
    marker = re.match(r"M(\S+) ([^h]+)h6v6h-6Z", above.get_attribute("d")).groups()
    expected = [0.04 / 1.08 * width - 3, (1 - 2.08 / 2.16) * 90 - 3]  # its upper left corner
    assert [float(x) for x in marker] == pytest.approx(expected, abs=0.5)


def test_lists_and_boxes_change_the_picture(book, explorer, expect):
    before = picture(explorer)
    explorer.get_by_role("combobox", name="kind").select_option("cosine")
    expect(explorer.locator(".qe-plot path").first).not_to_have_attribute("d", before)
    explorer.get_by_role("checkbox", name="filled").press("Space")
    expect(explorer.locator(".qe-area").first).to_be_attached()
    expect(explorer.get_by_role("img").first).to_have_accessible_name("picture: y, x, area, wave")
    assert book.says("print(w.value)") == "{'n': 2, 'kind': 'cosine', 'fill': True}"


def test_a_row_of_buttons_is_clicked_and_walked_by_keyboard(book, expect):
    group = book.page.get_by_role("group", name="explorer: weights")
    row = group.get_by_role("radiogroup", name="weights")
    buttons = row.get_by_role("radio")
    expect(buttons).to_have_count(4)
    row.get_by_text("4 bits").click()
    expect(group.locator(".qe-text")).to_have_text("w 4")
    cell = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    active = book.page.evaluate(cell)
    for key, bits in (("ArrowRight", 2), ("ArrowRight", 16), ("ArrowDown", 8), ("ArrowUp", 16)):
        book.page.keyboard.press(key)
        expect(group.locator(".qe-text")).to_have_text(f"w {bits}")
        expect(row.get_by_role("radio", name=f"{bits} bits")).to_be_checked()
        assert book.says("print(row.value)") == f"{{'weights': {bits}}}"
    assert book.page.evaluate(cell) == active
    book.says("row.set(weights=8)")
    expect(row.get_by_role("radio", name="8 bits")).to_be_checked()


def test_python_moves_the_controls(book, explorer, expect):
    book.says("w.set(n=7, kind='cosine', fill=True)")
    expect(explorer.get_by_role("slider")).to_have_js_property("value", "6")  # the seventh stop
    expect(explorer.get_by_role("slider")).to_have_attribute("aria-valuetext", "7 waves")
    expect(explorer.locator("option:checked")).to_have_text("cosine")
    expect(explorer.get_by_role("checkbox")).to_be_checked()
    expect(explorer.locator(".qe-text")).to_have_text("n 7")


DRAG = """async pause => {
    const slider = document.querySelector('.qe input[type=range]');
    const text = document.querySelector('.qe-text'), times = [];
    for (let i = 0; i < 24; i++) {
        const before = text.textContent, start = performance.now();
        slider.value = (Number(slider.value) + 1) % 8;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        if (pause) { await new Promise(done => setTimeout(done, pause)); continue; }
        while (text.textContent === before) await new Promise(requestAnimationFrame);
        times.push(performance.now() - start);
    }
    return times;
}"""


def test_a_picture_follows_the_slider_quickly(book, explorer):
    """The aim is 70 ms, with 2,500 vertices; a machine that is busy may take longer."""
    times = book.page.evaluate(DRAG, 0)
    print(f"slider to picture: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms")
    assert statistics.median(times) < 250


WATCHED = """([panel, control, value]) => new Promise((done, fail) => {
    setTimeout(fail, 20000);
    const frame = document.querySelector('.qe'), touched = [];
    const note = ({type, target}) => touched.push(`${type} ${target.tagName}`);
    new MutationObserver(records => records.forEach(note)).observe(
        frame.querySelectorAll('.qe-panel')[panel],
        {subtree: true, childList: true, characterData: true, attributes: true},
    );
    new MutationObserver(() => requestAnimationFrame(() => done(touched))).observe(
        frame.querySelector('.qe-plot path'), {attributes: true},
    );
    const moved = frame.querySelector(control);
    moved.value = value;
    for (const type of ['input', 'change']) moved.dispatchEvent(new Event(type, {bubbles: true}));
})"""


def test_what_has_not_changed_is_not_drawn_again(book, explorer):
    """Another kind of wave leaves the lower panel alone; another n, all of it but its ticks."""
    touched = book.page.evaluate(WATCHED, [0, "select", "1"])
    assert [what for what in touched if "path" in what] == ["attributes path"]
    assert book.page.evaluate(WATCHED, [1, "select", "0"]) == []
    touched = book.page.evaluate(WATCHED, [1, "[type=range]", "4"])
    assert "childList DIV" in touched
    assert not any("path" in what for what in touched)


def test_while_the_kernel_is_slow_only_the_last_position_counts(book, explorer, expect):
    """24 moves in half a second, 0.3 s for an answer: the first, the last, one or two between."""
    book.says("pause = 0.3")
    book.page.evaluate(DRAG, 20)  # from the second stop over 24 stops of 8: back to the second
    expect(explorer.locator(".qe-text")).to_have_text("n 2")
    said = "() => document.querySelector('.qe input[type=range]').value"
    assert book.page.evaluate(said) == "1"
    book.page.wait_for_timeout(700)
    first, *_, last = calls = eval(book.says("print(calls)"))
    assert (first, last) == (3, 2)
    assert len(calls) <= 8
    expect(explorer.locator(".qe-text")).to_have_text("n 2")


def test_what_the_function_raises_is_said_and_the_picture_stays(book, explorer, expect):
    slider, alert = explorer.get_by_role("slider"), explorer.get_by_role("alert")
    slider.focus()
    before = picture(explorer)
    book.page.keyboard.press("End")
    expect(alert).to_have_text("RuntimeError: nine is too many")
    assert picture(explorer) == before
    expect(explorer.locator(".qe-text")).to_have_text("n 2")
    expect(slider).to_have_attribute("aria-valuetext", "9 waves")
    book.page.keyboard.press("ArrowLeft")
    expect(alert).to_be_empty()
    expect(explorer.locator(".qe-text")).to_have_text("n 8")


EVENTS = """async seed => {
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const frame = document.querySelector('.qe:has(.qe-panels)');
    for (let i = 0; i < 200; i++) {
        const controls = [...frame.querySelectorAll('input, select')];
        const control = controls[Math.floor(random() * controls.length)];
        if (control.type === 'checkbox') control.click();
        else if (control.tagName === 'SELECT') {
            control.selectedIndex = Math.floor(random() * control.options.length);
            control.dispatchEvent(new Event('change', {bubbles: true}));
        } else {
            control.value = Math.floor(random() * 8);
            control.dispatchEvent(new Event('input', {bubbles: true}));
        }
        await new Promise(done => setTimeout(done, 15 * random()));
    }
}"""


def test_after_200_random_events_python_and_the_browser_agree(book, explorer, expect):
    book.page.evaluate(EVENTS, 7)
    book.page.wait_for_timeout(700)
    book.wait_idle()
    value = eval(book.says("print(w.value)"))
    expect(explorer.locator(".qe-text")).to_have_text(f"n {value['n']}")
    expect(explorer.get_by_role("slider")).to_have_js_property("value", str(value["n"] - 1))
    expect(explorer.locator("option:checked")).to_have_text(value["kind"])
    expect(explorer.get_by_role("checkbox")).to_be_checked(checked=value["fill"])


CUT = """() => [...document.querySelectorAll('.qe')].flatMap(frame => {
    const outer = frame.getBoundingClientRect();
    return [...frame.querySelectorAll(':not(path, pattern)')].filter(node => {
        const box = node.getBoundingClientRect();
        return box.width && (box.right > outer.right + 1 || box.left < outer.left - 1);
    }).map(node => `${node.className} ${node.textContent}`);
})"""


@pytest.mark.parametrize("width", [700, 1100])
def test_nothing_is_cut_off_and_the_picture_fills_the_width(book, explorer, expect, width):
    book.page.set_viewport_size({"width": width, "height": 2400})
    book.page.wait_for_timeout(200)
    assert book.page.evaluate(CUT) == []
    for plot in book.page.locator(".qe-plot").all():
        size = plot.evaluate("node => [node.clientWidth, node.clientHeight].join(' ')")
        expect(plot.locator("svg")).to_have_attribute("viewBox", f"0 0 {size}")
    wide = explorer.locator(".qe-plot path").first
    assert wide.bounding_box()["width"] > 0.75 * explorer.bounding_box()["width"]


STROKES = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const luminance = color => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    };
    const back = luminance(getComputedStyle(document.querySelector('.qe')).backgroundColor);
    const contrast = color => {
        const [low, high] = [back, luminance(color)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const found = selector => [...document.querySelectorAll(selector)];
    return {
        dark: back < 0.2,
        lines: found('.qe-line').map(node => contrast(getComputedStyle(node).stroke)),
        words: found('.qe-words').map(node => contrast(getComputedStyle(node).color)),
    };
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_marks_and_words_stand_out_in_both_themes(book, explorer, theme):
    """3 : 1 for what is drawn and 4.5 : 1 for text, as WCAG 2.1 asks in 1.4.11 and 1.4.3."""
    book.theme(theme)
    book.page.wait_for_timeout(300)  # the theme's style sheet arrives after its name
    found = book.page.evaluate(STROKES)
    book.theme("JupyterLab Light")
    assert found["dark"] == ("Dark" in theme)
    assert len(found["lines"]) > 20
    assert min(found["lines"]) >= 3
    assert len(found["words"]) == 2 * len(ROLES)
    assert min(found["words"]) >= 4.5


def test_a_notebook_without_a_kernel_shows_the_picture(lab, expect):
    widget = Explorer(
        lambda n: Scene("still", Panel(line([0, 1], [0, n]))), n=Slider(1, 2, label="n")
    )
    data, _ = widget._repr_mimebundle_()
    del data["application/vnd.jupyter.widget-view+json"]  # as the stored notebooks are
    output = nbformat.v4.new_output("execute_result", data=data, execution_count=1)
    cells = [nbformat.v4.new_code_cell("widget", outputs=[output], execution_count=1)]
    book = lab(nbformat.v4.new_notebook(cells=cells), run=False)
    picture = book.page.locator(".jp-OutputArea img")
    expect(picture).to_have_count(1)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8.5 * 96
    assert re.match("n = 1\nstill", data["text/plain"])
    assert book.errors == []

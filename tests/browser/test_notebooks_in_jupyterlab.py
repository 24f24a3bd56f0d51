"""Every notebook of the course runs from top to bottom in JupyterLab, as a learner runs it."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_shows_its_widgets(lab, path):
    book = lab(path, run=False)
    assert book.run_all(), "a cell failed"
    notebook = book.page.evaluate("() => jupyterapp.shell.currentWidget.context.model.toJSON()")
    widgets = 0
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            shown = f"{''.join(cell['source'])}\n{output}"
            expected = "raises-exception" in cell["metadata"].get("tags", [])
            assert output["output_type"] != "error" or expected, shown
            assert output.get("name") != "stderr", shown
            widgets += "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    book.page.wait_for_function(
        "count => document.querySelectorAll('.qe').length >= count", arg=widgets
    )
    move_every_slider(book.page)
    book.page.set_viewport_size({"width": 800, "height": 1000})
    book.page.wait_for_timeout(300)
    assert book.too_wide() == []
    book.theme("JupyterLab Dark")
    book.page.wait_for_timeout(300)  # the theme's style sheet arrives after its name
    assert [one for one in book.contrasts() if one[0] < 4.5] == []
    assert book.errors == []


def move_every_slider(page):
    """One arrow key on each slider of an explorer: the picture from the kernel has to change."""
    explorers = page.locator(".qe:has(.qe-panels)")
    for i in range(explorers.count()):
        sliders = explorers.nth(i).locator("input[type=range]")
        for k in range(sliders.count()):
            slider = sliders.nth(k)
            drawn = explorers.nth(i).locator(".qe-panels").inner_html()
            at_the_end = slider.input_value() == slider.get_attribute("max")
            slider.focus()
            page.keyboard.press("ArrowLeft" if at_the_end else "ArrowRight")
            page.wait_for_function(
                "([i, drawn]) => document.querySelectorAll('.qe-panels')[i].innerHTML !== drawn",
                arg=[i, drawn],
            )


def test_what_is_wider_than_the_window_is_found(lab):
    show = "display(HTML('<div class=qe style=\"width: 3000px\">a</div>'))"
    book = lab(["from IPython.display import HTML, display\n" + show], width=800)
    assert "DIV qe a" in book.too_wide()

"""nbval, as conftest.py and pyproject.toml set it up, shown on a notebook made for it."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import notebooks

FIGURE = {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "not compared"}
CELLS = {
    "setup": ("%matplotlib inline\nimport matplotlib.pyplot as plt\nx = 1", None),
    "number": ("x", {"text/plain": "1"}),
    "trailing semicolon": ("x;", None),
    "figure": ("plt.plot([0, 1]);", FIGURE),
    "stale number": ("x", {"text/plain": "2"}),
    "vanished figure": ("x = 3", FIGURE),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Validate these cells by `pytest --nbval notebooks`; return what it says of each."""
    root = tmp_path_factory.mktemp("repository")
    for name in ["conftest.py", "pyproject.toml"]:
        shutil.copy(notebooks.ROOT / name, root)
    nb = nbformat.v4.new_notebook()
    for count, (source, data) in enumerate(CELLS.values(), start=1):
        outputs = [nbformat.v4.new_output("display_data", data)] if data else []
        nb.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=count))
    (root / "notebooks").mkdir()
    (root / "notebooks" / "sample.ipynb").write_text(notebooks.serialized(nb), encoding="utf-8")
    options = ["--verbose", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--nbval", "notebooks"],
        cwd=root,
        env={**os.environ, "MPLBACKEND": "agg", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    words = re.findall(r"ipynb::Cell \d (PASSED|FAILED)", done.stdout)
    assert len(words) == len(CELLS), done.stdout + done.stderr
    return dict(zip(CELLS, words, strict=True))


def test_a_number_that_the_cell_still_gives_passes(outcome):
    assert outcome["number"] == "PASSED"


def test_a_trailing_semicolon_is_obeyed_as_in_jupyterlab(outcome):
    assert outcome["trailing semicolon"] == "PASSED"


def test_figures_are_drawn_in_the_notebook_whatever_backend_the_tests_use(outcome):
    assert outcome["figure"] == "PASSED"


def test_a_number_that_the_cell_no_longer_gives_fails(outcome):
    assert outcome["stale number"] == "FAILED"


def test_a_figure_that_vanished_fails(outcome):
    assert outcome["vanished figure"] == "FAILED"

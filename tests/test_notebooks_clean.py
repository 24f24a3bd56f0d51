"""The stored notebooks: executed, clean, and no cell minds being run twice.

The second half is the test of the test: a small good notebook passes every rule, and each way of
spoiling it is found by the rule that is there for it.
"""

import base64
import copy
import io
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from matplotlib.image import imsave

from tools import notebooks

STORED = sorted(notebooks.FOLDER.glob("*.ipynb"))


@pytest.fixture(params=STORED, ids=lambda path: path.name)
def stored(request):
    return request.param


def test_a_stored_notebook_is_executed_and_clean(stored):
    assert notebooks.complaints(stored) == []


@pytest.mark.long  # it runs the whole course twice over
def test_any_cell_may_be_run_twice(stored):
    assert notebooks.run_twice(notebooks.read(stored), stored.parent) == []


def test_notebooks_are_named_by_number_and_topic(stored):
    number, _, topic = stored.stem.partition("_")
    assert number.isdigit()
    assert len(number) == 2
    assert topic.replace("_", "").isalnum()


# ---------------------------------------------------------------------- the test of the test

CELLS = [
    "import numpy as np\n\nimport quantedu as qe",
    "x = np.float32(0.1)\nprint(x)",
    "float(x) == 0.1",
    "x;",
    "1 / 0",
]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Run a small notebook that breaks no rule."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A chapter")])
    nb.cells += [nbformat.v4.new_code_cell(source) for source in CELLS]
    nb.cells[-1].metadata.tags = ["raises-exception"]
    return notebooks.clean(notebooks.run(nb, tmp_path_factory.mktemp("good")))


@pytest.fixture
def nb(good):
    return copy.deepcopy(good)


@pytest.fixture
def path(nb, tmp_path):
    path = tmp_path / "sample.ipynb"
    path.write_bytes(notebooks.serialized(nb).encode())
    return path


def png(alpha):
    file = io.BytesIO()
    imsave(file, np.full((2, 2, 4), alpha), format="png")
    return base64.b64encode(file.getvalue()).decode()


def show(nb, **data):
    """Give the second code cell an output with these MIME types (`_` for `/`)."""
    data = {kind.replace("_", "/"): value for kind, value in data.items()}
    notebooks.code_cells(nb)[1].outputs = [nbformat.v4.new_output("display_data", data)]


def not_executed(nb):
    notebooks.code_cells(nb)[2].execution_count = None


def executed_out_of_order(nb):
    notebooks.code_cells(nb)[2].execution_count = 7


def warns(nb):
    output = nbformat.v4.new_output("stream", name="stderr", text="DeprecationWarning")
    notebooks.code_cells(nb)[1].outputs.append(output)


def fails_without_tag(nb):
    del nb.cells[-1].metadata["tags"]


def widget_state(nb):
    nb.metadata.widgets = {"state": {}}


def widget_view(nb):
    show(nb, image_png=png(1.0), text_plain="8 bits")
    notebooks.code_cells(nb)[1].outputs[0].data[notebooks.WIDGET] = {"model_id": "1"}


def sixteen_lines(nb):
    notebooks.code_cells(nb)[1].source = "\n".join("x + 1" for _ in range(16))


def late_import(nb):
    notebooks.code_cells(nb)[2].source = "if x:\n    from math import pi"


def late_import_below_a_magic(nb):
    notebooks.code_cells(nb)[2].source = "%matplotlib inline\nimport math"


def huge_output(nb):
    show(nb, text_plain="8" * (notebooks.MAX_OUTPUT + 1))


def many_outputs(nb):
    show(nb, text_plain="8" * (notebooks.MAX_OUTPUT - 100))
    notebooks.code_cells(nb)[1].outputs *= 8


def transparent_picture(nb):
    show(nb, image_png=png(0.5), text_plain="<Axes>")


def memory_address(nb):
    show(nb, text_plain="<object at 0x7f5c1a2b3c4d>")


def path_of_this_machine(nb):
    show(nb, text_plain="saved in /" + "home/ada/weights.npz")


def windows_path_of_this_machine(nb):
    show(nb, text_plain="saved in C:" + r"\Users\ada\weights.npz")


def time_stamps(nb):
    notebooks.code_cells(nb)[1].metadata.execution = {"iopub.execute_input": "2026-01-01T00:00:00"}


def python_version(nb):
    nb.metadata.language_info.version = "3.11.7"


def empty_cell(nb):
    nb.cells.append(nbformat.v4.new_code_cell("", id="empty"))


def stream_in_pieces(nb):
    halves = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in "01"]
    notebooks.code_cells(nb)[1].outputs = halves


def traceback_with_paths(nb):
    nb.cells[-1].outputs[0].traceback = ["File cell.py, line 1"]


WAYS_TO_SPOIL_IT = {
    not_executed: notebooks.every_cell_is_executed,
    executed_out_of_order: notebooks.every_cell_is_executed,
    warns: notebooks.nothing_on_stderr,
    fails_without_tag: notebooks.no_untagged_error,
    widget_state: notebooks.no_widget_state,
    widget_view: notebooks.no_widget_state,
    sixteen_lines: notebooks.cells_are_short,
    late_import: notebooks.imports_in_the_first_cell,
    late_import_below_a_magic: notebooks.imports_in_the_first_cell,
    huge_output: notebooks.outputs_are_small,
    many_outputs: notebooks.outputs_are_small,
    transparent_picture: notebooks.pictures_are_opaque,
    memory_address: notebooks.outputs_are_stable,
    path_of_this_machine: notebooks.outputs_are_stable,
    windows_path_of_this_machine: notebooks.outputs_are_stable,
    time_stamps: notebooks.as_cleaned,
    python_version: notebooks.as_cleaned,
    empty_cell: notebooks.as_cleaned,
    stream_in_pieces: notebooks.as_cleaned,
    traceback_with_paths: notebooks.as_cleaned,
}


def test_a_good_notebook_breaks_no_rule(path):
    assert notebooks.complaints(path) == []


def test_an_opaque_picture_breaks_no_rule(nb):
    show(nb, image_png=png(1.0), text_plain="<Axes>")
    assert list(notebooks.pictures_are_opaque(nb)) == []


def test_a_trailing_semicolon_shows_nothing(nb):
    assert notebooks.code_cells(nb)[3].outputs == []


@pytest.mark.parametrize("spoil", WAYS_TO_SPOIL_IT, ids=lambda spoil: spoil.__name__)
def test_each_way_of_spoiling_a_notebook_is_found_by_its_rule(nb, spoil):
    spoil(nb)
    assert list(WAYS_TO_SPOIL_IT[spoil](nb))


def test_every_rule_is_shown_to_fail():
    assert set(WAYS_TO_SPOIL_IT.values()) == set(notebooks.RULES)


def test_windows_line_ends_are_found(path):
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "bytes differ" in notebooks.complaints(path)[0]


def test_cleaning_repairs_what_is_only_untidy(nb):
    tidy = notebooks.serialized(nb)
    for spoil in [widget_state, time_stamps, python_version, traceback_with_paths, empty_cell]:
        spoil(nb)
    assert notebooks.serialized(notebooks.clean(nb)) == tidy


def test_cleaning_leaves_a_cell_that_was_never_run_as_it_is(nb):
    not_executed(nb)
    assert list(notebooks.every_cell_is_executed(notebooks.clean(nb)))


def test_two_runs_write_the_same_bytes(path, capsys):
    before = path.read_bytes()
    assert notebooks.main([str(path)]) == 0
    assert path.read_bytes() == before
    assert "unchanged" in capsys.readouterr().out


def test_the_times_are_a_table_and_nothing_is_written(path, capsys):
    before = path.read_bytes()
    assert notebooks.main(["--times", str(path)]) == 0
    *_, row, total = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\| sample \| \d+ \|", row)
    assert re.fullmatch(r"\| all \| \d+ \|", total)
    assert path.read_bytes() == before


def test_the_kernel_is_this_python_and_sees_this_quantedu(tmp_path):
    import quantedu

    source = "import sys, quantedu\nprint(sys.executable)\nprint(quantedu.__file__)"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    [cell] = notebooks.run(nb, tmp_path).cells
    assert cell.outputs[0].text.split("\n")[:2] == [sys.executable, quantedu.__file__]


def test_a_cell_that_fails_is_reported_and_nothing_is_written(path, capsys):
    nb = notebooks.read(path)
    nb.cells[-1].metadata = nbformat.from_dict({})
    path.write_bytes(notebooks.serialized(nb).encode())
    before = path.read_bytes()
    assert notebooks.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_check_says_what_is_unclean_and_changes_nothing(path):
    nb = notebooks.read(path)
    python_version(nb)
    path.write_bytes(notebooks.serialized(nb).encode())
    before = path.read_bytes()
    command = [sys.executable, str(notebooks.ROOT / "tools" / "notebooks.py"), "--check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert "notebook metadata" in done.stderr
    assert path.read_bytes() == before


def twice(nb, source, *tags):
    nb.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}))
    return notebooks.run_twice(nb, notebooks.FOLDER.parent)


def test_a_good_notebook_may_be_run_twice(nb):
    assert notebooks.run_twice(nb, notebooks.FOLDER.parent) == []


def test_a_cell_that_changes_its_own_input_is_found(nb):
    [found] = twice(nb, "x = x + 1\nprint(x)")
    assert "--- first" in found


def test_a_cell_that_fails_the_second_time_is_found(nb):
    [found] = twice(nb, "y = x\ndel x")
    assert "NameError" in found


def test_a_cell_whose_output_is_not_compared_may_change(nb):
    assert twice(nb, "x = x + 1\nprint(x)", "nbval-ignore-output") == []

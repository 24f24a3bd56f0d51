"""A folder that may not be written to and a machine without a Chromium do not break the course."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools import notebooks

# Runs first in the kernel: whatever would write below ROOT is refused, as on a read-only disk.
# Permissions would not hold back a test that runs as root.
GUARD = """
import os, sys

def refuse(event, args, root={root!r}):
    if event == "open":
        path, _, flags = args
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.utime"):
        path, writes = args[0], True
    else:
        return
    if writes and isinstance(path, (str, bytes)):
        place = os.path.realpath(os.fsdecode(path))
        if place.startswith(root + os.sep):
            raise PermissionError(13, "Read-only for this test", place)

sys.addaudithook(refuse)
"""


def run_read_only(nb):
    """The notebook, run where nothing of the repository can be written; an error is a cell's."""
    root = os.path.realpath(notebooks.ROOT)
    nb = nbformat.from_dict(nb)
    nb.cells.insert(0, nbformat.v4.new_code_cell(GUARD.format(root=root)))
    return notebooks.run(nb, notebooks.FOLDER)


CHAPTERS = sorted(notebooks.FOLDER.glob("*.ipynb"))
QUICK = "01_bits_to_numbers"


@pytest.mark.parametrize(
    "chapter",
    [
        pytest.param(p, id=p.stem, marks=[] if p.stem == QUICK else [pytest.mark.long])
        for p in CHAPTERS
    ],
)
def test_a_chapter_runs_where_nothing_can_be_written(chapter):
    done = run_read_only(notebooks.read(chapter))
    assert list(notebooks.no_untagged_error(done)) == []


@pytest.mark.parametrize(
    "source",
    [
        "open('note.txt', 'w')",
        "open('README.md', 'a')",
        "import os; os.mkdir('new')",
        "import pathlib; pathlib.Path('README.md').touch()",
        "import quantedu as qe; qe.nf4().quantize([1.0]).save('w.npz')",
    ],
)
def test_a_cell_that_writes_there_is_found(source):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises(CellExecutionError, match="Read-only for this test"):
        run_read_only(nb)
    assert not (notebooks.FOLDER / "note.txt").exists()
    assert not (notebooks.FOLDER / "w.npz").exists()


def browser_tests(tmp_path, **changed):
    """What `pytest` says of a test that needs a browser, on a PATH with nothing on it."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "QE_CHROMIUM")}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs"),
            *("-q", "-x", "-m", "browser", "tests/browser/test_explorer.py"),
        ],
        cwd=notebooks.ROOT,
        env={**kept, "PATH": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "500", **changed},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_without_a_chromium_its_tests_are_skipped_in_words(tmp_path):
    done = browser_tests(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no Chromium: none of chromium, " in done.stdout
    assert "QE_CHROMIUM may name one" in done.stdout
    assert " passed" not in done.stdout
    assert " failed" not in done.stdout


def test_in_ci_a_missing_chromium_is_a_failure(tmp_path):
    done = browser_tests(tmp_path, CI="true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no Chromium: none of chromium, " in done.stdout

"""A folder that may not be written to and a machine without a Chromium do not break the course."""

import os
import shutil
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


NEEDS_NO_CACHE = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_any_integer_is_one_less_than_the_next(x):
    assert x < x + 1

def test_the_folder_cannot_be_written_to():
    import pathlib, pytest
    with pytest.raises(PermissionError):
        pathlib.Path(__file__).with_name("note.txt").write_text("")
"""
WITHOUT_THE_POWERS_OF_ROOT = [
    *("setpriv", "--inh-caps", "-all"),
    *("--bounding-set", "-dac_override,-dac_read_search,-fowner"),
]


@pytest.fixture
def read_only_folder(tmp_path):
    """The settings of the tests and two tests, where nothing can be written; and how to get in."""
    prefix = WITHOUT_THE_POWERS_OF_ROOT if getattr(os, "geteuid", lambda: 1)() == 0 else []
    if os.name == "nt":
        pytest.skip("Windows does not keep a folder from being written to in this way")
    if prefix and (not shutil.which("setpriv") or subprocess.run([*prefix, "true"]).returncode):
        pytest.skip("root writes everywhere, and there is no setpriv to make it a reader")
    folder = tmp_path / "course"
    folder.mkdir()
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(notebooks.ROOT / name, folder)
    (folder / "test_it.py").write_text(NEEDS_NO_CACHE, encoding="utf-8")
    folder.chmod(0o555)
    yield folder, prefix
    folder.chmod(0o755)


def test_the_tests_run_in_a_folder_that_cannot_be_written_to(read_only_folder):
    folder, prefix = read_only_folder
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "test_it.py"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert sorted(p.name for p in folder.iterdir()) == [
        "conftest.py",
        "pyproject.toml",
        "test_it.py",
    ]


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

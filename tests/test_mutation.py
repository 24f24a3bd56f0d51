"""A changed number in the library is caught by the notebooks: the validation can go red."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import notebooks

# file, what stands there, what is put in its place
BIAS_OF_E4M3 = ("formats.py", '"FP8 E4M3", exponent_bits=4', '"FP8 E4M3", bias=8, exponent_bits=4')
OFFSET_OF_NF4 = ("codebooks.py", "np.floor(exact * 1e7) / 1e7", "np.floor(exact * 1e4) / 1e4")
CELLS = {  # as in the course: a test below holds that it prints these numbers
    "import quantedu as qe\nqe.E4M3.max": "448.0",
    "round(float(qe.NF4.levels[14]), 5)": "0.72296",
    "qe.E5M2.max": "57344.0",
}


def test_the_sample_shows_numbers_that_stand_in_the_course():
    stored = "".join(path.read_text(encoding="utf-8") for path in notebooks.FOLDER.glob("*.ipynb"))
    assert "448.0" in stored
    assert "0.72295" in stored or "0.72296" in stored


def validated(root, mutations, write):
    """Words of `pytest --nbval notebooks` over a copy of the library: "PASSED" or "FAILED"."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(notebooks.ROOT / name, root)
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(notebooks.ROOT / "quantedu", root / "quantedu", ignore=no_caches)
    for name, old, new in mutations:
        path = root / "quantedu" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old} no longer stands in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")
    (root / "notebooks").mkdir()
    write(root / "notebooks")
    options = ["-v", "-p", "no:cacheprovider", "-p", "no:xdist", "--nbval", "notebooks"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    words = re.findall(r"ipynb::Cell \d+ (PASSED|FAILED)", done.stdout)
    assert words, done.stdout + done.stderr
    assert done.returncode == ("FAILED" in words)
    return words


def write_sample(folder):
    nb = nbformat.v4.new_notebook()
    for count, (source, text) in enumerate(CELLS.items(), start=1):
        shown = {"data": {"text/plain": text}, "execution_count": count}
        output = nbformat.v4.new_output("execute_result", **shown)
        cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=count)
        nb.cells.append(cell)
    (folder / "00_sample.ipynb").write_text(notebooks.serialized(nb), encoding="utf-8")


def test_changed_constants_turn_the_validation_red_where_they_show(tmp_path):
    words = validated(tmp_path, [BIAS_OF_E4M3, OFFSET_OF_NF4], write_sample)
    assert words == ["FAILED", "FAILED", "PASSED"]


def test_the_same_copy_without_a_change_is_green(tmp_path):
    assert validated(tmp_path, [], write_sample) == ["PASSED"] * len(CELLS)


@pytest.mark.long
def test_a_stored_chapter_notices_another_bias(tmp_path):
    chapter = notebooks.FOLDER / "01_bits_to_numbers.ipynb"
    words = validated(tmp_path, [BIAS_OF_E4M3], lambda folder: shutil.copy(chapter, folder))
    assert 1 <= words.count("FAILED") < len(words)

"""notebooks/README.md: its table lists the chapters, its commands and names exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from quantedu.exercises import chapter_01 as ex
from tools import notebooks

PAGE = (notebooks.FOLDER / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d\d) \|(.*)\|$", PAGE, flags=re.MULTILINE)
LINES = [line for line in PAGE.splitlines() if line.startswith(".venv/bin/python")]
MAKEFILE = (notebooks.ROOT / "Makefile").read_text(encoding="utf-8")


def first_cell(number):
    [path] = notebooks.FOLDER.glob(f"{number}_*.ipynb")
    return notebooks.read(path).cells[0].source


def test_the_table_has_every_chapter_in_order():
    numbers = [number for number, _ in ROWS]
    assert numbers == [f"{n:02}" for n in range(len(numbers))]
    assert {path.name[:2] for path in notebooks.FOLDER.glob("*.ipynb")} <= set(numbers)


@pytest.mark.parametrize("path", sorted(notebooks.FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
def test_question_and_minutes_are_those_of_the_chapter(path):
    question, _, minutes, *_ = (part.strip() for part in dict(ROWS)[path.name[:2]].split("|"))
    said = first_cell(path.name[:2])
    words = {10: "ten", 15: "fifteen"}
    assert re.search(rf"\b({minutes}|{words.get(int(minutes), '-')}) minutes", said), minutes
    title = said.partition("\n")[0].lower()
    assert question.lower() in title, title


@pytest.mark.parametrize("line", LINES)
def test_every_command_names_files_and_options_that_exist(line):
    _, *words = shlex.split(line)
    for word in words:
        if "/" in word:
            assert (notebooks.ROOT / word).exists(), word
        if word.startswith("--") and "tools/notebooks.py" in words:
            assert f'"{word}"' in Path(notebooks.__file__).read_text(encoding="utf-8")
    assert LINES


def test_every_make_target_exists():
    targets = set(re.findall(r"`make ([\w-]+)`", PAGE))
    assert targets
    assert targets <= set(re.findall(r"^([\w-]+):", MAKEFILE, flags=re.MULTILINE))


def test_the_exercise_shown_is_one():
    calls = re.findall(r"^(ex\.\w+\.\w+)\(.*\)", PAGE, flags=re.MULTILINE)
    assert len(calls) == 3
    for call in calls:
        ast.parse(call)
        _, name, method = call.split(".")
        assert callable(getattr(getattr(ex, name), method))


def test_files_named_on_the_page_exist():
    for name in re.findall(r"`((?:tests|tools|quantedu)/[\w/]+\.py)`", PAGE):
        if "NN" not in name:
            assert (notebooks.ROOT / name).exists(), name

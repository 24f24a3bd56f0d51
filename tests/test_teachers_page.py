"""notebooks/README.md: its table lists the chapters, its commands and names exist."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from quantedu.exercises import chapter_05 as ex
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


def test_the_map_of_chapter_00_gives_the_same_times():
    [path] = notebooks.FOLDER.glob("00_*.ipynb")
    text = "\n".join(cell.source for cell in notebooks.read(path).cells)
    times = dict(re.findall(r"^\| \[(\d\d)\]\(.*\| (\d+ \| \d+) \|$", text, flags=re.MULTILINE))
    page = {number: row.split("|")[2:4] for number, row in ROWS[1:]}
    assert times == {number: " | ".join(map(str.strip, row)) for number, row in page.items()}


@pytest.mark.parametrize("number", [number for number, _ in ROWS if int(number) > 1])
def test_a_chapter_needs_those_that_it_says_it_builds_on(number):
    needs = dict(ROWS)[number].split("|")[1]
    [builds_on] = re.findall(r"It builds on (.*)", first_cell(number))
    assert re.findall(r"\d\d", needs) == re.findall(r"\[chapter (\d\d)\]", builds_on)


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
    found = re.findall(r"\b((?:tests|tools|quantedu|notebooks)/[\w/]+\.(?:py|ipynb))\b", PAGE)
    assert any(name.endswith(".ipynb") for name in found)
    for name in found:
        if "NN" not in name:
            assert (notebooks.ROOT / name).exists(), name


def handed_in(answers):
    """A chapter's exercises with a learner's answers in place of the stubs, name by name."""
    cells = ["from quantedu.exercises import chapter_05 as ex"]
    for name, answer in answers.items():
        cells.append(f"{answer}\n\nex.{name}.check({name})")
    return nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])


def test_the_lines_for_grading_print_every_verdict(tmp_path):
    [script] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "grade.py").write_text(script, encoding="utf-8")
    folder = tmp_path / "handed_in"
    folder.mkdir()
    stub = "def {}(*given):\n    return ..."
    names = ("offset_for", "block_codes", "normal_levels")
    right = {name: str(getattr(ex, name).solution()) for name in names}
    wrong = {
        "offset_for": "def offset_for(bits):\n    return 929 / 960",
        "block_codes": "def block_codes(block, levels):\n    return levels[",
        "normal_levels": "def normal_levels(bits):\n    return no_such_name",
    }
    nothing = {name: stub.format(name) for name in names[:2]}
    for who, answers in {"ada": right, "ben": wrong, "cleo": nothing}.items():
        nbformat.write(handed_in(answers), folder / f"{who}.ipynb")
    command = [sys.executable, "grade.py", "handed_in"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300)
    assert ran.returncode == 0, ran.stderr
    header, *rows = (line.split() for line in ran.stdout.splitlines())
    assert header == list(names)
    assert rows == [["ada", *"✓✓✓"], ["ben", *"✗!✗"], ["cleo", *"○○–"]]
    kept = nbformat.read(folder / "executed" / "ben.ipynb", as_version=4)
    assert "should be" in kept.cells[1].outputs[0].data["text/plain"]

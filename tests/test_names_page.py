"""NAMES.md: every name of quantedu on it exists, and its table has a cell for each library."""

import re
from pathlib import Path

import pytest

import quantedu as qe

PAGE = (Path(__file__).resolve().parent.parent / "NAMES.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in ROWS]
OURS = [*(row[0] for row in ROWS), *re.findall(r"`scales\.\w+`|`int_absmax\(8\)`", PAGE)]
PARAMETERS = {"axis", "block_size"}
NAMED = [name for cell in OURS for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("name", dict.fromkeys(NAMED))
def test_every_name_of_ours_exists(name):
    if name.partition("=")[0] in PARAMETERS:
        return
    thing, (path, call) = qe, re.fullmatch(r"([\w.]+)(\(.*\))?", name).groups()
    for part in path.split("."):
        thing = getattr(thing, part)
    if call:
        assert isinstance(eval(f"thing{call}"), qe.Quantizer)


def test_every_row_has_a_cell_for_each_library():
    assert len(ROWS) > 15
    assert {len(row) for row in ROWS} == {6}
    assert all(cell for row in ROWS for cell in row)


def test_every_recipe_stands_on_the_page():
    recipes = {n for n in vars(qe.recipes) if n in ("nf4", "fp4", "fp8", "mxfp4", "nvfp4")}
    assert recipes <= {re.match(r"\w+", name).group() for name in NAMED}

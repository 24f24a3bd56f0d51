"""Chapter 00's map, table and glossary say what the chapters are and what they gloss."""

import re

import matplotlib.pyplot as plt
import pytest

from tools import notebooks, pictures

CHAPTERS = {path.name[:2]: path for path in sorted(notebooks.FOLDER.glob("*.ipynb"))}
CELLS = [c.source for c in notebooks.read(CHAPTERS["00"]).cells if c.cell_type == "markdown"]


# ---------------------------------------------------------------------- the map


def test_the_map_has_a_tile_for_each_chapter_and_nothing_runs_out_of_it():
    axes = pictures.course_map()
    figure = axes[0].figure
    figure.canvas.draw()
    assert [ax.get_title("left")[:2] for ax in axes] == [f"{n:02}" for n in range(11)]
    assert set(CHAPTERS) <= {ax.get_title("left")[:2] for ax in axes}
    tile = axes[0].bbox.width
    for ax in axes:
        for text in [ax._left_title, *ax.texts]:
            box = text.get_window_extent()
            assert ax.bbox.x0 - tile / 20 <= box.x0, text
            assert box.x1 <= ax.bbox.x1 + tile / 20, text
    plt.close(figure)


def test_the_table_below_it_asks_the_chapters_own_questions():
    rows = re.findall(r"^\| \[(\d\d)\]\((\S+)\) \| ([^|]+) \|", "\n".join(CELLS), flags=re.M)
    assert [number for number, *_ in rows] == [f"{n:02}" for n in range(1, 11)]
    for number, link, question in rows:
        assert link.startswith(f"{number}_")
        if number in CHAPTERS:
            assert link == CHAPTERS[number].name
            title = notebooks.read(CHAPTERS[number]).cells[0].source.partition("\n")[0]
            assert title.startswith(f"# {number} · {question}")


# ---------------------------------------------------------------------- the glossary

GLOSSARY = [
    [part.strip() for part in line.strip("| ").split("|")]
    for line in CELLS[-1].splitlines()
    if re.search(r"[\u4e00-\u9fff]", line)
][1:]


def test_the_glossary_is_in_order_and_names_nothing_twice():
    plain = [re.sub("[^a-z0-9 ]", "", english.lower()) for english, *_ in GLOSSARY]
    assert plain == sorted(set(plain))
    assert all(len(row) == 4 and all(row) for row in GLOSSARY)


@pytest.mark.parametrize("number", sorted(CHAPTERS))
def test_every_glossed_term_is_in_the_glossary(number):
    known = "\n".join(chinese for _, chinese, *_ in GLOSSARY)
    cells = [c.source for c in notebooks.read(CHAPTERS[number]).cells if c.cell_type == "markdown"]
    text = "\n".join(source for source in cells if "## Glossary" not in source)
    missing = [
        term
        for term in re.findall(r"\(([\u4e00-\u9fff、]+)[^()]*\)", text)
        if not all(part in known for part in term.split("、"))
    ]
    assert missing == []

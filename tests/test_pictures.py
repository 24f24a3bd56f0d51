"""The stored pictures are those that the library draws today, and the pages show them."""

import functools
import html
import io
import re
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tools import notebooks, pictures
from tools.openings import chapter_00
from tools.openings.page import DPI, HEIGHT, WIDTH, to_png, words

NOTEBOOKS = {int(path.name[:2]): path for path in sorted(notebooks.FOLDER.glob("*.ipynb"))}
README = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")


def stored(name):
    return (pictures.PICTURES / f"{name}.png").read_bytes()


def pixels(png):
    """PNG as numbers [height, width, 3], 0 … 255."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.float64)


def blurred(image, n):
    """Means of n × n dots."""
    height, width = (size // n * n for size in image.shape[:2])
    return image[:height, :width].reshape(height // n, n, width // n, n, -1).mean(axis=(1, 3))


def apart(one, other, boxes=()):
    """Mean difference of two pictures, and the largest mean in a patch of 16 × 16 dots.

    Words are left out, at these boxes [x0, y0, x1, y1] in dots from the lower left corner: their
    letters differ with the version of Matplotlib.
    """
    a, b = pixels(one), pixels(other)
    if a.shape != b.shape:
        return np.inf, np.inf
    for x0, y0, x1, y1 in boxes:
        rows = slice(max(int(len(a) - y1) - 8, 0), int(len(a) - y0) + 8)
        columns = slice(max(int(x0) - 24, 0), int(x1) + 24)
        a[rows, columns] = b[rows, columns] = 0
    difference = np.abs(blurred(a, 4) - blurred(b, 4))
    return difference.mean(), blurred(difference, 4).mean(axis=-1).max()


def stale(figure, png):
    """What differs between a figure and the stored picture of it, in words; empty if nothing."""
    boxes = [text.get_window_extent().extents for text in words(figure)]
    now = to_png(figure)
    before, after = written(png), written(now)
    found = [f"it says {line!r}" for line in sorted(before - after)]
    found += [f"it does not say {line!r}" for line in sorted(after - before)]
    mean, patch = apart(now, png, boxes)
    if mean > 0.5 or patch > 16:
        found.append(f"it differs by {mean:.2f} of 255, in one patch by {patch:.0f}")
    return found


def written(png):
    """The lines that a picture carries as text."""
    return set(Image.open(io.BytesIO(png)).text["Description"].split("\n"))


@functools.cache
def drawn(number):
    """An opening as it is drawn today, once for all tests here."""
    return pictures.opening(number)


# ---------------------------------------------------------------------- drawn again


def test_every_chapter_has_an_opening_and_no_picture_is_left_over():
    assert list(pictures.CHAPTERS) == list(NOTEBOOKS)
    names = {f"chapter_{number:02}" for number in NOTEBOOKS} | {"course_map", "bit_inspector"}
    assert {path.stem for path in pictures.PICTURES.iterdir()} == names


@pytest.mark.parametrize("number", pictures.CHAPTERS)
def test_the_stored_opening_is_what_is_drawn_today(number):
    found = stale(drawn(number), stored(f"chapter_{number:02}"))
    assert not found, "make pictures, and look at it"


def test_the_map_is_what_is_drawn_today():
    assert not stale(pictures.course_map()[0].figure, stored("course_map"))


def test_the_bit_inspector_is_what_is_drawn_today():
    mean, _ = apart(pictures.others()["bit_inspector"], stored("bit_inspector"))
    assert mean < 4  # mostly letters


def test_a_picture_is_the_same_bytes_each_time():
    assert to_png(pictures.opening(0)) == to_png(drawn(0))


# ---------------------------------------------------------------------- fit to be seen


@pytest.mark.parametrize("number", pictures.CHAPTERS)
def test_an_opening_is_large_enough_to_read_and_small_enough_to_load(number):
    png = stored(f"chapter_{number:02}")
    image = Image.open(io.BytesIO(png))
    assert image.size == (WIDTH * DPI, round(HEIGHT * DPI)) == (1600, 704)
    assert len(png) < 150_000
    assert image.convert("RGBA").getextrema()[3] == (255, 255), "it must be opaque"


@pytest.mark.parametrize("number", pictures.CHAPTERS)
def test_no_words_are_cut_off_or_tiny_or_lie_on_others(number):
    figure = drawn(number)
    texts = words(figure)
    boxes = [t.get_window_extent() for t in texts]
    for text, box in zip(texts, boxes):
        assert text.get_fontsize() >= 9.5, text  # 10.5 dots where the page is 800 wide
        assert box.x0 >= 0.03 * figure.bbox.width, text
        assert box.x1 <= 0.97 * figure.bbox.width, text
        assert box.y0 >= 0.02 * figure.bbox.height, text
        assert box.y1 <= figure.bbox.height, text
    for (one, a), (other, b) in combinations(zip(texts, boxes), 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or high < 4, f"{one} lies on {other}"  # 4 dots: room below a baseline


# ---------------------------------------------------------------------- shown


@pytest.mark.parametrize("number", pictures.CHAPTERS)
def test_a_chapter_shows_its_picture_below_the_title(number):
    alt = pictures.chapter(number).ALT
    title, empty, picture, *_ = notebooks.read(NOTEBOOKS[number]).cells[0].source.split("\n")
    assert title.startswith(f"# {number:02} · ")
    assert empty == ""
    assert picture == f"![{alt}](pictures/chapter_{number:02}.png)"
    assert 60 <= len(alt) <= 240
    assert not set(alt) & set('[]()<>"')


@pytest.mark.parametrize("number", pictures.CHAPTERS)
def test_the_readme_shows_it_too_and_asks_the_same_question(number):
    cells = re.findall(r"<td.*?</td>", README, flags=re.S)
    picture = f'<img src="notebooks/pictures/chapter_{number:02}.png"'
    [cell] = [cell for cell in cells if picture in cell]
    path, alt = NOTEBOOKS[number], html.escape(pictures.chapter(number).ALT)
    assert f'alt="{alt}"' in cell
    assert re.findall('href="(.*?)"', cell) == [f"notebooks/{path.name}"] * 2
    [question] = re.findall(rf">{number:02}</a> (.*?\?)</b>", cell)
    title = notebooks.read(path).cells[0].source.partition("\n")[0]
    assert question.lower() in title.lower()


# ---------------------------------------------------------------------- the test of the test


def test_a_picture_of_other_data_is_stale(monkeypatch):
    found = chapter_00.records()
    squeezed = [dict(r) for r in found["squeezed"]]
    squeezed[-2]["bits_per_byte"] += 0.5  # 3 bits: a dot and two lines, and no word of it
    monkeypatch.setattr(chapter_00, "records", lambda: {**found, "squeezed": squeezed})
    [what] = stale(pictures.opening(0), stored("chapter_00"))
    assert "in one patch" in what


def test_a_picture_with_another_number_in_it_is_stale(monkeypatch):
    found = chapter_00.records()
    squeezed = [dict(r) for r in found["squeezed"]]
    squeezed[0]["bits_per_byte"] += 0.01
    monkeypatch.setattr(chapter_00, "records", lambda: {**found, "squeezed": squeezed})
    assert stale(pictures.opening(0), stored("chapter_00")) == ["it does not say '1.20'"]


def test_edges_that_move_by_a_third_of_a_dot_are_forgiven():
    figure = drawn(0)
    boxes = [text.get_window_extent().extents for text in words(figure)]
    image = pixels(stored("chapter_00"))
    moved = ((2 * image + np.roll(image, 1, axis=1)) / 3).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(moved).save(file, format="png")
    mean, patch = apart(file.getvalue(), stored("chapter_00"), boxes)
    assert mean < 0.5
    assert patch < 16

"""The scene of chapter 01: every number of a format on a line."""

import re

import numpy as np
import pytest

import quantedu as qe
from quantedu.formats import FORMATS
from quantedu.scenes.chapter_01 import number_line

SMALL = [fmt for fmt in FORMATS if fmt.bits <= 8]


def marks(scene):
    return {mark.label.split(":")[0]: mark for mark in scene.panels[0].marks if mark.label}


def notes(scene):
    return [mark.texts[0] for mark in scene.panels[0].marks if mark.kind == "note"]


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
@pytest.mark.parametrize("fmt", SMALL, ids=lambda fmt: fmt.name)
def test_the_line_shows_every_number_in_its_class(fmt, log):
    scene = number_line(fmt, log=log)
    values, classes = fmt.values(), fmt.classify(np.arange(2**fmt.bits))
    shown = np.isfinite(values) & ((values > 0) | (not log))
    for kind in ("subnormal", "normal"):
        expected = np.unique(values[(classes == kind) & shown])
        drawn = marks(scene)[kind].x if kind in marks(scene) else np.empty(0)
        assert drawn.tolist() == expected.tolist()
    left, right = scene.panels[0].x.limits
    assert ((left < values) & (values < right))[shown].all()


@pytest.mark.parametrize("fmt", FORMATS[3:], ids=lambda fmt: fmt.name)
def test_the_labels_of_the_line_count_the_codes_of_each_class(fmt):
    [panel] = number_line(fmt).panels
    labels = [mark.label for mark in panel.marks if mark.label] + panel.y.label.split(", ")
    counts = {kind: int(n.replace(",", "")) for kind, n in (text.split(": ") for text in labels)}
    kinds, expected = np.unique(fmt.classify(np.arange(2**fmt.bits)), return_counts=True)
    assert {kind: n for kind, n in counts.items() if n} == dict(zip(kinds, expected))


def test_what_has_no_place_on_the_line_stands_at_its_ends():
    assert notes(number_line(qe.E5M2)) == ["+∞", "−∞", "NaN"]
    assert notes(number_line(qe.E5M2, log=True)) == ["+∞", "NaN", "0"]
    assert notes(number_line(qe.E2M1)) == []
    line = number_line(qe.E5M2, log=True)
    assert line.panels[0].x.limits[0] < marks(line)["zero"].x < qe.E5M2.smallest_subnormal


@pytest.mark.parametrize("fmt", [qe.FP16, qe.BF16], ids=lambda fmt: fmt.name)
def test_of_many_numbers_the_line_draws_one_in_so_many_and_the_ends(fmt):
    scene = number_line(fmt, log=True)
    values = fmt.values()
    values = values[(values > 0) & np.isfinite(values)]
    for kind, ends in (
        ("normal", [fmt.smallest_normal, fmt.max]),
        ("subnormal", [fmt.smallest_subnormal, fmt.smallest_normal - fmt.smallest_subnormal]),
    ):
        x = marks(scene)[kind].x
        assert [x[0], x[-1]] == ends
        assert np.isin(x, values).all()
        steps = np.diff(np.searchsorted(values, x))
        assert set(steps[:-1]) <= {128}
    assert "one number in 128" in scene.panels[0].x.label


def test_half_of_the_numbers_lie_where_the_title_says():
    assert number_line(qe.E4M3).title.endswith("±1.875, all within ±448")
    finite = np.abs(qe.E4M3.values()[np.isfinite(qe.E4M3.values())])
    assert np.count_nonzero(finite <= 1.875) * 2 == pytest.approx(finite.size, rel=0.02)


@pytest.mark.parametrize("fmt", FORMATS[3:], ids=lambda fmt: fmt.name)
def test_as_many_normal_numbers_stand_between_powers_of_two_as_the_title_says(fmt):
    title = number_line(fmt, log=True).title
    each, *top = [
        int(n.replace(",", "")) for n in re.findall(r"[\d,]+(?= normal| at the top)", title)
    ]
    values = fmt.values()
    normal = values[(values >= fmt.smallest_normal) & np.isfinite(values)]
    _, counts = np.unique(np.floor(np.log2(normal)), return_counts=True)
    assert set(counts[:-1]) == {each}
    assert counts[-1:].tolist() == (top or [each])


def test_too_many_numbers_are_refused():
    with pytest.raises(ValueError, match="FP32 has 2\\^32 codes"):
        number_line(qe.FP32)

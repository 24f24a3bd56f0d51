"""Chapter 03's scenes show what the library's recipes do, and what the text says is so."""

import itertools
import re

import numpy as np
import pytest

from quantedu.codebooks import integers
from quantedu.metrics import mse, sqnr_db
from quantedu.quantizers import Quantizer
from quantedu.recipes import int_absmax, int_affine
from quantedu.scenes.chapter_03 import GROUPS, ZERO_POINTS, _group, linear_quantizer, rulers

SYMMETRIC, WIDENED, CLAMPED = ZERO_POINTS


def staircase(scene):
    """The function that the middle panel draws."""
    _, step = scene.panels[1].marks
    return lambda x: step.y[np.searchsorted(step.x[1:-1], x)]


def stated(scene):
    """Scale, zero-point, number clipped, mean squared error, levels used, SQNR: from the text."""
    pattern = (
        r"scale (\S+), zero-point (\S+), [^\n]*\n"
        r"levels [^\n]*: (\d+) of \d+ used, (\d+) of [^\n]*\n"
        r"mean squared error (\S+): [^\n]*\nSQNR (\S+) dB"
    )
    found = re.fullmatch(pattern, scene.text).groups()
    scale, zero, used, clipped, error, db = (float(n.replace("−", "-")) for n in found)
    return scale, zero, clipped, error, used, db


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("data", GROUPS)
@pytest.mark.parametrize(("zero_point", "recipe"), [(SYMMETRIC, int_absmax), (WIDENED, int_affine)])
def test_the_staircase_is_the_librarys_recipe(bits, data, zero_point, recipe):
    x = _group(data)
    scene = linear_quantizer(bits, 100, zero_point, data)
    step = recipe(bits).fit(x)[0].item()
    difference = np.abs(staircase(scene)(x) - recipe(bits)(x))
    # float32 there and float64 here may take a number in the middle of two levels either way
    assert np.mean(difference > step / 2) < 0.002
    assert difference.max() < 1.001 * step
    scale, zero, clipped, error, used, db = stated(scene)
    q = recipe(bits).quantize(x)
    assert np.isclose(scale, step, rtol=1e-3)
    assert zero == np.max(q.zero_point)
    assert clipped == 0
    assert np.isclose(error, mse(x, q.dequantize()), rtol=0.01)
    assert abs(used - np.unique(q.codes).size) <= 1
    assert abs(db - sqnr_db(x, q.dequantize())) < 0.1


def test_keeping_less_of_the_range_is_the_recipe_with_a_smaller_scale():
    x = _group("trained weights")
    scale = 0.45 * int_absmax(3).fit(x)[0].item()
    x_hat = Quantizer(integers(3, narrow=True), lambda g, book: (np.full((1, 1), scale), 0.0))(x)
    _, _, clipped, error, _, db = stated(linear_quantizer(3, 45))
    assert clipped == np.sum(np.abs(x) > 3.5 * scale)
    assert np.isclose(error, mse(x, x_hat), rtol=0.01)
    assert abs(db - sqnr_db(x, x_hat)) < 0.1


def test_a_clamped_zero_point_sends_the_whole_group_to_one_level():
    scene = linear_quantizer(4, 100, CLAMPED, "10.5 … 14")
    assert np.unique(staircase(scene)(_group("10.5 … 14"))) == pytest.approx([3.5])
    _, zero, clipped, _, used, _ = stated(scene)
    assert (zero, clipped, used) == (0, 8192, 1)


def test_clamping_changes_nothing_where_zero_lies_in_the_range():
    texts = [linear_quantizer(4, 100, z, "trained weights").text for z in (WIDENED, CLAMPED)]
    assert texts[0] == texts[1]


def test_inside_the_range_the_sawtooth_stays_within_half_a_step():
    scene = linear_quantizer(4, 60)
    sawtooth, half = scene.panels[2].marks
    inside = np.abs(sawtooth.x) <= 7.5 * 2 * half.y[1]
    assert np.abs(sawtooth.y[inside]).max() <= half.y[1] * (1 + 1e-9)
    assert np.abs(sawtooth.y[~inside & np.isfinite(sawtooth.x)]).min() > half.y[1]


def test_the_two_errors_change_places_as_the_text_says():
    shares = [
        int(re.search(r"(\d+) % from rounding", linear_quantizer(3, clip).text)[1])
        for clip in range(100, 10, -10)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 100
    assert shares[-1] < 10


def test_a_minus_is_printed_as_one_and_not_as_a_hyphen():
    text = linear_quantizer(8, 100, SYMMETRIC, "trained weights").text
    assert "integers −127 … 127\nlevels from −0.64 to 0.64: " in text
    assert re.search(r"error \d\.\d+e−06:", text)
    assert not re.search(r"-\d", text)
    assert "zero-point 0" in text


def test_every_state_can_be_drawn_and_stays_small_enough_to_be_quick():
    for bits, clip, zero, data in itertools.product((2, 8), (10, 100), ZERO_POINTS, GROUPS):
        scene = linear_quantizer(bits, clip, zero, data)
        assert sum(mark.x.size for panel in scene.panels for mark in panel.marks) < 5000
        assert "nan" not in scene.text
        assert max(map(len, scene.text.split("\n"))) <= 75  # one line each at 800 px
        for mark in scene.panels[1].marks:
            assert np.isfinite(mark.y).all()


def test_rulers_say_the_largest_error_and_how_many_values_are_left():
    scene = rulers(
        [0.0, 1.0, 3.0], {"coarse": ([0, 4], [0, 0, 4]), "exact": ([0, 1, 3], [0, 1, 3])}
    )
    assert scene.text.splitlines() == [
        "coarse: error at most 1, distinct values: 2",
        "exact: error at most 0, distinct values: 3",
    ]
    assert [panel.y.label for panel in scene.panels] == ["coarse", "exact"]
    assert scene.panels[0].x.limits == scene.panels[1].x.limits

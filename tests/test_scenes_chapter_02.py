"""The scene of chapter 02: a budget of bits, divided between range and precision."""

import itertools

import numpy as np
import pytest

from quantedu.explorer import Explorer, Slider
from quantedu.formats import FloatFormat
from quantedu.scenes.chapter_02 import bit_budget


def split(bits, exponent_bits):
    return FloatFormat("split", exponent_bits, bits - 1 - exponent_bits, specials="finite")


@pytest.mark.parametrize("bits", range(4, 17))
def test_every_split_is_drawn_on_the_same_axis_with_its_own_numbers(bits):
    limits, reach = set(), []
    for exponent_bits in range(1, min(bits, 9)):
        scene, fmt = bit_budget(bits, exponent_bits), split(bits, exponent_bits)
        word, line, zoom = scene.panels
        shown, near = line.marks[1].x, zoom.marks[0].x
        positive = fmt.values()[fmt.values() > 0]
        assert np.isin(shown, positive).all()
        assert (shown[0], shown[-1]) == (fmt.smallest_subnormal, fmt.max)
        assert shown.size == positive.size or 150 < shown.size < 620
        assert line.x.limits[0] < shown[0] < shown[-1] < line.x.limits[1]
        one = line.marks[0].x[0]
        inside = positive[(positive >= one) & (positive <= 2 * one)]
        if inside.size < 300:
            assert near.tolist() == inside.tolist()
            assert np.count_nonzero(near < 2 * one) == 2**fmt.mantissa_bits
        cells = [text for mark in word.marks for text in mark.texts]
        assert "".join(cells) == "S" + "E" * exponent_bits + "M" * fmt.mantissa_bits
        assert f"largest number {fmt.max:.6g}," in scene.text
        assert sum(mark.x.size for panel in scene.panels for mark in panel.marks) < 1700
        limits.add(line.x.limits)
        reach.append(shown[-1] / shown[0])
    assert len(limits) == 1
    assert reach == sorted(set(reach))


def test_the_numbers_of_e4m3_with_all_codes_finite():
    """(2 − 2^-3)·2^8, 2^-6·2^-3; the worst error is half an ulp above 1, of 1 + half an ulp."""
    scene, fmt = bit_budget(), split(8, 4)
    assert scene.title == "8 bits as 1 + 4 + 3: up to 480, 8 numbers to each doubling"
    assert scene.text.split("\n") == [
        "largest number 480, smallest 2^-9 = 0.00195",
        "range: 5.4 decades, 17.9 doublings",
        "precision: 4 significand bits, 1.2 decimal digits",
        "rounding a normal number errs by at most 5.9 %",
    ]
    x = np.geomspace(fmt.smallest_normal, fmt.max, 100_001)
    assert np.max(np.abs(fmt.round(x) - x) / x) <= 1 / 17
    assert abs(fmt.round(1 + 2.0**-4) - (1 + 2.0**-4)) / (1 + 2.0**-4) == 1 / 17


def test_fewer_bits_take_exponent_bits_away():
    assert bit_budget(6, 8).title == bit_budget(6, 5).title
    assert bit_budget(6, 8).title.startswith("6 bits as 1 + 5 + 0: ")
    assert bit_budget(6, 5).title.endswith(" 1 number to each doubling")
    assert [mark.label for mark in bit_budget(6, 5).panels[0].marks[::2]] == [
        "sign: 1",
        "exponent: 5",
    ]


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        bit_budget, bits=Slider(4, 16, value=8), exponent_bits=Slider(1, 8, value=4)
    )
    assert explorer.scene.title == bit_budget().title
    for bits, exponent_bits in itertools.product((4, 16), (1, 8)):
        explorer.set(bits=bits, exponent_bits=exponent_bits)
        assert explorer.scene.text == bit_budget(bits, exponent_bits).text

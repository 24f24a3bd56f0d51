"""The scenes of chapter 02: bits, ranges, gaps, roundings, a budget of bits."""

import itertools
import math

import numpy as np
import pytest

import quantedu as qe
from quantedu.explorer import Explorer, Slider
from quantedu.formats import FORMATS, FloatFormat
from quantedu.scenes.chapter_02 import (
    bit_budget,
    bit_layout,
    range_precision,
    spacing,
    staircase,
)
from quantedu.sketch import FIELDS


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
        "largest number 480, smallest 2^−9 = 0.00195",
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


def boxes(mark):
    """Left, right and row of each box of an area."""
    return [(x[0], x[1], round(y, 2)) for x, y in zip(mark.x.reshape(-1, 3), mark.base[::3] + 0.37)]


def test_the_layout_shows_every_bit_of_every_field_side_by_side():
    [panel] = bit_layout().panels
    fields = [boxes(mark) for mark in panel.marks[:3]]
    for row, fmt in enumerate(FORMATS):
        of_row = [[box for box in field if box[2] == -row] for field in fields]
        assert [*map(len, of_row)] == [fmt.signed, fmt.exponent_bits, fmt.mantissa_bits]
        ends = [box[:2] for field in of_row for box in field]
        assert ends == [(bit, bit + 1) for bit in range(fmt.bits)]
        counts = f"{fmt.bits} = {fmt.signed:d} + {fmt.exponent_bits} + {fmt.mantissa_bits}"
        assert panel.y.ticks[-row] == f"{fmt.name}: {counts}"


def test_fields_look_alike_in_both_pictures():
    for panel in (bit_budget().panels[0], bit_layout([qe.E4M3]).panels[0]):
        named = [m.label.split()[0].strip(":") for m in panel.marks if m.kind != "note"]
        assert [m.role for m in panel.marks if m.kind != "note"] == named == [*FIELDS]


def test_the_layout_marks_the_word_that_tf32_is_kept_in():
    unused = [mark for mark in bit_layout([qe.TF32]).panels[0].marks if mark.role == "original"]
    assert [boxes(mark) for mark in unused] == [[(19, 32, 0)]]
    assert {mark.role for mark in bit_layout([qe.FP16]).panels[0].marks}.isdisjoint({"original"})


def test_the_bars_of_the_map_reach_from_the_smallest_to_the_largest_number():
    [panel] = range_precision().panels
    rows = {text.split(":  ")[1].split(",")[0]: row for row, text in panel.y.ticks.items()}
    normal, subnormal = ({box[2]: box[:2] for box in boxes(mark)} for mark in panel.marks[:2])
    left, right = panel.x.limits
    for fmt in FORMATS[1:]:
        bar = normal[rows[fmt.name]]
        assert bar == pytest.approx((math.log2(fmt.smallest_normal), math.log2(fmt.max)))
        assert left < bar[0] < bar[1] < right
        expected = (math.log2(fmt.smallest_subnormal), math.log2(fmt.smallest_normal))
        there = fmt.subnormals and fmt.mantissa_bits
        assert subnormal.get(rows[fmt.name]) == (expected if there else None)
    assert normal[rows["FP64"]] == (left, right)
    [alone] = range_precision([qe.FP64]).panels
    assert boxes(alone.marks[0]) == [(-1022, 1024, 0)]


def test_the_map_puts_more_precise_formats_higher_up_and_formats_of_one_precision_together():
    ticks = range_precision().panels[0].y.ticks
    texts = [ticks[row] for row in sorted(ticks, reverse=True)]
    precisions = [int(text.split(":")[0]) for text in texts]
    assert precisions == sorted((fmt.mantissa_bits + 1 for fmt in FORMATS), reverse=True)


def test_the_map_shows_a_table_apart_as_its_positive_levels():
    [panel] = range_precision(tables={"halves": [-1.0, -0.5, 0.0, 0.5, 1.0]}).panels
    levels = panel.marks[-1]
    assert levels.x.tolist() == [-1, 0]
    assert levels.y[0] == min(panel.y.ticks)
    with pytest.raises(ValueError, match=r"tables\['T'\] must be finite levels"):
        range_precision(tables={"T": [0, -1]})


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_spacing_is_the_distance_to_the_upper_neighbour(fmt):
    [stairs] = spacing([fmt]).panels[0].marks
    x, distance = stairs.x, stairs.y
    assert x[0] == max(fmt.smallest_subnormal, 2.0**-26)
    assert x[-1] == min(fmt.max, 2.0**18)
    below = x[:-1] < fmt.max
    gaps = fmt.neighbours(x[:-1][below])[1] - x[:-1][below]
    assert gaps.tolist() == distance[below].tolist()
    powers = np.log2(x[:-1])  # every one, so that no change is left out
    assert powers.tolist() == list(range(round(powers[0]), math.ceil(math.log2(x[-1]))))


def test_spacing_marks_from_where_on_a_format_has_the_gap():
    marks = spacing([qe.FP32, qe.FP16, qe.BF16, qe.E4M3], gap=2).panels[0].marks
    found = {mark.label: mark.x.item() for mark in marks if mark.kind == "points"}
    assert found == {"FP16 from 2048 on": 2048, "BF16 from 256 on": 256, "FP8 E4M3 from 16 on": 16}


@pytest.mark.parametrize("rounding", ["nearest_even", "toward_zero", "up"])
@pytest.mark.parametrize("fmt", [qe.E2M1, qe.E4M3, qe.FP16], ids=lambda fmt: fmt.name)
def test_the_staircase_is_the_rounded_number_and_its_error(fmt, rounding):
    original, zero, rounded, error = staircase(fmt, [rounding]).panels[0].marks
    assert (original.x == original.y).all()
    assert (rounded.y == fmt.round(rounded.x, rounding)).all()
    assert error.y - zero.y == pytest.approx(rounded.y - original.y, abs=1e-9 * fmt.max)
    assert error.y.max() < rounded.y.min()


def test_the_staircase_shows_25_numbers_or_all_and_a_little_more():
    rounded = staircase(qe.E4M3).panels[0].marks[2]
    assert np.unique(rounded.y).tolist() == qe.E4M3.values()[:25].tolist()
    rounded = staircase(qe.E2M1).panels[0].marks[2]
    assert np.unique(rounded.y).tolist() == qe.E2M1.values()[:8].tolist()
    assert rounded.x[-1] > 6


def test_the_stochastic_staircase_takes_both_neighbours_and_shares_the_axis():
    scene = staircase(qe.E2M1, ["nearest_even", "stochastic"])
    rounded = scene.panels[1].marks[2]
    assert rounded.kind == "points"
    assert set(rounded.y[(rounded.x > 4.2) & (rounded.x < 5.8)]) == {4.0, 6.0}
    assert scene.panels[0].y.limits == scene.panels[1].y.limits


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: spacing([split(8, 4)] * 5), "zip"),
        (
            lambda: spacing([FloatFormat("huge", 4, 3, bias=-20)]),
            "huge has no numbers from 2\\^-26",
        ),
        (lambda: staircase(qe.E2M1, ["nearest"]), "unknown rounding 'nearest'"),
        (lambda: staircase(qe.E4M3, low=1e3, high=2e3), "is a number in FP8 E4M3"),
        (lambda: staircase(qe.E4M3, low=2, high=1), "got low=2, high=1"),
        (lambda: staircase(qe.E4M3, high=math.inf), "both finite"),
        (lambda: staircase(qe.FP64), "got low=0.0, high=1.2e-322"),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()

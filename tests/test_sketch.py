"""Scenes as data: what may stand in one, and where its marks are placed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantedu import sketch
from quantedu.sketch import Axis, Panel, Scene, area, bars, hline, line, note, points, ticks, vline

X, Y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0])
UNIT = {"x": Axis("", (0, 4)), "y": Axis("", (0, 8))}


def shape(mark, **axes):
    panel = Panel(mark, **{**UNIT, **axes})
    kind, *places = panel.shape(panel.marks[0])
    return kind, *(place.tolist() for place in places)


def test_marks_are_placed_from_0_to_1():
    assert shape(line(X, Y)) == ("line", [0, 0.25, 0.5], [0, 0.125, 0.5], [0, 0, 0])
    assert shape(points(X, 2)) == ("points", [0, 0.25, 0.5], [0.25] * 3, [0, 0, 0])
    assert shape(area(X, Y, 2)) == ("area", [0, 0.25, 0.5], [0, 0.125, 0.5], [0.25] * 3)
    assert shape(note(2, 4, "here"))[:3] == ("note", [0.5], [0.5])


def test_a_staircase_holds_each_height_from_edge_to_edge():
    kind, x, y, _ = shape(sketch.step([0, 1, 2], [4, 8]))
    assert (kind, x, y) == ("line", [0, 0.25, 0.25, 0.5], [0.5, 0.5, 1, 1])


def test_bars_stand_apart_on_their_base():
    kind, x, y, base = shape(bars([0, 1, 3], [4, 8], base=2))
    assert kind == "area"
    np.testing.assert_array_equal(x, [0, 0.25, np.nan, 0.25, 0.75, np.nan])
    assert (y, base) == ([0.5] * 3 + [1.0] * 3, [0.25] * 6)


def test_ticks_and_lines_across_the_panel_are_drawn_in_parts_of_it():
    nan = np.nan
    for mark, expected in (
        (ticks([1, 2], 0.5, 1), ([0.25] * 3 + [0.5] * 3, [0.5, 1, nan] * 2)),
        (vline(1), ([0.25] * 3, [0, 1, nan])),
        (hline([2, 4]), ([0, 1, nan] * 2, [0.25] * 3 + [0.5] * 3)),
    ):
        kind, x, y, _ = shape(mark)
        assert kind == "line"
        np.testing.assert_array_equal((x, y), expected)


def test_a_crowd_of_ticks_is_thin():
    assert [ticks(np.arange(n)).thin for n in (1, 60, 61)] == [False, False, True]
    assert not line(np.arange(99), np.arange(99)).thin


@pytest.mark.parametrize("log", [2, 10])
def test_a_logarithmic_axis_places_equal_ratios_equally(log):
    axis = Axis("", (1, 4096), log)
    assert axis.place([1, 64, 4096]).tolist() == [0, 0.5, 1]
    assert axis.place([0, -3, 1e300]).tolist()[:2] == [-50, -50]  # far below the panel
    assert np.isnan(axis.place([np.nan])).all()


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis("", (0, 1)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (Axis("", (-0.3, 0.3)), ["−0.3", "−0.2", "−0.1", "0", "0.1", "0.2", "0.3"]),
        (Axis("", (16, 4096), 2), [str(2**k) for k in range(4, 13)]),
        (
            Axis("", (2.0**-9, 448), 2),
            ["2^−8", "2^−6", "2^−4", "2^−2", "1", "4", "16", "64", "256"],
        ),
        (Axis("", (1e-4, 1), 10), ["10^−4", "10^−3", "0.01", "0.1", "1"]),
        (Axis("", (20, 60), 10), ["20", "30", "40", "50", "60"]),  # too short for powers
        (Axis("", (0, 1), ticks=()), []),
        (Axis("", (0, 1), ticks=[0.25, 3]), ["0.25"]),
        (Axis("", (0, 1), ticks={0.5: "half"}), ["half"]),
    ],
)
def test_ticks_are_round_numbers_within_the_limits(axis, texts):
    assert [text for _, text in axis.marked()] == texts


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_every_linear_axis_gets_a_few_ticks_in_order(low, length):
    high = low + length
    if high - low > 1e-9 * max(abs(low), abs(high)):
        places = [where for where, _ in Axis("", (low, high)).marked()]
        assert 2 <= len(places) <= 8
        assert places == sorted(places)


def test_limits_hold_what_is_drawn():
    panel = Panel([line(X, Y), hline(9), vline(-1), ticks([3]), note(0, 1, "n")])
    assert panel.x.limits == pytest.approx((-1.16, 3.16))  # 4 % more on each side
    assert panel.y.limits == pytest.approx((-0.36, 9.36))
    assert Panel(bars([0, 1], [5])).y.limits == pytest.approx((0, 5.2))  # bars stand on the axis
    assert Panel(area(X, Y, -4)).y.limits == pytest.approx((-4.32, 4.32))
    assert Panel(line(X, 3)).y.limits == (1.5, 4.5)
    assert Panel([]).x.limits[0] < Panel([]).x.limits[1]
    low, high = Panel(line([1, 1024], [0, 1]), x=Axis(log=2)).x.limits
    assert (low, high) == pytest.approx((2**-0.4, 2**10.4))
    infinite = Panel(line([0, 1, 2], [0, np.inf, np.nan]))
    assert infinite.y.limits == (-1, 1)


def test_what_is_passed_is_copied_and_cannot_be_changed():
    y = np.array([1.0, 2.0, 3.0])
    mark = line(X, y)
    y[0] = 7
    assert mark.y[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        mark.y[0] = 7


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: line(X, Y, "blue"), "role='blue' is not known; choose one of original, quantized"),
        (lambda: line(X, Y[:2]), r"line takes x \[n\] and y \[n\], not x \[3\] and y \[2\]"),
        (lambda: bars(X, Y), r"bars takes x \[n \+ 1\] and y \[n\]"),
        (lambda: line(np.ones((2, 2)), np.ones(4)), r"not x \[2, 2\]"),
        (lambda: area(X, Y, [1, 2]), r"base is one number or \[3\] like y, not \[2\]"),
        (lambda: note([0, 1], [0, 1], ["one"]), "2 notes need as many texts, not 1"),
        (lambda: Axis("", (1, 1)), "low below high"),
        (lambda: Axis("", (0, np.inf)), "must be finite"),
        (lambda: Axis("", (0, 1), 2), "begins above zero"),
        (lambda: Axis("", log=3), "log=3 is none of 0"),
        (lambda: Scene("t", Panel(line(range(60_000), 0))), "60000 vertices"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_other_things_than_marks_and_panels_are_refused():
    with pytest.raises(TypeError, match="marks are a list of what line"):
        Panel([X])
    for panels in ((), line(X, Y), [X]):
        with pytest.raises(TypeError, match="panels are one Panel or a list"):
            Scene("t", panels)

"""The interactive of chapter 07: levels, errors and usage agree with quantizing value by value."""

import numpy as np
import pytest

from quantedu.explorer import Choice, Explorer, Slider
from quantedu.scenes import chapter_07 as scenes

ALL = [(family, data) for family in scenes.FAMILIES for data in scenes.DATA]


@pytest.mark.parametrize("bits", [1, 3, 6])
@pytest.mark.parametrize(("family", "data"), ALL)
def test_error_and_usage_are_those_of_quantizing_value_by_value(family, data, bits):
    book, scale, error, shares = scenes.best_of_family(family, bits, data)
    x = scenes._values(data)[0]
    codes = book.encode(x / scale)
    x_hat = book.decode(codes).astype(np.float64) * scale
    assert error == pytest.approx(np.mean((x_hat - x) ** 2), rel=2e-3)  # float32 at a threshold
    counts = np.bincount(codes, minlength=len(book.levels))[book.codes_by_rank]
    assert np.abs(shares * x.size - counts).max() <= 3
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize(("family", "data"), ALL)
def test_no_other_scale_serves_better(family, data, bits):
    book, scale, error, _ = scenes.best_of_family(family, bits, data)
    x = scenes._values(data)[0]
    factors = [0.5, 0.8, 0.97, 1.03, 1.25, 2.0] if family != scenes.KMEANS else [0.97, 1.03]
    for factor in factors:
        other = scale * factor
        x_hat = book.decode(book.encode(x / other)).astype(np.float64) * other
        assert np.mean((x_hat - x) ** 2) > error * (1 - 1e-3)


@pytest.mark.parametrize("data", scenes.DATA)
def test_no_family_errs_less_than_k_means(data):
    decibels = {family: scenes._decibels(family, data) for family in scenes.FAMILIES}
    for found in decibels.values():
        assert np.all(found <= decibels[scenes.KMEANS] + 1e-3)


@pytest.mark.parametrize("data", scenes.DATA)
def test_the_values_have_mean_square_1(data):
    assert np.mean(scenes._values(data)[0] ** 2) == pytest.approx(1)


def test_published_errors_are_met():
    """Max 1960, table I, for the normal; a step of 2/2^bits has the error step²/12 where all is
    uniform, 1/4^bits of the mean square; and of a Laplace density one bit leaves exactly half."""
    for data, errors in {
        "normal": [0.3634, 0.1175, 0.03454, 0.009497],
        "Laplace": [1 / 2],
        "uniform": [1 / 4, 1 / 16, 1 / 64, 1 / 256],
    }.items():
        found = [
            scenes.best_of_family(scenes.KMEANS, bits, data)[2]
            for bits in (1, 2, 3, 4)[: len(errors)]
        ]
        assert found == pytest.approx(errors, rel=0.02)


def test_with_one_bit_all_families_are_one():
    for data in ("normal", "Laplace", "uniform"):
        errors = [scenes.best_of_family(family, 1, data)[2] for family in scenes.FAMILIES]
        assert errors == pytest.approx([errors[0]] * len(errors), rel=1e-3)


def test_the_text_states_what_the_panels_draw():
    scene = scenes.low_bits("powers of two, with 0", 3, "Laplace")
    values, use, error, curves = scene.panels
    book, scale, left, shares = scenes.best_of_family("powers of two, with 0", 3, "Laplace")
    levels = np.sort(book.levels[np.isfinite(book.levels)]) * scale
    assert np.allclose(values.marks[1].x, levels)
    assert np.allclose(use.marks[0].y, 100 * shares)
    saw = error.marks[0]
    assert np.allclose((saw.x + saw.y)[~np.isnan(saw.x)], np.repeat(levels, 2))
    decibels = -10 * np.log10(left)
    assert curves.marks[-1].y[0] == pytest.approx(decibels)
    assert f"{decibels:.2f} dB" in scene.title
    without_0 = -10 * np.log10(scenes.best_of_family("powers of two", 3, "Laplace")[2])
    assert f"powers of two {without_0:.2f} (with 0: {decibels:.2f})" in scene.text


@pytest.mark.parametrize(("family", "data"), ALL)
def test_every_position_of_the_controls_gives_a_scene_with_finite_limits(family, data):
    for bits in scenes.BITS:
        scene = scenes.low_bits(family, bits, data)
        limits = [axis.limits for panel in scene.panels for axis in (panel.x, panel.y)]
        assert np.isfinite(limits).all()
        assert sum(mark.x.size for panel in scene.panels for mark in panel.marks) < 5000


def test_rulers_show_the_levels_of_every_family_under_one_density():
    scene = scenes.rulers_over("normal", 3)
    assert len(scene.panels) == 1 + len(scenes.FAMILIES)
    for panel, family in zip(scene.panels[1:], scenes.FAMILIES):
        book, scale, _, _ = scenes.best_of_family(family, 3, "normal")
        levels = np.sort(book.levels[np.isfinite(book.levels)]) * scale
        assert np.allclose(panel.marks[0].x, levels)
        assert family in panel.y.label


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        scenes.low_bits,
        family=Choice(scenes.FAMILIES, value="k-means"),
        bits=Slider(1, 6, value=3),
        data=Choice(scenes.DATA),
    )
    assert explorer.scene.title == scenes.low_bits().title
    explorer.set(family="evenly spaced", bits=2, data="digits network")
    assert explorer.scene.title == scenes.low_bits("evenly spaced", 2, "digits network").title


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scenes.low_bits(data="cauchy"), "data='cauchy' is not known; choose one of"),
        (lambda: scenes.low_bits(family="odd"), "family='odd' is not known; choose one of"),
    ],
)
def test_what_is_not_known_is_refused_with_the_names_there_are(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_of_many_levels_the_largest_are_named_and_not_a_row_of_zeros():
    first = scenes.low_bits("powers of two", 6).text.splitlines()[0]
    assert first.startswith("levels from the middle up: … +0.008 ")
    assert "+0.000" not in first

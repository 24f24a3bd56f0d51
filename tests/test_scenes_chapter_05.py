"""The interactives of chapter 05: areas, quantiles, levels and errors agree with slow sums."""

import re

import numpy as np
import pytest
from scipy.special import ndtr

from quantedu.codebooks import NF4
from quantedu.explorer import Choice, Explorer, Slider
from quantedu.scenes import chapter_05 as scenes

KINDS = ("normal", "Laplace", "Student t (5)", "uniform")
LEVELS = NF4.levels.astype(np.float64)


def blocks_of(data, block_size):
    """The values that the scene quantizes, drawn again."""
    values = scenes._DATA[data](np.random.default_rng(5), 2**16)
    return values.reshape(-1, block_size)


@pytest.mark.parametrize("block_size", [16, 64, 4096])
@pytest.mark.parametrize("data", KINDS)
def test_errors_are_those_of_quantizing_value_by_value(data, block_size):
    x = blocks_of(data, block_size)
    scale = np.abs(x).max(axis=1, keepdims=True)
    codes = np.abs(x[..., None] / scale[..., None] - LEVELS).argmin(axis=-1)
    error = LEVELS[codes] * scale - x
    shares, decibels, mean_error = scenes.nf4_errors(LEVELS, data, block_size)
    assert np.allclose(shares * x.size, np.bincount(codes.ravel(), minlength=16), atol=1)
    assert decibels == pytest.approx(10 * np.log10(np.sum(x**2) / np.sum(error**2)), abs=1e-6)
    assert mean_error == pytest.approx(np.abs(error).mean(), rel=1e-6)


@pytest.mark.parametrize("data", KINDS)
def test_every_kind_of_data_has_standard_deviation_1(data):
    x = blocks_of(data, 64)
    assert abs(x.std() - 1) < 0.03
    assert abs(x.mean()) < 5 / 2**8


def test_the_levels_at_the_default_offset_are_nf4_but_for_its_two_accidents():
    quantiles = scenes._nf4_quantiles(929 / 960)
    assert np.abs(quantiles / quantiles[-1] - LEVELS).max() < 3e-7


@pytest.mark.parametrize("offset", [0.9, 929 / 960, 0.999])
def test_the_strips_of_either_half_have_equal_areas(offset):
    strips = np.diff(ndtr(scenes._nf4_quantiles(offset)))
    assert np.allclose(strips[:7], (offset - 0.5) / 7)
    assert np.allclose(strips[7:], (offset - 0.5) / 8)


def test_the_text_states_what_the_panels_draw():
    scene = scenes.nf4_made()
    _, quantiles, data, use, sqnr, mean_error = scene.panels
    shares, decibels, mean = scenes.nf4_errors(LEVELS, "normal", 64)
    points = quantiles.marks[-1]
    assert np.allclose(ndtr(points.x), points.y)
    assert np.allclose(data.marks[1].x, LEVELS, atol=3e-7)
    assert np.allclose(use.marks[0].y, 100 * shares, atol=0.01)
    assert sqnr.marks[-1].y[0] == pytest.approx(decibels, abs=1e-4)
    assert mean_error.marks[-1].y[0] == pytest.approx(mean, abs=1e-6)
    assert f"{decibels:.2f} dB" in scene.text
    assert f"{decibels:.2f} dB" in scene.title
    assert all(f"{abs(level):.4f}" in scene.text for level in data.marks[1].x if level)


@pytest.mark.parametrize("data", KINDS)
def test_every_position_of_the_controls_gives_a_scene_with_finite_limits(data):
    for block_size in (16, 512, 4096):
        for offset in (0.9, 0.999):
            scene = scenes.nf4_made(offset, data, block_size)
            limits = [axis.limits for panel in scene.panels for axis in (panel.x, panel.y)]
            assert np.isfinite(limits).all()
            assert sum(mark.x.size for panel in scene.panels for mark in panel.marks) < 5000


def test_what_the_chapter_says_of_the_offset_holds_for_its_scene():
    db = {p: scenes.nf4_made(p).panels[4].marks[-1].y[0] for p in (0.94, 929 / 960, 0.999)}
    assert db[0.94] > db[929 / 960] > db[0.999] + 4


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        scenes.nf4_made,
        offset=Slider(0.9, 0.999, step=0.001, value=929 / 960),
        data=Choice(KINDS),
        block_size=Slider(16, 4096, value=64, log2=True),
    )
    assert explorer.scene.title == scenes.nf4_made().title
    explorer.set(offset=0.95, data="uniform", block_size=4096)
    assert explorer.scene.title == scenes.nf4_made(0.95, "uniform", 4096).title


def test_an_unknown_kind_of_data_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"data='cauchy' is not known; choose one of normal, "):
        scenes.nf4_made(data="cauchy")


@pytest.mark.parametrize("pair", [(-1, 1), (1, -1), (0, 0.5), (2, 3.5), (-3.5, -2), (0.3, 0.3)])
def test_the_area_between_two_points_is_the_sum_of_many_narrow_strips(pair):
    scene, (low, high) = scenes.area_between(*pair), sorted(pair)
    edges = np.linspace(low, high, 2001)
    middles = (edges[1:] + edges[:-1]) / 2
    total = np.sum(np.exp(-(middles**2) / 2) / np.sqrt(2 * np.pi) * np.diff(edges))
    assert f" = {total:.4f}\n" in scene.text
    assert scene.title.endswith(f" lie {total:.1%} of all weights")
    shaded, curve = scene.panels[0].marks
    assert (shaded.x[0], shaded.x[-1]) == (low, high)
    assert np.interp(shaded.x, curve.x, curve.y) == pytest.approx(shaded.y, abs=1e-3)
    heights = scene.panels[1].marks[2].y
    assert np.diff(heights) == pytest.approx(total, abs=1e-6)


def test_the_three_areas_make_the_whole():
    for pair in [(-1, 1), (0.1, -2.3), (3.5, 3.5)]:
        parts = [float(p) for p in re.findall(r"([\d.]+)%", scenes.area_between(*pair).text)]
        assert sum(parts) == pytest.approx(100, abs=0.02)


def test_the_normal_calculator_of_the_chapter_moves():
    a, b = (Slider(-3.5, 3.5, step=0.1, value=value, unit="σ") for value in (-1, 1))
    explorer = Explorer(scenes.area_between, a=a, b=b)
    assert explorer.scene.title == "Between −1 σ and 1 σ lie 68.3% of all weights"
    explorer.set(a=0.0, b=0.5)
    assert explorer.scene.title == "Between 0 σ and 0.5 σ lie 19.1% of all weights"


def test_codes_that_nobody_uses_are_counted_in_the_title():
    title = scenes.nf4_made(0.999, "uniform", 16).title
    assert ("× the rarest" in title) != ("codes never used" in title)
    few = scenes.nf4_made(0.9, "Student t (5)", 2**16).title
    assert few.endswith("of 16 codes never used")

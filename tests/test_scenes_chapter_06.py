"""The interactive of chapter 06: two maps on the same data, and a value that goes through both."""

import itertools

import numpy as np
import pytest

import quantedu as qe
from quantedu.explorer import Choice, Explorer, Slider
from quantedu.scenes import chapter_06 as scenes

MAPS, KINDS = scenes.maps(), scenes.kinds()
PICTURE = scenes.two_maps_of(KINDS)
of_maps = pytest.mark.parametrize("name", MAPS)
of_kinds = pytest.mark.parametrize("data", KINDS)


def test_the_maps_have_sixteen_codes_and_the_zeros_that_they_are_said_to_have():
    zeros = {name: int(np.sum(recipe.codebook.levels == 0)) for name, recipe in MAPS.items()}
    assert all(recipe.codebook.bits == 4 for recipe in MAPS.values())
    assert zeros == {
        "INT4 narrow": 1,
        "INT4 full": 1,
        "INT4 affine": 1,
        "FP4 E2M1": 2,
        "FP4 bitsandbytes": 2,
        "NF4 symmetric": 2,
        "NF4": 1,
        "quantiles, no zero": 0,
        "evenly spaced, no zero": 0,
    }
    assert MAPS["NF4"] == qe.nf4(64)


def test_the_kinds_of_data_have_the_zeros_and_the_sides_that_they_are_named_for():
    centred, skewed, one_sided = KINDS.values()
    assert abs(centred.mean()) < 0.02
    assert np.mean(centred == 0) == pytest.approx(1 / 16, abs=0.005)
    assert -0.3 < skewed.min() < -0.2
    assert skewed.max() > 4
    assert one_sided.min() == 0
    assert np.mean(one_sided == 0) == pytest.approx(0.5, abs=0.02)


@of_kinds
@of_maps
def test_what_is_said_of_a_map_is_what_its_recipe_does(name, data):
    x, recipe = KINDS[data], MAPS[name]
    scene = PICTURE(name, "NF4", data, 0.0)
    x_hat = recipe(x)
    what = scene.text.splitlines()[1]
    assert f"{qe.sqnr_db(x, x_hat):.2f} dB" in what
    kept = np.mean(x_hat[x == 0] == 0)
    assert f"zeros kept {kept:.0%}" in what
    shares = sum(mark.y for mark in scene.panels[2].marks if mark.kind == "bars")
    assert shares.sum() == pytest.approx(100)
    assert np.sum(shares > 0) == np.unique(recipe.quantize(x).codes).size


@of_kinds
@of_maps
def test_a_value_goes_to_the_nearest_level_of_the_ruler(name, data):
    for x in np.linspace(-1.1, 1.1, 23):
        scene = PICTURE(name, "NF4", data, float(x))
        ruler, _, sawtooth = scene.panels[::2]
        levels = np.concatenate([mark.x for mark in ruler.marks if mark.kind == "vlines"])
        (x_hat,) = ruler.marks[-1].x
        assert np.abs(levels - x_hat).min() < 1e-6
        assert abs(x_hat - x) <= np.abs(levels - x).min() + 1e-5
        (error,) = sawtooth.marks[-1].y
        assert error == pytest.approx(x_hat - x)
        line = sawtooth.marks[0]
        at = np.isfinite(line.x)
        starts, ends = line.x[at][::2], line.x[at][1::2]
        (piece,) = np.flatnonzero((starts <= x) & (x < ends))[:1]
        along = line.y[at][2 * piece] - (x - starts[piece])
        assert along == pytest.approx(error, abs=0.02) or np.abs(x - starts).min() < 1e-3


def test_the_headline_is_the_chapters_claim():
    scene = PICTURE()
    assert scene.title == (
        "On zero-centred data NF4 symmetric has 15 levels in use, NF4 16: 20.2 and 20.7 dB"
    )
    zeros = [len(panel.marks[2].x) for panel in scene.panels[:2]]
    assert zeros == [2, 1]


def test_data_of_ones_own_are_cut_in_whole_blocks_and_may_have_no_zeros():
    picture = scenes.two_maps_of({"mine": np.linspace(1, 2, 1000), "zeros": np.zeros(64)})
    assert "zeros kept" not in picture(data="mine").text
    with pytest.raises(ValueError, match="data 'zeros' are all 0"):
        picture(data="zeros")
    with pytest.raises(ValueError, match="data 'few' has 5 values; a block takes 64"):
        scenes.two_maps_of({"few": np.ones(5)})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"left": "INT3"}, "map 'INT3' is not known; choose one of INT4 narrow, "),
        ({"data": "noise"}, "data 'noise' is not known; choose one of zero-centred, "),
    ],
)
def test_unknown_names_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        PICTURE(**wrong)


def test_every_pair_gives_a_light_scene_with_finite_limits():
    for left, right in itertools.pairwise([*MAPS, *MAPS]):
        for data in KINDS:
            scene = PICTURE(left, right, data, 0.3)
            limits = [axis.limits for panel in scene.panels for axis in (panel.x, panel.y)]
            assert np.isfinite(limits).all()
            assert sum(mark.x.size for panel in scene.panels for mark in panel.marks) < 1000


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        PICTURE,
        left=Choice(MAPS, value="NF4 symmetric"),
        right=Choice(MAPS, value="NF4"),
        data=Choice(KINDS),
        x=Slider(-1.1, 1.1, step=0.02, value=0.0),
    )
    assert explorer.scene.title == PICTURE().title
    explorer.set(left="INT4 affine", data="one-sided (ReLU)", x=0.5)
    assert explorer.scene.title == PICTURE("INT4 affine", "NF4", "one-sided (ReLU)", 0.5).title


def test_every_panel_names_its_map_so_that_one_column_can_be_read():
    names = [panel.y.label for panel in PICTURE("NF4", "INT4 full").panels]
    assert all(("NF4" in name, "INT4 full" in name) == (True, False) for name in names[::2])
    assert all("INT4 full" in name for name in names[1::2])

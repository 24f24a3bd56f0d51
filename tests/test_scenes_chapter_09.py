"""The records of chapter 09 say what the chapter says, and its scene draws them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from quantedu.explorer import Choice, Explorer, Slider
from quantedu.networks import DATA
from quantedu.scenes import chapter_09 as scenes

ROOT = Path(__file__).resolve().parent.parent
BITS = (8, 4, 3, 2, 1)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("record_qat", ROOT / "tools/record_qat.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_records_are_small_and_without_pickle():
    assert (DATA / "qat_records.npz").stat().st_size < 300_000
    assert all(array.dtype.kind in "fi" for array in scenes.records().values())


def test_a_record_made_again_is_the_same_within_the_noise_of_training(script):
    """Seed 3 at 2 bits: other CPUs' kernels end with other weights, and about the same scores."""
    net, found = script.trained(3), scenes.records()
    at = script.BITS.index(2)
    assert abs(script.scores(net)[0] - found["full_correct"][0, 3]) <= 4
    for method, band in (("after training", 15), ("learned step", 6)):
        right, loss = script.scores(script.run(method, 2, 3, net))
        row = script.METHODS.index(method)
        assert abs(right - int(found["correct"][row, at, 3])) <= band
        assert 0.5 < loss / found["loss"][row, at, 3] < 2


def test_the_scripts_levels_are_the_scenes(script):
    for bits in (1, 2, 3, 4):
        assert script.recipe(bits).codebook == scenes.codebook_of(bits)


def test_training_wins_back_two_and_one_bit_and_has_little_to_win_at_eight():
    right = scenes.records()["correct"]
    after_training, *trained = right.transpose(0, 2, 1)  # seeds, bits
    for method in trained:
        assert (method[:, 3:] > after_training[:, 3:]).all()
        assert np.abs(method[:, 0].astype(int) - after_training[:, 0]).max() <= 5


@pytest.mark.parametrize("method", scenes.METHODS)
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_the_loss_falls_and_the_rounding_error_does_not(bits, method):
    found, key = scenes.records(), f"{method}/{bits}/"
    loss, error = found[key + "train_loss"], found[key + "error"]
    assert loss[20] < loss[0] / 4
    assert error[20] > error[0]


def test_the_text_states_what_the_panels_draw():
    scene, found = scenes.weights_in_training(1, 7, "learned step"), scenes.records()
    plane, paths, loss, error = scene.panels
    key = "learned step/1/"
    assert np.array_equal(plane.marks[0].y, found[key + "latent"][7].astype(np.float64))
    assert np.unique(plane.marks[1].y).size == 2
    assert np.allclose(np.unique(plane.marks[1].y), paths.marks[1].y)
    assert np.allclose(paths.marks[1].y, found[key + "scale"][7] * np.array([-1, 1]))
    assert loss.marks[1].y[0] == found[key + "train_loss"][7]
    assert error.marks[1].y[0] == found[key + "error"][7]
    assert f"{found[key + 'correct'][7]} of 360" in scene.title
    assert "1 bit, after 7 epochs" in scene.title


@pytest.mark.parametrize("method", scenes.METHODS)
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_every_position_of_the_controls_shows_all_weights(bits, method):
    for epoch in (0, 1, 20):
        scene = scenes.weights_in_training(bits, epoch, method)
        vertices = 0
        for panel in scene.panels:
            for mark in panel.marks:
                vertices += mark.x.size
                if mark.kind in ("points", "line") and mark.y.size:
                    inside = np.isnan(mark.y) | (
                        (mark.y >= panel.y.limits[0]) & (mark.y <= panel.y.limits[1])
                    )
                    assert inside.mean() > 0.98
        assert vertices < 5000


def test_before_training_no_code_has_changed():
    scene = scenes.weights_in_training(3, 0)
    assert scene.panels[0].marks[2].x.size == 0
    assert "0.0% of the codes" in scene.text


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        scenes.weights_in_training,
        epoch=Slider(0, 20, value=20),
        bits=Slider(1, 4, value=2),
        method=Choice(scenes.METHODS),
    )
    assert explorer.scene.title == scenes.weights_in_training().title
    explorer.set(bits=1, epoch=3, method="learned step")
    assert explorer.scene.title == scenes.weights_in_training(1, 3, "learned step").title


def test_what_was_not_recorded_is_refused():
    with pytest.raises(ValueError, match=r"recorded are bits 1 … 4, epochs 0 … 20 .* not 5, 20"):
        scenes.weights_in_training(5)

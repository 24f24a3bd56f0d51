"""The interactive of chapter 10, and the records behind it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from quantedu.explorer import Choice, Explorer, Slider
from quantedu.language_model import held_out_text, language_model
from quantedu.ptq import smooth, smoothing
from quantedu.scenes import chapter_10 as scenes

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("record", ROOT / "tools/record_outliers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_record_comes_out_again(script):
    model = script.run("smoothed + W8A8 per token")(script.planted(language_model()))
    recorded = scenes.records()["planted"]["smoothed + W8A8 per token"]
    assert script.score(model) == pytest.approx(recorded, abs=0.002)


def test_the_records_are_of_what_the_script_says(script):
    records = scenes.records()
    assert tuple(records["channels"]) == script.CHANNELS
    assert (records["factor"], records["bytes"]) == (script.FACTOR, script.BYTES)
    assert records["alphas"] == script.ALPHAS
    assert list(records["swept"]) == list(script.SWEPT)
    assert all(len(curve) == len(script.ALPHAS) for curve in records["swept"].values())


def test_smoothing_regains_at_least_80_percent_of_what_loud_channels_cost():
    found = scenes.records()["planted"]
    lost = found["W8A8 per tensor"] - found["FP32"]
    assert found["W8A8 per tensor"] - found["smoothed + W8A8 per tensor"] > 0.8 * lost > 1


@pytest.mark.parametrize("layer", scenes.LAYERS)
def test_the_maxima_shown_are_those_of_the_smoothed_model(script, layer):
    planted = script.planted(language_model())
    text = held_out_text()[-scenes.records()["calibration"] :]
    group = next(group for group in planted.rescalable if group[0] == layer)
    for alpha in (0.25, 1.0):
        calm = smooth(planted, text, {layer: alpha})
        x, w = scenes.loudness(alpha, layer=layer).panels[:2]
        order = np.argsort(scenes.maxima(layer)[0])[::-1]
        heard = np.abs(calm.record(text, [layer])[layer]).max(axis=0)
        heaviest = np.max([np.abs(calm.layers[name]).max(axis=0) for name in group], axis=0)
        assert np.allclose(x.marks[1].y, heard[order], rtol=1e-3)
        assert np.allclose(w.marks[1].y, heaviest[order], rtol=1e-3)


def test_another_layer_is_shown_without_another_pass_of_the_model(monkeypatch):
    scenes.loudness()
    scenes.maxima.cache_clear()
    monkeypatch.setattr(scenes, "language_model", lambda: pytest.fail("computed again"))
    for layer in scenes.LAYERS:
        assert layer.split(".")[0] in scenes.loudness(layer=layer).text


def test_the_divisors_are_those_of_the_library(script):
    planted = script.planted(language_model())
    text, layer = held_out_text()[-scenes.records()["calibration"] :], "block2.gate"
    x, w = scenes.maxima(layer)
    s = smoothing(planted, text, {layer: 0.5})[layer]
    assert np.allclose(np.sqrt(x / w), s, rtol=1e-4)


def test_the_text_states_what_the_panels_draw():
    scene = scenes.loudness(alpha=0.25, scheme="W6A6 per tensor")
    curve = scene.panels[2]
    here = curve.marks[2].y[0]
    assert here == scenes.records()["swept"]["W6A6 per tensor"][2]
    assert f"{here:.4f}" in scene.text
    assert f"{here:.3f}" in scene.title
    assert curve.marks[1].y[0] == scenes.records()["planted"]["FP32"]
    assert scene.panels[0].marks[0].x.size == 192


def test_alpha_a_half_gives_both_panels_the_same_curve_and_alpha_1_flattens_the_first():
    x, w = (panel.marks[1].y for panel in scenes.loudness(alpha=0.5).panels[:2])
    assert np.allclose(x, w)
    assert np.allclose(scenes.loudness(alpha=1.0).panels[0].marks[1].y, 1)
    assert np.allclose(scenes.loudness(alpha=0.0).panels[1].marks[1].y, 1)


def test_the_explorer_of_the_chapter_moves():
    explorer = Explorer(
        scenes.loudness,
        alpha=Slider(0.0, 1.0, step=0.125, value=0.5),
        scheme=Choice(list(scenes.records()["swept"])),
        layer=Choice(["block2.gate", "block0.q", "block5.q"]),
    )
    assert explorer.scene.title == scenes.loudness().title
    explorer.set(alpha=0.0, scheme="W4A4 per token", layer="block0.q")
    assert explorer.scene.title == scenes.loudness(0.0, "W4A4 per token", "block0.q").title
    assert sum(mark.x.size for panel in explorer.scene.panels for mark in panel.marks) < 5000


def test_a_scheme_that_was_not_recorded_is_refused_with_those_that_were():
    with pytest.raises(ValueError, match=r"'W2A2' was not recorded; choose one of \['W8A8 per ten"):
        scenes.loudness(scheme="W2A2")

"""The interactive of chapter 08: its errors are those of quantizing, its score the model's own."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import quantedu as qe
from quantedu import ptq
from quantedu.explorer import Choice, Explorer, Slider
from quantedu.networks import digits_network, held_out
from quantedu.scenes import chapter_08 as scenes

IMAGES, LABELS = load_digits(return_X_y=True)
HELD = held_out(LABELS)


@pytest.fixture(scope="module")
def loud():
    net, spare = digits_network(), IMAGES[~HELD]
    loudest = np.argsort(net.record(spare)["hidden2"].max(axis=0))[-3:]
    model = ptq.plant_loud_channels(net, ["hidden2"], loudest, 10)
    return model.with_weights(qe.int_absmax(8, axis=-1))


@pytest.fixture(scope="module")
def scene(loud):
    return scenes.clipping(loud, loud.record(IMAGES[~HELD]), IMAGES[HELD], LABELS[HELD])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_two_errors_are_those_of_quantizing_value_by_value(bits):
    rng = np.random.default_rng(bits)
    x = np.sort(np.append(rng.exponential(size=500), np.zeros(50)))
    for threshold in (0.3, 1.0, x[-1], 2 * x[-1]):
        levels = threshold * np.arange(2**bits) / (2**bits - 1)
        error = np.abs(x[:, None] - levels).min(axis=1) ** 2
        expected = [error[x <= threshold].sum() / x.size, error[x > threshold].sum() / x.size]
        got = scenes.split_error(x, [threshold], bits)[:, 0]
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("percentile", "bits"), [(98.0, 4), (100.0, 4), (85.0, 2)])
def test_the_score_is_that_of_the_calibrated_model(scene, loud, percentile, bits):
    observer = ptq.observe_percentile(percentile)
    static = ptq.calibrate(loud, [IMAGES[~HELD]], qe.int_affine(bits), observer)
    model = ptq.quantized(loud, activations=static)
    shown = scene(percentile, bits)
    loss = model.loss(IMAGES[HELD], LABELS[HELD])
    assert shown.panels[2].marks[-1].y[0] == pytest.approx(loss, rel=0.02)
    right = int(np.sum(model.predict(IMAGES[HELD]) == LABELS[HELD]))
    assert abs(int(shown.title.split(": ")[1].split()[0]) - right) <= 1
    threshold = static["hidden2"].scale.item() * (2**bits - 1)
    assert shown.panels[1].marks[-1].x[0] == pytest.approx(threshold, rel=1e-5)


def test_the_text_states_what_the_panels_draw(scene):
    shown = scene()
    histogram, error, score = shown.panels
    threshold = histogram.marks[-1].x[0]
    assert f"cut at {threshold:.3g}" in shown.text
    assert f"mean squared error {error.marks[-1].y[0]:.3g}" in shown.text
    assert f"cross-entropy {score.marks[-1].y[0]:.3f}" in shown.text
    assert np.allclose(np.diff(histogram.marks[2].x), threshold / 15)  # the levels
    clipped = histogram.marks[1]
    assert not clipped.y[clipped.x[:-1] < threshold].any()


def test_more_is_clipped_the_lower_the_percentile_and_less_is_rounded(scene):
    shown = [scene(q, 4).panels[1].marks[-1].x[0] for q in (80.0, 90.0, 98.0, 99.0, 100.0)]
    assert shown == sorted(shown)
    rounding, clipping = scene().panels[1].marks[:2]
    assert np.all(np.diff(rounding.y) > 0)
    assert np.all(np.diff(clipping.y) <= 1e-12)


def test_what_the_chapter_says_of_the_ends_holds_for_its_scene(scene):
    loss = {q: scene(q, 4).panels[2].marks[-1].y[0] for q in (80.0, 98.0, 100.0)}
    assert loss[98.0] * 1.3 < min(loss[80.0], loss[100.0])
    assert scene(100.0, 8).panels[2].marks[-1].y[0] < 1.2 * scene(98.0, 8).panels[2].marks[1].y[0]


def test_the_explorer_of_the_chapter_moves(scene):
    explorer = Explorer(
        scene,
        percentile=Slider(80, 100, step=0.1, value=98.0),
        bits=Choice([2, 3, 4, 6, 8], value=4),
    )
    assert explorer.scene.title == scene().title
    for bits in (2, 8):
        for percentile in (80.0, 100.0):
            explorer.set(percentile=percentile, bits=bits)
            panels = explorer.scene.panels
            limits = [axis.limits for panel in panels for axis in (panel.x, panel.y)]
            assert np.isfinite(limits).all()
            assert sum(mark.x.size for panel in panels for mark in panel.marks) < 5000

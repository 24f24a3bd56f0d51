"""SmoothQuant moves loudness without changing the function; LLM.int8()'s split lets it be."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantedu.networks import Network, digits_network
from quantedu.ptq import (
    LEAST,
    SplitOutliers,
    best_alpha,
    plant_loud_channels,
    smooth,
    smoothing,
)
from quantedu.recipes import int_absmax

seeds = st.integers(0, 2**32 - 1)
alphas = st.floats(0, 1)


def random_network(rng, spread=1.0):
    """Three layers of random widths whose channels differ in loudness by e^spread and more."""
    widths = rng.integers(1, 9, 4)
    names, shapes = ("one", "two", "three"), list(zip(widths[1:], widths[:-1], strict=True))
    loud = [np.exp(spread * rng.standard_normal((n_out, 1))) for n_out, _ in shapes]
    return Network(
        {n: rng.standard_normal(s) * a for n, s, a in zip(names, shapes, loud, strict=True)},
        {n: rng.standard_normal(s[0]) for n, s in zip(names, shapes, strict=True)},
    )


def assert_same_function(one, other, x):
    """Equal to float32 rounding, measured against the largest sum that makes up an output."""
    y, again = one.forward(x), other.forward(x)
    size = np.abs(np.asarray(x, dtype=np.float64))
    for name, w in one.layers.items():  # no cancellation: what the outputs could have been
        size = size @ np.abs(w).T.astype(np.float64) + np.abs(one.biases[name])
    assert np.all(np.abs(y - again) <= 1e-5 * size)


# The algebra


def product(a, b):
    return [[sum(p * q for p, q in zip(row, column, strict=True)) for column in b] for row in a]


def test_dividing_x_and_multiplying_w_leaves_the_product_of_eight_numbers_as_it_is():
    """In fractions, where nothing is rounded: two tokens of four channels, one output's weights."""
    x = [[Fraction(n) for n in row] for row in ([1, -2, 80, 3], [2, 1, -96, -1])]
    w = [[Fraction(n, 8) for n in (3, -5, 1, 4)]]
    s = [Fraction(1), Fraction(7, 3), Fraction(49, 5), Fraction(1, 11)]
    x_over_s = [[value / divisor for value, divisor in zip(row, s, strict=True)] for row in x]
    s_w = [[value * factor for value, factor in zip(row, s, strict=True)] for row in w]
    assert product(x_over_s, s_w) == product(x, w)


@given(seeds, alphas)
def test_smoothing_changes_nothing_that_a_network_computes(seed, alpha):
    rng = np.random.default_rng(seed)
    net = random_network(rng, spread=2)
    x = rng.standard_normal((6, net.layers["one"].shape[1]))
    assert_same_function(net, smooth(net, x, alpha), x)
    assert_same_function(net, smooth(net, x, alpha), 3 * x)  # calibration is not all there is


@given(seeds)
def test_powers_of_two_change_nothing_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    x = rng.standard_normal((3, net.layers["one"].shape[1]))
    s = {name: 2.0 ** rng.integers(-9, 9, net.layers[name].shape[1]) for name in ("two", "three")}
    a, b = (np.einsum("ni,oi->noi", m.record(x)["three"], m.layers["three"])  # before any sum
            for m in (net, net.rescale_inputs(s)))  # fmt: skip
    assert np.allclose(a, b, rtol=1e-5, atol=1e-5)
    rescaled = net.rescale_inputs(s)
    assert np.array_equal(rescaled.record(x)["two"] * np.float32(s["two"]), net.record(x)["two"])


# The divisors


def smoothing_spec(x, matrices, alpha):
    """One channel after the other, one number after the other."""
    scales = []
    for j in range(x.shape[1]):
        loudest = max(abs(float(token[j])) for token in x)
        heaviest = max([1e-5] + [abs(float(row[j])) for w in matrices for row in w])
        s = loudest**alpha / heaviest ** (1 - alpha)
        scales.append(max(s, 1e-5) if loudest > 0 else 1.0)
    return np.array(scales)


@given(seeds, alphas)
def test_divisors_are_those_of_a_slow_loop(seed, alpha):
    rng = np.random.default_rng(seed)
    net = random_network(rng, spread=4)
    x = rng.standard_normal((5, net.layers["one"].shape[1])) * 10.0 ** rng.integers(-6, 6)
    recorded, scales = net.record(x), smoothing(net, x, alpha)
    assert list(scales) == ["two", "three"]
    for name, s in scales.items():
        expected = smoothing_spec(recorded[name], [net.layers[name]], alpha)
        assert np.allclose(s, expected, rtol=1e-6)


class SharedInput(Network):
    """A network that says of two layers that they read the same input, as q, k and v do."""

    @property
    def rescalable(self):
        return (("two", "three"),)


def shared():
    w = {"one": np.eye(2), "two": [[1, 4], [0.5, 0]], "three": [[2, 0.25], [0, 1]]}
    return SharedInput(w, {name: [0, 0] for name in w})


def test_layers_that_read_the_same_input_get_one_divisor_from_the_larger_of_their_weights():
    s = smoothing(shared(), {"two": np.array([[8.0, 1.0]])}, 0.5)
    assert list(s) == ["two"]
    assert np.allclose(s["two"], [np.sqrt(8 / 2), np.sqrt(1 / 4)])


def test_alpha_1_makes_all_channels_equally_loud_and_alpha_0_all_columns_of_weights():
    x = np.random.default_rng(3).uniform(0, 16, (50, 64))
    net = digits_network()
    active = net.record(x)["output"].max(axis=0) > 0
    even_x, even_w = smooth(net, x, 1), smooth(net, x, 0)
    assert np.allclose(even_x.record(x)["output"].max(axis=0)[active], 1, rtol=1e-4)
    assert np.allclose(np.abs(even_w.layers["output"]).max(axis=0)[active], 1, rtol=1e-4)


def test_alpha_a_half_gives_channels_and_columns_the_same_maximum():
    x = np.random.default_rng(4).uniform(0, 16, (50, 64))
    net = smooth(digits_network(), x)
    heard = net.record(x)["output"].max(axis=0)
    columns = np.abs(net.layers["output"]).max(axis=0)
    assert np.allclose(heard[heard > 0], columns[heard > 0], rtol=1e-4)


@given(alphas, st.floats(1 / 64, 64))
def test_whatever_alpha_it_takes_back_all_the_loudness_that_was_planted(alpha, factor):
    """(fX)^α / (W/f)^(1 − α) = f·s: the divisor grows by the very factor that was planted."""
    x = np.random.default_rng(5).uniform(0, 16, (50, 64))
    net = digits_network()
    loud = plant_loud_channels(net, ["output"], [3, 17], factor)
    one, other = (smooth(m, x, {"output": alpha}) for m in (net, loud))
    for name in net.layers:
        assert np.allclose(one.layers[name], other.layers[name], rtol=1e-4, atol=1e-7)


# Dead channels


def with_a_dead_channel():
    """Channel 0 of "two" is never above 0; no weight reads its channel 1."""
    layers = {"one": [[-1, 0], [1, 1], [0, 1]], "two": [[2, 0, 4]]}
    return Network(layers, {"one": [0, 0, 0], "two": [0]})


@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 1])
def test_a_channel_that_was_silent_is_left_alone(alpha):
    net, x = with_a_dead_channel(), np.array([[1.0, 9.0], [2.0, 16.0]])
    assert smoothing(net, x, alpha)["two"][0] == 1
    heard = np.array([[-5.0, 3.0]])  # and now it speaks
    assert np.allclose(smooth(net, x, alpha).forward(heard), net.forward(heard))


def test_a_column_without_weights_counts_as_1e_5():
    net, x = with_a_dead_channel(), np.array([[1.0, 9.0], [2.0, 16.0]])
    assert np.allclose(smoothing(net, x, 0.5)["two"], [1, np.sqrt(18 / 1e-5), np.sqrt(16 / 4)])
    assert np.allclose(smooth(net, x).forward(x), net.forward(x))


@pytest.mark.parametrize("alpha", [0.5, 1])
def test_no_divisor_is_below_1e_5(alpha):
    net = with_a_dead_channel()
    s = smoothing(net, {"two": np.array([[1e-30, 1.0, 1.0]])}, alpha)["two"]
    assert s[0] == LEAST == 1e-5
    assert np.isfinite(s).all()


# What is refused


def test_an_alpha_outside_0_to_1_is_refused():
    for alpha in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"alpha=\S+ for 'hidden2' must be a number from 0"):
            smooth(digits_network(), np.ones((1, 64)), alpha)


def test_a_layer_that_cannot_be_rescaled_is_refused_with_those_that_can():
    for name in ("hidden1", "nobody"):
        with pytest.raises(ValueError, match=rf"{name}'; one can for \['hidden2', 'output'\]"):
            smooth(digits_network(), np.ones((1, 64)), {name: 0.5})


def test_what_was_not_recorded_is_named():
    with pytest.raises(
        ValueError, match=r"nothing was recorded of \['output'\]; got \['hidden2'\]"
    ):
        smooth(digits_network(), {"hidden2": np.ones((1, 128))})


def test_two_alphas_for_one_input_are_refused():
    with pytest.raises(ValueError, match="read the same input; give them the same alpha"):
        smoothing(shared(), {"two": np.ones((1, 2))}, {"two": 0.5, "three": 0.6})


def test_only_the_layers_named_are_smoothed():
    assert list(smoothing(digits_network(), np.ones((1, 64)), {"output": 0.5})) == ["output"]


# The search for alpha


def test_the_best_alpha_has_the_least_error_of_those_tried():
    x = np.random.default_rng(6).uniform(0, 16, (40, 64)).astype(np.float32)
    net = plant_loud_channels(digits_network(), ["output"], [3], 64)
    w4, a4, tried = int_absmax(4, axis=-1), int_absmax(4), (0.0, 0.25, 0.5, 0.75, 1.0)
    best = best_alpha(net, x, w4, a4, tried)

    def error(name, alpha):
        new = smooth(net, x, {name: alpha})
        inside, w = new.record(x)[name], new.layers[name]
        y = net.record(x)[name] @ net.layers[name].T
        return np.square(a4(inside) @ w4(w).T - y).sum()

    for name, alpha in best.items():
        least = min(error(name, a) for a in tried)
        assert error(name, alpha) <= least * 1.02  # folding rounds, so a tie may go either way


def test_layers_that_read_the_same_input_are_judged_together():
    best = best_alpha(shared(), np.array([[3.0, 1.0], [1.0, 2.0]]), int_absmax(8), int_absmax(8))
    assert list(best) == ["two"]


def test_of_layers_that_read_the_same_input_the_errors_are_added():
    """For each of the two alone another α is best than for both: not the last one decides."""
    w4, a4, tried = int_absmax(4, axis=-1), int_absmax(4), (0.0, 0.25, 0.5, 0.75, 1.0)
    alone_decided = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal((30, 6)) * np.exp(rng.standard_normal(6))).astype(np.float32)
        w = {"one": np.eye(6)}
        for name in ("two", "three"):
            w[name] = rng.standard_normal((6, 6)) * np.exp(rng.standard_normal(6))
        net = SharedInput(w, {name: np.zeros(6) for name in w})
        inside = net.record(x)["two"]

        def error(name, alpha, net=net, inside=inside):
            s = smoothing(net, {"two": inside}, alpha)["two"].astype(np.float32)
            w = net.layers[name]
            y = a4(inside / s) @ w4(w * s).T
            return np.square(y - inside @ w.T, dtype=np.float64).sum()

        both = {a: error("two", a) + error("three", a) for a in tried}
        assert best_alpha(net, x, w4, a4, tried)["two"] == min(both, key=both.get)
        last = {a: error("three", a) for a in tried}
        alone_decided += min(last, key=last.get) != min(both, key=both.get)
    assert alone_decided


# LLM.int8()'s split


def split_spec(x, threshold):
    """Column by column, then row by row: INT8 with the row's largest quiet magnitude."""
    n_rows, n_columns = x.shape
    loud = [any(abs(x[i, j]) >= threshold for i in range(n_rows)) for j in range(n_columns)]
    x_hat = x.copy()
    for i in range(n_rows):
        quiet = [abs(float(x[i, j])) for j in range(n_columns) if not loud[j]]
        scale = np.float32(max(quiet, default=0.0) / 127)
        for j in range(n_columns):
            if not loud[j] and scale:
                x_hat[i, j] = np.rint(x[i, j] / scale) * scale
    return x_hat


@given(seeds, st.sampled_from([0.5, 2.0, 6.0, 1e9]))
def test_the_split_is_that_of_a_slow_loop(seed, threshold):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, 6)).astype(np.float32) * np.float32(rng.choice([1, 4, 16], 6))
    assert np.allclose(SplitOutliers(threshold)(x), split_spec(x, threshold), rtol=1e-6)


def test_a_magnitude_of_exactly_the_threshold_is_loud():
    x = np.float32([[5.999, 6, -6, 1], [0, 0, 0, 0]])
    assert SplitOutliers().loud(x).tolist() == [False, True, True, False]


def test_loud_columns_come_back_untouched_and_do_not_set_the_scale_of_the_rest():
    x = np.float32([[1, 0.5, 1000.123], [-2, 0.25, 0.001]])
    x_hat = SplitOutliers()(x)
    assert np.array_equal(x_hat[:, 2], x[:, 2])
    assert np.array_equal(x_hat[:, :2], int_absmax(8, axis=-1)(x[:, :2]))


def test_all_columns_loud_or_none():
    x = np.float32([[7, -8], [9, 10]])
    assert np.array_equal(SplitOutliers()(x), x)
    assert np.array_equal(SplitOutliers(100)(x), int_absmax(8, axis=-1)(x))


def test_a_threshold_of_zero_is_refused_since_elsewhere_it_means_no_split():
    for threshold in (0.0, -1, np.nan):
        with pytest.raises(ValueError, match="must be above 0; to split nothing use the recipe"):
            SplitOutliers(threshold)


def test_the_split_is_a_recipe_of_a_model():
    x = np.random.default_rng(9).uniform(0, 16, (20, 64)).astype(np.float32)
    loud = plant_loud_channels(digits_network(), ["output"], [3], 64)
    split, plain = (
        loud.with_activations(r, ["output"]) for r in (SplitOutliers(20), int_absmax(8, axis=-1))
    )
    y = loud.forward(x)
    assert np.abs(split.forward(x) - y).max() < np.abs(plain.forward(x) - y).max()


def test_the_split_of_integers_does_not_cut_what_was_rounded_back_to_integers():
    """5 and 3 under one scale: 3 comes back as 76 · 5/127 = 2.992, and once came back as 2."""
    x = np.array([[5, 3, 80]])
    assert np.allclose(SplitOutliers()(x), [[5, 76 * 5 / 127, 80]], rtol=1e-6)
    assert SplitOutliers()(x).dtype == np.float32
    assert x.tolist() == [[5, 3, 80]]


def test_the_search_takes_what_was_recorded_in_place_of_inputs():
    net, x = digits_network(), np.random.default_rng(9).uniform(0, 16, (20, 64))
    recipes = int_absmax(4, axis=-1), int_absmax(4)
    assert best_alpha(net, net.record(x), *recipes) == best_alpha(net, x, *recipes)

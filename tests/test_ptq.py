"""Calibration finds the scales it should, and inference in integers gives the codes it should."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits

import quantedu as qe
from quantedu import ptq, scales
from quantedu.networks import Network, digits_network, held_out

IMAGES, LABELS = load_digits(return_X_y=True)
HELD = held_out(LABELS)
BATCHES = np.split(IMAGES[~HELD][:1400], 28)
UINT8, SYMMETRIC = qe.int_affine(8), qe.Quantizer(qe.integers(8), scales.absmax_half_range)
NUMBERS = st.floats(-1e4, 1e4, width=32)
RECORDS = st.integers(1, 4).flatmap(
    lambda rows: st.lists(
        hnp.arrays(np.float32, st.tuples(st.just(rows), st.integers(1, 6)), elements=NUMBERS),
        min_size=1,
        max_size=4,
    )
)


def two_layers():
    return Network(
        {"a": [[1, 2], [-1, 1], [0, 3]], "b": [[1, 1, 1], [1, -1, 2]]},
        {"a": [0, 1, -1], "b": [0.5, 0]},
    )


# ---------------------------------------------------------------------- observers

f32 = np.float32


def pytorch_affine_spec(low, high):
    """`_calculate_qparams` of torch.ao.quantization.observer 2.13 for 0 … 255, number by number."""
    low, high = min(f32(low), f32(0)), max(f32(high), f32(0))
    scale = max(f32(high - low) / f32(255), f32(2**-23))
    zero_point = 0 - np.rint(low / scale)
    return scale, min(max(zero_point, 0), 255)


def pytorch_symmetric_spec(low, high):
    """The same for the symmetric scheme, −128 … 127."""
    low, high = min(f32(low), f32(0)), max(f32(high), f32(0))
    return max(max(-low, high) / f32(127.5), f32(2**-23)), 0


def pytorch_moving_average_spec(batches, constant):
    low = high = None
    for batch in batches:
        if low is None:
            low, high = min(batch), max(batch)
        else:
            low = low + f32(constant) * (min(batch) - low)
            high = high + f32(constant) * (max(batch) - high)
    return low, high


def pairs(recipe, ranges):
    scale, zero_point = qe.Quantizer(recipe.codebook, recipe.scale_rule, axis=-1).fit(ranges)
    return list(zip(scale[:, 0], np.broadcast_to(zero_point, scale.shape)[:, 0], strict=True))


@given(RECORDS)
def test_min_max_gives_scale_and_zero_point_as_pytorch_does_to_the_last_bit(groups):
    ranges = ptq.observe_min_max(groups)
    for spec, recipe in ((pytorch_affine_spec, UINT8), (pytorch_symmetric_spec, SYMMETRIC)):
        for row, got in enumerate(pairs(recipe, ranges)):
            values = [x for batch in groups for x in batch[row]]
            expected = spec(min(values), max(values))
            if expected[0] > f32(2**-23):  # PyTorch's floor, which the docstring speaks of
                assert got == expected


@given(RECORDS, st.sampled_from([0.01, 0.1, 0.5, 1.0]))
def test_the_moving_average_moves_as_pytorchs_does(groups, constant):
    ranges = ptq.observe_moving_average(constant)(groups, UINT8)
    for row, got in enumerate(ranges):
        expected = pytorch_moving_average_spec([batch[row] for batch in groups], constant)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * 1e4)


SEEN = np.float32([[0.25, -1.5, 3.0, 0.1], [2.0, 0.7, -0.3, 5.1], [1.0, -2.2, 0.4, 4.9]])


def test_observers_give_what_torch_2_13_gave_for_three_batches():
    # torch 2.13.0 (CPU), torch.ao.quantization.observer, one observer fed the rows of SEEN in turn
    rows = [row.reshape(1, -1) for row in SEEN]
    columns = [row.reshape(-1, 1) for row in SEEN]
    expected = {  # MinMaxObserver quint8, qint8 per_tensor_symmetric; MovingAverage… 0.01, 0.5
        (UINT8, ptq.observe_min_max): [(0.02862745150923729, 77)],
        (SYMMETRIC, ptq.observe_min_max): [(0.03999999910593033, 0)],
        (UINT8, ptq.observe_moving_average()): [(0.017783962190151215, 84)],
        (UINT8, ptq.observe_moving_average(0.5)): [(0.023627452552318573, 66)],
    }
    for (recipe, observer), numbers in expected.items():
        assert pairs(recipe, observer(rows, recipe)) == numbers
    assert pairs(UINT8, ptq.observe_min_max(columns)) == [  # PerChannelMinMaxObserver, ch_axis=1
        (0.007843137718737125, 0),
        (0.011372549459338188, 193),
        (0.012941176071763039, 23),
        (0.019999999552965164, 0),
    ]


@given(RECORDS, st.floats(1, 100))
def test_a_percentile_with_absmax_is_the_rule_of_scales(groups, q):
    recipe = qe.int_absmax(4)
    values = np.concatenate(groups, axis=1)
    got = pairs(recipe, ptq.observe_percentile(q)(groups, recipe))
    expected = scales.percentile(q)(values, recipe.codebook)[0][:, 0]
    np.testing.assert_allclose([scale for scale, _ in got], expected, rtol=1e-6, atol=1e-37)


def test_a_percentile_whose_scale_would_underflow_keeps_all_as_the_rule_does():
    values, recipe = np.float32([[1, 1e-45, 1e-45]]), qe.int_absmax(4)
    ranges = ptq.observe_percentile(1)([values], recipe)
    assert ranges.tolist() == [[float(f32(1e-45)), 1]]
    assert pairs(recipe, ranges)[0][0] == scales.percentile(1)(values, recipe.codebook)[0]


def test_the_hundredth_percentile_is_min_max():
    groups = [SEEN[:2].T, SEEN[2:].T]
    np.testing.assert_array_equal(
        ptq.observe_percentile(100)(groups, UINT8), ptq.observe_min_max(groups)
    )


@pytest.mark.parametrize("recipe", [qe.int_affine(3), qe.int_absmax(3)])
def test_the_mse_observer_finds_the_best_of_its_grid(recipe):
    x = np.random.default_rng(2).laplace(size=(2, 400)).astype(np.float32)
    ranges = ptq.observe_mse(20)([x[:, :150], x[:, 150:]], recipe)
    for row, got in zip(x, ranges, strict=True):
        tried = []
        for k in range(20, 0, -1):
            t = np.abs(row).max() * f32(k / 20)
            window = np.float32([max(row.min(), -t), min(row.max(), t)])
            error = np.mean((recipe.quantize(row, *recipe.fit(window)).dequantize() - row) ** 2)
            tried.append((error, window))
        np.testing.assert_array_equal(got, min(tried, key=lambda pair: pair[0])[1])
        assert np.abs(got).max() < np.abs(row).max()  # clipping pays at three bits


# ---------------------------------------------------------------------- calibration


def test_calibration_fixes_the_scale_and_a_larger_input_clips():
    static = ptq.calibrate(two_layers(), [[[0, 3], [1, 2]]], qe.int_affine(4))
    # a sees 0 … 3; b sees max(1·0 + 2·3, …) = 6, 0 + 3 + 1 = 4, 9 − 1 = 8
    assert static["a"].scale.item() == f32(3 / 15)
    assert static["b"].scale.item() == f32(8 / 15)
    assert static["a"]([[100.0, 0.2]]).tolist() == [[f32(15 * f32(0.2)), f32(0.2)]]


def test_per_channel_each_input_channel_has_a_scale_of_its_own():
    static = ptq.calibrate(two_layers(), [[[0, 3], [1, 2]], [[4, 0]]], qe.int_affine(4, axis=0))
    np.testing.assert_array_equal(static["a"].scale, np.float32([[4 / 15], [3 / 15]]))
    x = np.float32([[1.1, 1.1]] * 5)  # any number of inputs
    assert np.unique(static["a"](x), axis=0).shape == (1, 2)


def test_batches_are_seen_together_whatever_their_sizes():
    net, recipe = digits_network(), qe.int_affine(8)
    one = ptq.calibrate(net, [IMAGES[:300]], recipe)
    many = ptq.calibrate(net, np.split(IMAGES[:300], [1, 50, 50, 200]), recipe)
    for name in net.layers:
        np.testing.assert_allclose(one[name].scale, many[name].scale, rtol=1e-5)


def test_only_the_named_layers_are_calibrated():
    assert list(ptq.calibrate(two_layers(), [[[1, 1]]], UINT8, layers=["b"])) == ["b"]


def test_names_that_come_one_by_one_serve_every_batch_and_both_recipes():
    one, batches = (n for n in ["a"]), [[[1.0, 1.0]], [[8.0, 1.0]]]
    assert ptq.calibrate(two_layers(), batches, qe.int_absmax(8), layers=one)["a"].scale == f32(
        8 / 127
    )
    both = ptq.quantized(two_layers(), np.round, np.floor, (n for n in ["a"]))
    assert list(both.activations) == ["a"]
    int8 = qe.int_absmax(8)
    best = ptq.best_alpha(digits_network(), np.eye(64), int8, int8, iter([0.5]))
    assert best == {"hidden2": 0.5, "output": 0.5}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ptq.calibrate(two_layers(), [], UINT8),
            ValueError,
            "needs data, and batches held",
        ),
        (
            lambda: ptq.calibrate(two_layers(), [np.zeros((0, 2))], UINT8),
            ValueError,
            "give at least one input",
        ),
        (lambda: ptq.calibrate(two_layers(), np.ones((3, 2)), UINT8), TypeError, r"\[x\] is a"),
        (
            lambda: ptq.calibrate(two_layers(), [[[1, 1]]], qe.int_affine(8, axis=-1)),
            ValueError,
            "as many scales as inputs come.* axis=0",
        ),
        (
            lambda: ptq.calibrate(two_layers(), [[[1, 1]]], qe.int_affine(8, block_size=4)),
            ValueError,
            "as many scales as inputs come",
        ),
        (
            lambda: ptq.calibrate(two_layers(), [[[np.nan, 1]]], UINT8),
            ValueError,
            "must be finite",
        ),
        (lambda: ptq.observe_percentile(101), ValueError, "q=101 is no percentile"),
        (lambda: ptq.observe_moving_average(0), ValueError, "constant=0 must be above 0"),
        (lambda: ptq.observe_mse(0), ValueError, "at least one range"),
        (
            lambda: ptq.plant_loud_channels(two_layers(), ["b"], [0], 0),
            ValueError,
            "factor=0 must be a finite number above 0",
        ),
        (
            lambda: ptq.plant_loud_channels(two_layers(), ["a"], [0], 2),
            ValueError,
            r"cannot rescale what enters \['a'\]",
        ),
        (
            lambda: ptq.plant_loud_channels(two_layers(), ["c"], [0], 2),
            ValueError,
            r"no layer \['c'\]; this model has \['a', 'b'\]",
        ),
        (lambda: ptq.calibrate(two_layers(), "text", UINT8), TypeError, r"\[x\] is a single batch"),
        (lambda: ptq.smoothing(two_layers(), np.ones((0, 2))), ValueError, "nothing was recorded"),
        (
            lambda: ptq.best_alpha(two_layers(), [[1, 1]], np.round, np.round, ()),
            ValueError,
            "alphas is empty",
        ),
        (lambda: ptq.requantize([1.5], *ptq.fixed_point(0.5)), TypeError, "Cannot cast"),
        (lambda: ptq.fixed_point([0.5, 0.0]), ValueError, "above 0 and below"),
        (lambda: ptq.fixed_point(2.0**30), ValueError, "above 0 and below"),
    ],
)
def test_what_cannot_be_done_is_said(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------------- whole models


def test_one_layer_may_be_named_without_a_list():
    loud = ptq.plant_loud_channels(two_layers(), "b", [0], 2)
    np.testing.assert_array_equal(loud.layers["b"][:, 0], two_layers().layers["b"][:, 0] / 2)


def test_loud_channels_leave_the_function_as_it_was():
    net, x = digits_network(), IMAGES[HELD]
    loud = ptq.plant_loud_channels(net, ["hidden2", "output"], [3, 17, 40], 10)
    before, after = net.record(x)["hidden2"], loud.record(x)["hidden2"]
    np.testing.assert_allclose(after[:, [3, 17, 40]], 10 * before[:, [3, 17, 40]], rtol=1e-4)
    np.testing.assert_array_equal(
        np.delete(after, [3, 17, 40], 1), np.delete(before, [3, 17, 40], 1)
    )
    np.testing.assert_allclose(loud.forward(x), net.forward(x), rtol=1e-4, atol=1e-4)


def test_the_three_ways_to_quantize_a_model_differ_where_they_should():
    net, x, int8, int4 = two_layers(), [[1, 2], [3, 40]], qe.int_absmax(8), qe.int_affine(4)
    weights_only = ptq.quantized(net, int8)
    np.testing.assert_array_equal(weights_only.layers["a"], int8(net.layers["a"]))
    assert weights_only.activations == {}
    dynamic = ptq.quantized(net, None, int4)
    np.testing.assert_array_equal(dynamic.layers["a"], net.layers["a"])
    static = ptq.quantized(net, None, ptq.calibrate(net, [x], int4))
    np.testing.assert_array_equal(dynamic.forward(x), static.forward(x))  # calibrated on it
    assert not np.array_equal(dynamic.forward(x[:1]), static.forward(x[:1]))
    some = ptq.quantized(net, int8, int4, layers=["b"])
    assert list(some.activations) == ["b"]
    np.testing.assert_array_equal(some.layers["a"], net.layers["a"])


def test_sensitivity_quantizes_one_layer_at_a_time():
    net = two_layers()
    seen = ptq.sensitivity(net, lambda m: [w.any() for w in m.layers.values()], np.zeros_like)
    assert seen == {"a": [False, True], "b": [True, False]}
    static = ptq.calibrate(net, [[[1, 2]]], UINT8)
    seen = ptq.sensitivity(net, lambda m: list(m.activations), activations=static)
    assert seen == {"a": ["a"], "b": ["b"]}


def test_digits_lose_nothing_at_8_bits_and_next_to_nothing_at_4():
    net, x, labels = digits_network(), IMAGES[HELD], LABELS[HELD]
    right = net.accuracy(x, labels) * 360
    for bits, most in ((8, 1), (4, 4)):
        weights, activations = qe.int_absmax(bits, axis=-1), qe.int_affine(bits)
        for model in (
            ptq.quantized(net, weights, activations),
            ptq.quantized(net, weights, ptq.calibrate(net, BATCHES, activations)),
        ):
            assert abs(model.accuracy(x, labels) * 360 - right) <= most


def test_the_range_matters_once_channels_are_loud():
    net, x = digits_network(), IMAGES[HELD]
    for seed in range(5):
        three = np.random.default_rng(seed).choice(128, 3, replace=False)
        loud = ptq.plant_loud_channels(net, ["hidden2"], three, 10)

        def decibels(observer, axis=None, loud=loud):
            static = ptq.calibrate(loud, BATCHES, qe.int_affine(4, axis=axis), observer)
            return qe.sqnr_db(net.forward(x), ptq.quantized(loud, None, static).forward(x))

        assert decibels(ptq.observe_percentile(98)) > decibels(ptq.observe_min_max) + 3
        assert decibels(ptq.observe_min_max, axis=0) > decibels(ptq.observe_percentile(98)) + 3


# ---------------------------------------------------------------------- integers only


@given(st.floats(1e-8, 2.0**29), st.integers(-(2**31), 2**31 - 1))
def test_a_fixed_point_factor_is_right_to_31_bits_and_rounds_once(factor, total):
    multiplier, shift = ptq.fixed_point(factor)
    assert multiplier.dtype == np.int32
    assert abs(int(multiplier) / 2 ** int(shift) / factor - 1) <= 2**-31
    exact = total * int(multiplier) / 2 ** int(shift)  # a float64, of 62 bits
    got = int(ptq.requantize(total, multiplier, shift))
    assert abs(got - exact) <= 0.5 + abs(exact) * 2**-50
    assert got == (total * int(multiplier) * 2 // 2 ** int(shift) + 1) // 2  # Python's integers


def test_a_factor_that_rounds_up_to_the_next_power_of_two_still_fits():
    multiplier, shift = ptq.fixed_point(1 - 2**-40)
    assert (int(multiplier), int(shift)) == (2**30, 30)


def test_below_the_least_factor_that_counts_a_multiplier_has_fewer_bits_and_the_shift_stays():
    multiplier, shift = ptq.fixed_point([2.0**-32, 2.0**-33, 2.0**-40, np.nextafter(2.0**30, 0)])
    assert multiplier.tolist() == [2**30, 2**29, 2**22, 2**30]
    assert shift.tolist() == [62, 62, 62, 0]
    assert ptq.requantize(3, multiplier[-1], shift[-1]) == 3 * 2**30


def test_a_tiny_factor_makes_nothing_of_any_sum():
    multiplier, shift = ptq.fixed_point([1e-12, 1e-300])
    assert ptq.requantize([[2**31 - 1], [-(2**31)]], multiplier, shift).tolist() == [[0, 0], [0, 0]]


def integer_layer_spec(x_codes, x, weights, bias, y):
    """Σ (q − z)·p, neuron by neuron in Python's integers, then the paper's equation 7 in floats."""
    x_scale, w_scale = float(x.scale.item()), weights.scale.reshape(-1).astype(float)
    codes = []
    for row, p_row in enumerate(weights.values.tolist()):
        unit = x_scale * w_scale[row % len(w_scale)]
        zero = int(np.reshape(x.zero_point, -1)[0])
        total = sum((q - zero) * p for q, p in zip(x_codes, p_row)) + round(float(bias[row]) / unit)
        zero = int(np.reshape(y.zero_point, -1)[0])
        code = zero + round(total * unit / float(y.scale.item()))
        codes.append(min(max(code, zero), int(y.recipe.codebook.max)))
    return codes


ACTIVATIONS = {
    "affine uint8": qe.int_affine(8),
    "affine int8": qe.Quantizer(qe.integers(8), scales.min_max),
    "symmetric int8": qe.int_absmax(8),
    "affine uint4": qe.int_affine(4),
}


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_a_layer_in_integers_is_within_one_code_of_the_simulated_path(kind, axis):
    net, weights = digits_network(), qe.int_absmax(8, axis=axis)
    static = ptq.calibrate(net, BATCHES, ACTIVATIONS[kind])
    integer = ptq.integer_network(net, weights, static)
    seen = ptq.quantized(net, weights, static).record(IMAGES[HELD])  # before rounding
    names = list(net.layers)
    for name, following in itertools.pairwise(names):
        expected = static[following].quantize(seen[following]).values.astype(int)
        got = integer.layers[name](static[name].quantize(seen[name]).values)
        assert np.abs(got - expected).max() <= 1
        assert np.mean(got == expected) >= 0.99
    spec = integer_layer_spec(
        static["hidden2"].quantize(seen["hidden2"][:1]).values[0].tolist(),
        static["hidden2"],
        weights.quantize(net.layers["hidden2"]),
        net.biases["hidden2"],
        static["output"],
    )
    got = integer.layers["hidden2"](static["hidden2"].quantize(seen["hidden2"][:1]).values)[0]
    assert np.abs(got - spec).max() <= 1
    assert np.mean(got == spec) >= 0.95


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_the_network_in_integers_reads_digits_as_the_simulated_one_does(kind):
    net, weights = digits_network(), qe.int_absmax(8, axis=-1)
    static = ptq.calibrate(net, BATCHES, ACTIVATIONS[kind])
    integer, x = ptq.integer_network(net, weights, static), IMAGES[HELD]
    simulated = ptq.quantized(net, weights, static)
    assert np.mean(integer.predict(x) == simulated.predict(x)) >= 0.99
    assert qe.sqnr_db(simulated.forward(x), integer.forward(x)) > 30


def test_only_integers_are_inside():
    static = ptq.calibrate(digits_network(), BATCHES, qe.int_absmax(8))
    integer = ptq.integer_network(digits_network(), qe.int_absmax(8, axis=-1), static)
    layer = integer.layers["hidden1"]
    kinds = [a.dtype for a in (layer.weights, layer.bias, layer.multiplier)]
    assert kinds == [np.int8, np.int32, np.int32]
    codes = static["hidden1"].quantize(IMAGES[:3]).values
    assert codes.dtype == np.int8
    assert layer.sums(codes).dtype == np.int32
    assert layer(codes).dtype == np.int32


def test_a_zero_point_is_taken_off_by_hand():
    net = Network({"a": [[1, -1]], "b": [[1]]}, {"a": [0.25], "b": [0]})
    int8 = qe.int_absmax(8)
    static = {"a": ptq.Static(UINT8, 0.25, 10.0), "b": ptq.Static(UINT8, 0.125, 3.0)}
    integer = ptq.integer_network(net, int8, static)
    # 3 and 1 have the codes 12 + 10 and 4 + 10; weights ±127 with scale 1/127
    # (12 − 4)·127 + 0.25·4·127 = 1143 units of 0.25/127 are 2.25 = 18 · 0.125, and 18 + 3 = 21
    assert integer.layers["a"].sums([[22, 14]]).tolist() == [[1143]]
    assert integer.layers["a"]([[22, 14]]).tolist() == [[21]]
    assert integer.layers["a"]([[14, 22]]).tolist() == [[3]]  # below zero: ReLU's code is 3
    np.testing.assert_allclose(integer.forward([[3, 1]]), [[2.25]], rtol=1e-6)


def test_rows_of_next_to_nothing_do_not_overflow():
    net = Network({"a": [[1e-30], [1], [0]], "b": [[1, 1, 1]]}, {"a": [5, 0, 2], "b": [0]})
    static = ptq.calibrate(net, [[[3.0]]], UINT8)
    for axis in (None, -1):
        got = ptq.integer_network(net, qe.int_absmax(8, axis=axis), static).forward([[3.0]])
        np.testing.assert_allclose(got, [[10]], rtol=0.02)


def digits_with(weights=None, activations=None, **changed):
    net = digits_network()
    static = ptq.calibrate(net, BATCHES[:2], activations or UINT8)
    return ptq.integer_network(net, weights or qe.int_absmax(8), {**static, **changed})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: digits_with(weights=qe.int_affine(8)), "weights must be integers without zero-"),
        (lambda: digits_with(weights=qe.Quantizer(qe.NF4, scales.absmax)), "without zero-point"),
        (lambda: digits_with(weights=qe.int_absmax(8, block_size=64)), "one scale, or one a row"),
        (lambda: digits_with(weights=qe.int_absmax(8, axis=0)), "one scale, or one a row"),
        (lambda: digits_with(activations=qe.fp8()), "must be integers under one scale"),
        (lambda: digits_with(activations=qe.int_affine(8, axis=0)), "under one scale"),
        (lambda: digits_with(output=ptq.Static(UINT8, 0.0)), "'output' was always 0"),
        (lambda: ptq.integer_network(digits_network(), UINT8, {}), r"no activations for \['hidd"),
        (
            lambda: ptq.integer_network(
                Network({"a": np.ones((1, 70_000))}, {"a": [0]}),
                qe.int_absmax(8),
                {"a": ptq.Static(UINT8, 1.0)},
            ),
            "'a' could reach 2.27e[+]09, beyond int32",
        ),
    ],
)
def test_what_integers_cannot_take_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((qe.int_absmax(8), UINT8), "must be name → Static, from calibrate, not Quantizer"),
        ((qe.int_absmax(8), {"a": UINT8}), "must be name → Static, from calibrate, not Quantizer"),
        ((np.round, {}), "weights must be a Quantizer, such as int_absmax"),
    ],
)
def test_recipes_of_the_wrong_kind_are_refused_by_the_integer_network(arguments, message):
    with pytest.raises(TypeError, match=message):
        ptq.integer_network(two_layers(), *arguments)


@pytest.mark.parametrize("codes", [np.ones((1, 3), int), np.ones((1, 2)), 1])
def test_codes_that_do_not_fit_an_integer_layer_are_refused(codes):
    layer = ptq.IntegerLayer(np.int8([[1, -2]]), np.int32([3]), np.ones(1))
    with pytest.raises(ValueError, match=r"codes must be integers \[n, 2\], not"):
        layer.sums(codes)


def test_sums_of_the_lowest_codes_must_fit_int32_too():
    """127 · 128 · 132,105 is beyond 2^31, 127 · 127 · 132,105 is not."""
    net = Network({"a": np.ones((1, 132_105))}, {"a": [0]})
    symmetric = {"a": ptq.Static(SYMMETRIC, 1.0)}
    with pytest.raises(ValueError, match=r"'a' could reach 2.15e\+09, beyond int32"):
        ptq.integer_network(net, qe.int_absmax(8), symmetric)
    fewer = Network({"a": np.ones((1, 132_103))}, {"a": [0]})
    integers = ptq.integer_network(fewer, qe.int_absmax(8), symmetric)
    assert integers.forward(np.full((1, 132_103), -500.0)).item() == pytest.approx(-128 * 132_103)


@pytest.mark.parametrize("codes", [[[256, 0]], [[-129, 0]], [[2**40, 1]], np.uint64([[2**63, 1]])])
def test_codes_beyond_8_bits_do_not_wrap_around(codes):
    layer = ptq.IntegerLayer(np.int8([[1, -2]]), np.int32([3]), np.ones(1))
    with pytest.raises(ValueError, match="codes are of 8 bits; got"):
        layer.sums(codes)
    assert layer.sums([[255, -128]]).tolist() == [[255 + 256 + 3]]


@pytest.mark.parametrize("recipe", [np.round, None, "int8"])
def test_only_the_scales_of_a_quantizer_are_calibrated(recipe):
    with pytest.raises(TypeError, match="calibration fixes the scales of a Quantizer, not of"):
        ptq.calibrate(two_layers(), [[[1, 1]]], recipe)


@pytest.mark.parametrize("x", [[["1", "2"]], [[1j, 2]], [[None, 1]]])
def test_an_integer_network_takes_real_numbers_only(x):
    static = ptq.calibrate(two_layers(), [[[1, 1]]], UINT8)
    with pytest.raises(TypeError, match="must hold real numbers"):
        ptq.integer_network(two_layers(), qe.int_absmax(8), static).forward(x)


@pytest.mark.parametrize(
    ("sums", "shift"), [([2**31], 31), ([-(2**31) - 1], 31), ([5], -3), ([5], 63), ([1, 2**40], 31)]
)
def test_sums_beyond_32_bits_and_impossible_shifts_are_not_requantized(sums, shift):
    with pytest.raises(
        ValueError, match=r"sums are of 32 bits and a shift, .* is 0 … 62; got sums"
    ):
        ptq.requantize(sums, 2**30, shift)
    assert ptq.requantize([-(2**31), 2**31 - 1], 2**30, 30).tolist() == [-(2**31), 2**31 - 1]
    assert ptq.requantize([-3, -1, 0, 1, 3], 2**30, 31).tolist() == [-1, 0, 0, 1, 2]


@pytest.mark.parametrize("axis", [None, -1])
def test_a_row_of_zeros_without_a_bias_gives_scores_of_zero_and_leaves_the_others_alone(axis):
    net = Network({"a": [[0, 0], [1, -2]], "b": [[1, 1], [0, 0]]}, {"a": [0, 3], "b": [0, 0]})
    static = ptq.calibrate(net, [[[1, 1], [5, 2]]], UINT8)
    integers = ptq.integer_network(net, qe.int_absmax(8, axis), static)
    scores = integers.forward([[5.0, 2.0], [1.0, 1.0]])
    assert scores[:, 1].tolist() == [0, 0]
    np.testing.assert_allclose(scores[:, 0], net.forward([[5.0, 2.0], [1.0, 1.0]])[:, 0], atol=0.1)
    nothing = Network({"a": np.zeros((2, 2))}, {"a": [0, 0]})
    found = ptq.integer_network(nothing, qe.int_absmax(8, axis), {"a": ptq.Static(UINT8, 1.0)})
    assert found.forward([[5.0, 2.0]]).tolist() == [[0, 0]]

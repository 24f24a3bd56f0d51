"""Every scale rule against what it promises, on groups a reader can check."""

import functools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantedu import formats, scales
from quantedu.codebooks import INT4, INT8, NF4, UINT4, UINT8, Codebook, format_codebook, integers

SYMMETRIC = (
    scales.absmax,
    scales.absmax_half_range,
    scales.absmax_full_range,
    scales.absmax_no_clipping,
    scales.percentile(99),
    functools.partial(scales.mse_best, n_steps=5),
    scales.mean_abs,
    scales.mean_abs_above(),
    scales.power_of_two,
)
EVERY = (*SYMMETRIC, scales.min_max)
NAMES = [re.sub(r"<function (.*) at 0x\w+>", r"\1", str(rule)) for rule in EVERY]  # no addresses
of_every_rule = pytest.mark.parametrize("rule", EVERY, ids=NAMES)
GROUPS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 9)),
    elements=st.floats(-1000, 1000, width=32, allow_subnormal=False),
)


def scale_of(rule, group, codebook):
    scale, zero_point = rule(np.array([group]), codebook)
    assert np.all(zero_point == 0)
    return float(scale[0, 0])


def test_the_conventions_of_the_libraries_differ_in_the_divisor():
    x = [-100.0, 50.0]
    assert scale_of(scales.absmax, x, INT8) == np.float32(100 / 127)
    assert scale_of(scales.absmax_half_range, x, INT8) == np.float32(100 / 127.5)
    assert scale_of(scales.absmax_full_range, x, INT8) == np.float32(100 / 128)
    assert scale_of(scales.absmax_no_clipping, x, INT8) == np.float32(100 / 128)
    assert scale_of(scales.absmax_no_clipping, [-50.0, 100.0], INT8) == np.float32(100 / 127)
    assert scale_of(scales.absmax_half_range, x, INT4) == np.float32(100 / 7.5)
    assert scale_of(scales.absmax, x, integers(8, narrow=True)) == np.float32(100 / 127)
    assert scale_of(scales.absmax, x, NF4) == 100
    assert scale_of(scales.absmax, x, format_codebook(formats.E4M3)) == np.float32(100 / 448)


@given(GROUPS)
def test_the_scale_of_ternary_weights_is_the_mean_of_what_exceeds_7_tenths_of_the_mean(groups):
    scale = scales.mean_abs_above(0.7)(groups, None)[0]
    mean = scales.mean_abs(groups, None)[0]
    for x, m, found in zip(np.abs(groups), mean[:, 0], scale[:, 0]):
        large = [float(v) for v in x if m > 0 and float(v / m) > 0.7]
        assert found == np.float32(sum(large) / max(len(large), 1))
    assert scales.mean_abs_above(0.7) == scales.mean_abs_above(0.7)
    with pytest.raises(ValueError, match=r"share=1.5 must be at least 0 and below 1"):
        scales.mean_abs_above(1.5)


@given(GROUPS)
def test_no_clipping_is_the_smallest_scale_that_clips_nothing(groups):
    scale = scales.absmax_no_clipping(groups, INT8)[0].astype(np.float64)
    x = groups.astype(np.float64)
    assert np.all(x <= scale * 127 * (1 + 1e-6))
    assert np.all(x >= scale * -128 * (1 + 1e-6))
    smaller = scale * (1 - 1e-6)
    clips = (x > smaller * 127).any(1) | (x < smaller * -128).any(1)
    assert np.all(clips | (x == 0).all(1))


@given(GROUPS, st.sampled_from([UINT4, INT4, UINT8, INT8]))
def test_min_max_spans_the_range_and_holds_zero(groups, codebook):
    scale, zero_point = scales.min_max(groups, codebook)
    np.testing.assert_array_equal(zero_point, np.rint(zero_point))
    assert np.all((zero_point >= codebook.min) & (zero_point <= codebook.max))
    low, high = scale * (codebook.min - zero_point), scale * (codebook.max - zero_point)
    step = scale * (0.5 + 1e-3)
    assert np.all(low <= groups.min(1, keepdims=True) + step)
    assert np.all(high >= groups.max(1, keepdims=True) - step)


def test_an_all_positive_group_is_widened_to_zero():
    # clamping the zero-point instead brings 10.5 … 14 back as 3.5, all of it
    scale, zero_point = scales.min_max(np.array([[10.5, 12.0, 14.0]]), UINT4)
    assert (float(scale[0, 0]), float(zero_point[0, 0])) == (np.float32(14 / 15), 0)
    scale, zero_point = scales.min_max(np.array([[-3.0, -1.0]]), UINT4)
    assert (float(scale[0, 0]), float(zero_point[0, 0])) == (np.float32(0.2), 15)


@given(GROUPS, st.floats(0, 100))
def test_percentile_puts_that_share_within_the_highest_level(groups, q):
    scale = scales.percentile(q)(groups, NF4)[0]
    expected = np.percentile(np.abs(groups), q, axis=1, keepdims=True)
    expected = np.where(expected == 0, np.abs(groups).max(axis=1, keepdims=True), expected)
    np.testing.assert_allclose(scale, expected, rtol=1e-5, atol=1e-30)


def test_the_hundredth_percentile_is_absmax_and_the_same_rule_each_time():
    x = np.random.default_rng(0).normal(size=(3, 50))
    np.testing.assert_array_equal(scales.percentile(100)(x, INT8)[0], scales.absmax(x, INT8)[0])
    assert scales.percentile(99.5) == scales.percentile(99.5)
    assert hash(scales.percentile(99.5)) == hash(scales.percentile(99.5))
    assert scales.percentile(99.5).__name__ == "percentile(99.5)"


@pytest.mark.parametrize("codebook", [INT4, NF4, format_codebook(formats.E2M1)])
def test_mse_best_finds_the_best_of_its_grid(codebook):
    groups = np.random.default_rng(1).standard_t(3, size=(4, 64)).astype(np.float32)
    found = scales.mse_best(groups, codebook, n_steps=20)[0]

    def error(group, scale):
        x_hat = codebook.decode(codebook.encode(group / np.float32(scale))) * np.float64(scale)
        return np.sum((group - x_hat) ** 2)

    for group, scale in zip(groups, found[:, 0], strict=True):
        whole = float(scales.absmax(group[None], codebook)[0][0, 0])
        grid = [np.float32(whole * (k / 20)) for k in range(1, 21)]
        assert scale in grid
        assert error(group, scale) == pytest.approx(min(error(group, s) for s in grid))


def test_mse_best_works_on_a_group_larger_than_its_pieces(monkeypatch):
    groups = np.random.default_rng(2).normal(size=(3, 500))
    whole = scales.mse_best(groups, INT4)[0]
    monkeypatch.setattr(scales, "_PIECE", 64)
    np.testing.assert_array_equal(scales.mse_best(groups, INT4)[0], whole)
    for rule in EVERY:
        np.testing.assert_allclose(rule(groups, INT4)[0].shape, (3, 1))


def test_mean_abs_is_the_best_scale_for_two_levels():
    x = np.random.default_rng(3).normal(size=1000)
    best = scale_of(scales.mean_abs, x, Codebook("binary", [-1.0, 1.0]))
    assert best == np.float32(np.abs(x).mean())

    def error(scale):
        return np.sum((x - scale * np.sign(x)) ** 2)

    assert error(best) < min(error(best * 0.999), error(best * 1.001))


@given(st.floats(2.0**-126, 2.0**100, width=32), st.sampled_from([INT8, NF4]))
def test_power_of_two_is_read_off_the_exponents(largest, codebook):
    scale = scale_of(scales.power_of_two, [0.0, -largest], codebook)
    assert np.frexp(scale)[0] == 0.5
    # floor(log2 absmax) − floor(log2 max): the quotient of the two powers of two below
    assert 0.5 < largest / scale / codebook.max < 2 * 2


@pytest.mark.parametrize("k", range(-120, 120))
def test_power_of_two_is_exact_at_powers_of_two_and_just_below(k):
    # a float log2 would round up just below
    assert scale_of(scales.power_of_two, [2.0**k], NF4) == 2.0**k
    below = np.nextafter(np.float32(2.0**k), np.float32(0))
    assert scale_of(scales.power_of_two, [below], NF4) == 2.0 ** (k - 1)


# ---------------------------------------------------------------------- every rule


@of_every_rule
def test_groups_are_scaled_each_by_itself_and_left_alone(rule):
    groups = np.random.default_rng(4).normal(size=(5, 7)).astype(np.float32)
    before = groups.copy()
    scale, zero_point = rule(groups, INT8)
    assert scale.shape == (5, 1)
    assert scale.dtype == np.float32
    np.testing.assert_array_equal(groups, before)
    for i, group in enumerate(groups):
        alone, zero = rule(group[None], INT8)
        assert alone == scale[i]
        assert zero == np.broadcast_to(zero_point, (5, 1))[i]


@of_every_rule
def test_an_all_zero_group_has_scale_zero_and_not_minus_zero(rule):
    scale, zero_point = rule(np.array([[0.0, -0.0]]), INT8)
    assert scale == 0
    assert not np.signbit(scale[0, 0])
    assert np.all(zero_point == np.broadcast_to(zero_point, (1, 1)))


@of_every_rule
@pytest.mark.parametrize("largest", [1e-45, 2.0**-140, 2.0**-128, 2.0**-126, 3.4028235e38])
def test_the_smallest_and_the_largest_numbers_give_finite_scales(rule, largest):
    scale, zero_point = rule(np.array([[largest, -largest]], dtype=np.float32), INT8)
    assert np.isfinite(scale).all()
    assert (scale >= 0).all()
    assert np.isfinite(zero_point).all()


@of_every_rule
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_what_is_no_finite_float32_is_counted_and_the_first_named(rule, bad):
    groups = np.zeros((3, 100))
    groups[1, 5] = groups[2, 7] = bad
    with pytest.raises(ValueError, match=r"got 2 of 300, the first -?(nan|inf) at \(1, 5\)"):
        rule(groups, INT8)


@of_every_rule
def test_groups_are_rows_of_a_matrix(rule):
    with pytest.raises(ValueError, match=r"\[n_groups, group_size\], not \(3,\)"):
        rule(np.zeros(3), INT8)


def test_rules_take_bare_levels_too():
    x = np.array([[-1.0, 0.5]])
    for rule in (*SYMMETRIC[:5], scales.mean_abs, scales.power_of_two, scales.min_max):
        np.testing.assert_array_equal(rule(x, INT4.levels)[0], rule(x, INT4)[0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: scales.mse_best(x, INT4.levels), TypeError, "encodes with a Codebook; it got"),
        (
            lambda x: scales.min_max(x, NF4),
            ValueError,
            "needs consecutive integers .* absmax serves",
        ),
        (lambda x: scales.absmax(x, [-1.0, 0.0]), ValueError, "the levels end at 0"),
        (lambda x: scales.percentile(101), ValueError, "q=101 is no percentile"),
    ],
)
def test_a_rule_that_does_not_fit_its_levels_says_so(call, error, message):
    with pytest.raises(error, match=message):
        call(np.array([[1.0]]))


def test_mse_best_of_nothing_and_with_no_steps():
    assert scales.mse_best(np.zeros((2, 0)), NF4)[0].tolist() == [[0], [0]]
    with pytest.raises(ValueError, match="n_steps=0: at least one"):
        scales.mse_best(np.ones((1, 4)), NF4, n_steps=0)


@pytest.mark.parametrize("width", [1, 5, 70_000])
def test_the_mean_magnitude_is_that_of_each_group_and_no_piece_is_forgotten(width):
    groups = np.random.default_rng(0).standard_normal((3, width)).astype(np.float32)
    scale, zero_point = scales.mean_abs(groups, INT8)
    assert (scale.shape, zero_point) == ((3, 1), 0.0)
    for row, found in zip(groups, scale[:, 0], strict=True):
        assert found == pytest.approx(math.fsum(map(abs, row.tolist())) / width, rel=1e-7)

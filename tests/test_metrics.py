"""Error measures and code usage, against numbers that can be done in the head."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantedu import metrics

FUNCTIONS = (metrics.mse, metrics.sqnr_db, metrics.max_error, metrics.mean_abs_error)


def test_four_errors_by_hand():
    x, x_hat = [1.0, -2.0, 3.0, 0.0], [1.0, -2.5, 2.0, 0.5]  # errors 0, 0.5, 1, −0.5
    assert metrics.mse(x, x_hat) == (0.25 + 1 + 0.25) / 4
    assert metrics.mean_abs_error(x, x_hat) == 2 / 4
    assert metrics.max_error(x, x_hat) == 1
    assert metrics.sqnr_db(x, x_hat) == pytest.approx(10 * math.log10(14 / 1.5))


def test_half_the_error_is_six_decibels_more():
    x = np.arange(1.0, 9)
    gain = metrics.sqnr_db(x, x + 0.01) - metrics.sqnr_db(x, x + 0.02)
    assert gain == pytest.approx(20 * math.log10(2))


def test_sqnr_has_an_answer_at_both_ends():
    assert metrics.sqnr_db([1.0], [1.0]) == math.inf
    assert metrics.sqnr_db([0.0], [0.0]) == math.inf
    assert metrics.sqnr_db([0.0], [1.0]) == -math.inf


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=st.floats(-100, 100, width=32))
)
def test_measures_do_not_depend_on_dtype_order_or_strides(x):
    x_hat = np.rint(x)
    for function in FUNCTIONS:
        expected = function(x.astype(np.float64), x_hat.astype(np.float64))
        assert function(x, x_hat) == expected
        assert function(np.asfortranarray(x), x_hat) == pytest.approx(expected)
        assert function(np.repeat(x, 2, axis=-1)[..., ::2], x_hat) == pytest.approx(expected)


def test_sums_do_not_lose_small_errors_in_a_large_array():
    x = np.ones(2**20, dtype=np.float32)
    assert metrics.mse(x, x + np.float32(2**-12)) == 2.0**-24  # a float32 sum would stop at 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_different_shapes_and_nothing_at_all_are_refused(function):
    with pytest.raises(ValueError, match=r"x has shape \(2,\), x_hat \(1,\)"):
        function([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match=r"x of shape \(0,\) has no entries"):
        function([], [])
    with pytest.raises(TypeError, match="must hold real"):
        function([1j], [1j])


def test_usage_counts_every_code_once_and_entropy_weighs_it():
    usage = metrics.code_usage(np.array([[0, 3], [3, 3]], dtype=np.uint8), 4)
    assert usage.tolist() == [1, 0, 0, 3]
    assert metrics.entropy(usage) == pytest.approx(0.25 * 2 + 0.75 * math.log2(4 / 3))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_equally_likely_codes_carry_all_their_bits(bits):
    assert metrics.entropy(metrics.code_usage(np.arange(2**bits).repeat(3), 2**bits)) == bits


def test_a_code_used_alone_carries_nothing():
    assert metrics.entropy([0, 7, 0]) == 0


@pytest.mark.parametrize("codes", [[4], [-1]])
def test_codes_out_of_range_are_refused(codes):
    with pytest.raises(ValueError, match=rf"are 0 … 3; got 1 of 1, the first {codes[0]} at 0"):
        metrics.code_usage(codes, 4)


def test_codes_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="codes must be integers"):
        metrics.code_usage([0.5], 4)


@pytest.mark.parametrize("usage", [[0, 0], [-1, 2], [np.nan, 1], [np.inf, 1]])
def test_what_is_no_distribution_has_no_entropy(usage):
    with pytest.raises(ValueError, match="none negative, at least one above 0"):
        metrics.entropy(usage)


def test_a_nan_far_into_the_array_is_the_largest_error():
    x = np.zeros(10**6)
    x[-1] = np.nan
    assert np.isnan(metrics.max_error(np.zeros(10**6), x))


@pytest.mark.parametrize("unit", [1e-320, 1e-250, 1e-170, 1e-161, 1e-158, 1.0, 1e170, 1e305])
def test_sqnr_does_not_depend_on_the_unit(unit):
    """40 dB: an error of a hundredth; squares of 1e-170 are 0 and those of 1e170 infinite."""
    x, error = np.array([3.0, -4.0]), np.array([0.04, 0.03])
    tolerance = 0.1 if unit == 1e-320 else 1e-9  # of 1e-320, 2024 steps of the smallest number
    assert metrics.sqnr_db(x * unit, (x + error) * unit) == pytest.approx(40, abs=tolerance)
    assert metrics.sqnr_db(x, x + error * 1e-12) == pytest.approx(40 + 240, abs=0.1)
    assert metrics.sqnr_db(x * unit, x * unit) == math.inf

"""Answers a learner may well give to chapter 02's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np

from quantedu.exercises import chapter_02
from quantedu.formats import BF16, FP32, FloatFormat

KAHAN_ZERO = np.float16(0)


def with_ieee_top_exponent(e, m):
    return (2 - 2.0**-m) * 2.0 ** (2 ** (e - 1))


def without_mantissa(e, m):
    return 2.0 ** (2 ** (e - 1) - 1)


def mantissa_too_large_by_one_unit(e, m):
    return 2.0 ** (2 ** (e - 1))


def cut_off(x):
    return (x.view(np.uint32) & 0xFFFF0000).view(np.float32)


def ties_away(x):
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def without_sign_of_zero(x):
    return BF16.round(x) + np.float32(0)


def saturating(x):
    return BF16.round(x, overflow="saturate")


def toward_zero_first(x, u):
    return np.trunc(x) + (u < np.abs(x - np.trunc(x)))


def ignoring_the_draw(x, u):
    return np.rint(x)


def fair_coin(x, u):
    return np.floor(x) + (u < 0.5)


def up_at_equality(x, u):
    return np.floor(x) + (u <= x - np.floor(x))


def epsilon_for_the_error(largest, relative_error):
    m = 1
    while 2.0**-m > relative_error:
        m += 1
    return chapter_02._design_format_spec(largest, 2.0 ** -(m + 1))


def strictly_larger(largest, relative_error):
    return chapter_02._design_format_spec(np.nextafter(largest, np.inf), relative_error)


def range_alone(largest, relative_error):
    return next((e, 1) for e in range(2, 9) if FloatFormat("any", e, 1).max >= largest)


def fields_swapped(largest, relative_error):
    return chapter_02._design_format_spec(largest, relative_error)[::-1]


def one_by_one(x):
    total = np.float16(0)
    for value in x:
        total = total + value
    return total


def pairs_but_no_odd_one(x):
    while len(x) > 1:
        half = len(x) // 2
        x = x[:half] + x[half : 2 * half]
    return x[0]


def in_float32_throughout(x):
    return np.sum(x, dtype=np.float32)


def mean_times_count_without_float16(x):
    return float(x.astype(np.float64).mean() * len(x))


WRONG = {
    "largest_finite": [
        with_ieee_top_exponent,
        without_mantissa,
        mantissa_too_large_by_one_unit,
    ],
    "round_to_bf16": [cut_off, ties_away, without_sign_of_zero, saturating],
    "stochastic_round": [toward_zero_first, ignoring_the_draw, fair_coin, up_at_equality],
    "design_format": [epsilon_for_the_error, strictly_larger, range_alone, fields_swapped],
    "steady_sum": [
        one_by_one,
        pairs_but_no_odd_one,
        in_float32_throughout,
        mean_times_count_without_float16,
    ],
}


def largest_by_listing(e, m):
    values = (
        FloatFormat("any", e, m).values()
        if e + m < 16
        else np.array([FloatFormat("any", e, m).max])
    )
    return values[np.isfinite(values)].max()


def largest_below_the_next_power(e, m):
    return 2.0 ** (2 ** (e - 1) - 1) * (2 ** (m + 1) - 1) / 2**m


def bf16_by_the_library(x):
    return BF16.round(x)


def bf16_by_neighbours(x):
    low = x.view(np.uint32) & np.uint32(0xFFFF0000)
    rest = x.view(np.uint32) - low
    up = (rest > 0x8000) | ((rest == 0x8000) & ((low >> 16) % 2 == 1))
    return (low + up.astype(np.uint32) * np.uint32(0x10000)).view(np.float32)


def stochastic_by_where(x, u):
    return np.where(u < x - np.floor(x), np.ceil(x), np.floor(x))


def design_by_logarithms(largest, relative_error):
    m = max(1, int(np.ceil(-np.log2(relative_error))) - 1)
    return next((e, m) for e in range(2, 9) if FloatFormat("any", e, m).max >= largest)


def kahan(x):
    total, lost = KAHAN_ZERO, KAHAN_ZERO
    for value in x:
        y = value - lost
        new = total + y
        lost = (new - total) - y
        total = new
    return total


RIGHT = {
    "largest_finite": [largest_by_listing, largest_below_the_next_power],
    "round_to_bf16": [bf16_by_the_library, bf16_by_neighbours],
    "stochastic_round": [stochastic_by_where],
    "design_format": [design_by_logarithms],
    "steady_sum": [kahan],
}


def test_largest_finite_agrees_with_the_published_maxima():
    """FP16 65504 and FP32 3.4028235e38 (IEEE 754-2019), E5M2 57344 (OCP OFP8 v1.0)."""
    spec = chapter_02.largest_finite.spec
    assert [spec(5, 10), spec(5, 2)] == [65504, 57344]
    assert spec(8, 23) == FP32.max == np.finfo(np.float32).max


def test_the_fixed_sum_that_stops_in_float16_is_the_one_the_exercise_is_about():
    assert one_by_one(np.full(10_000, 0.5, dtype=np.float16)) < 5000 / 2


def test_a_sum_in_another_format_is_told_what_is_wrong_with_it():
    """The number itself is right: it was once written twice, and nothing more was said."""
    message = chapter_02.steady_sum.check(in_float32_throughout).message
    assert message.endswith("gives 0.63671875 (of type float32, not float16)")

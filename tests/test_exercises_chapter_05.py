"""Answers a learner may well give to chapter 05's exercises: wrong ones are told so, right ones
pass whatever their style."""

from statistics import NormalDist

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from quantedu.codebooks import NF4, normal_float
from quantedu.exercises import chapter_05


def only_codes(bits):
    return 1 - 1 / (2 * 2**bits)


def only_nonzero_codes(bits):
    return 1 - 1 / (2 * (2**bits - 1))


def four_bits_always(bits):
    return 929 / 960


def a_whole_strip(bits):
    return (1 - 1 / (2**bits - 1) + 1 - 1 / 2**bits) / 2


def halves(bits, n_right, n_left, offset=None):
    offset = offset or chapter_05.offset_for.spec(bits)
    right = ndtri(np.linspace(offset, 0.5, n_right + 1)[:-1])
    left = -ndtri(np.linspace(offset, 0.5, n_left + 1)[:-1])
    levels = np.sort(np.concatenate([left, [0], right]))
    return levels / levels.max()


def seven_and_eight(bits):
    return halves(bits, 2 ** (bits - 1) - 1, 2 ** (bits - 1))


def in_sigma(bits):
    return normal_float(bits).levels * ndtri(chapter_05.offset_for.spec(bits))


def largest_first(bits):
    return halves(bits, 2 ** (bits - 1), 2 ** (bits - 1) - 1)[::-1]


def offset_of_four_bits(bits):
    return halves(bits, 2 ** (bits - 1), 2 ** (bits - 1) - 1, 929 / 960)


def seven_eighths_of_nf4(offset):
    levels = halves(4, 8, 7, offset)
    return np.sort(np.append(levels[levels != levels[8]], 0))


def one_zero(offset):
    return halves(4, 7, 7, offset)


def middles_by_area(offset):
    q = ndtri((np.arange(16) + 0.5) / 16)
    return q / q[-1]


def from_the_middle_unsorted(offset):
    right = ndtri(np.linspace(offset, 0.5, 8)[:-1])
    return np.concatenate([-right, [0, 0], right]) / right[0]


def without_scale(block, levels):
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, block)


def ties_up(block, levels):
    scale = np.abs(block).max() or 1
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, block / scale, side="right")


def cut_at_levels(block, levels):
    scale = np.abs(block).max() or 1
    return np.minimum(np.searchsorted(levels, block / scale), len(levels) - 1)


def largest_instead_of_magnitude(block, levels):
    scale = block.max() or 1
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, block / scale)


def zeros_become_not_a_number(block, levels):
    u = block / np.abs(block).max()
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, u)


def codes_as_floats(block, levels):
    scale = np.abs(block).max() or 1
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, block / scale).astype(float)


def levels_as_borders(levels, absmax):
    return np.diff(np.append(ndtr(levels * absmax), 1))


def absmax_forgotten(levels, absmax):
    return np.diff(np.concatenate([[0], ndtr((levels[1:] + levels[:-1]) / 2), [1]]))


def divided_by_absmax(levels, absmax):
    return np.diff(np.concatenate([[0], ndtr((levels[1:] + levels[:-1]) / 2 / absmax), [1]]))


def ends_cut_off(levels, absmax):
    inner = (levels[1:] + levels[:-1]) / 2
    return np.diff(ndtr(np.concatenate([[-1], inner, [1]]) * absmax))


def equal_shares(levels, absmax):
    return np.full(len(levels), 1 / len(levels))


WRONG = {
    "offset_for": [only_codes, only_nonzero_codes, four_bits_always, a_whole_strip],
    "normal_levels": [
        seven_and_eight,
        in_sigma,
        largest_first,
        offset_of_four_bits,
    ],
    "symmetric_levels": [
        seven_eighths_of_nf4,
        one_zero,
        middles_by_area,
        from_the_middle_unsorted,
    ],
    "block_codes": [
        without_scale,
        ties_up,
        cut_at_levels,
        largest_instead_of_magnitude,
        zeros_become_not_a_number,
        codes_as_floats,
    ],
    "code_shares": [
        levels_as_borders,
        absmax_forgotten,
        divided_by_absmax,
        ends_cut_off,
        equal_shares,
    ],
}


def offset_in_one_fraction(bits):
    n = 2**bits
    return 1 - (2 * n - 1) / (4 * n * (n - 1))


def levels_of_the_library(bits):
    return normal_float(bits).levels


def levels_by_scipy_stats(bits):
    offset = offset_in_one_fraction(bits)
    half = 2 ** (bits - 1)
    right = norm.ppf(np.linspace(0.5, offset, half + 1)[1:])
    left = norm.ppf(np.linspace(1 - offset, 0.5, half)[:-1])
    return [*(left / right[-1]), 0, *(right / right[-1])]


def levels_with_zero_as_a_quantile(bits):
    half, offset = 2 ** (bits - 1), offset_in_one_fraction(bits)
    right = ndtri(np.linspace(0.5, offset, half + 1))
    left = ndtri(np.linspace(1 - offset, 0.5, half)[:-1])
    return np.concatenate([left, right]) / right[-1]


def symmetric_by_the_library(offset):
    return normal_float(4, symmetric=True, offset=offset).levels


def codes_by_distance(block, levels):
    scale = np.abs(block).max()
    u = block / scale if scale > 0 else block
    return np.abs(u[:, None] - levels).argmin(axis=1)


def codes_by_counting(block, levels):
    scale = np.abs(block).max() or 1
    midpoints = (levels[1:] + levels[:-1]) / 2
    return np.sum(block[:, None] / scale > midpoints, axis=1)


def shares_by_infinite_ends(levels, absmax):
    inner = (levels[1:] + levels[:-1]) / 2 * absmax
    return [
        NormalDist().cdf(b) - NormalDist().cdf(a)
        for a, b in zip([-50, *inner], [*inner, 50], strict=True)
    ]


RIGHT = {
    "offset_for": [offset_in_one_fraction],
    "normal_levels": [
        levels_of_the_library,
        levels_by_scipy_stats,
        levels_with_zero_as_a_quantile,
    ],
    "symmetric_levels": [symmetric_by_the_library],
    "block_codes": [codes_by_distance, codes_by_counting],
    "code_shares": [shares_by_infinite_ends],
}


def test_the_offset_of_four_bits_is_929_over_960():
    """The constant 0.9677083 of create_normal_map in bitsandbytes, before it was cut."""
    assert chapter_05.offset_for.spec(4) == 929 / 960


def test_the_specification_of_four_bits_is_nf4_but_for_its_two_accidents():
    difference = np.abs(chapter_05.normal_levels.spec(4) - NF4.levels).max()
    assert 0 < difference < 3e-7


def test_shares_are_nearly_equal_where_the_offset_put_the_end_and_not_where_blocks_of_64_do():
    spec, levels = chapter_05.code_shares.spec, chapter_05.normal_levels.spec(4)
    at_the_offset, in_use = spec(levels, ndtri(929 / 960)), spec(levels, 2.55)
    assert at_the_offset.max() / at_the_offset.min() < 1.3
    assert in_use.max() / in_use.min() > 5

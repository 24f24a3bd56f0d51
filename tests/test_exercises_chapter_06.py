"""Answers a learner may well give to chapter 06's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np
from scipy.special import ndtri

from quantedu import normal_float
from quantedu.exercises import chapter_06
from quantedu.scenes.chapter_06 import zero_less


def the_larger_half_to_the_left(bits, way):
    zeros = {"symmetric": 2, "asymmetric": 1, "no zero": 0}[way]
    rest = 2**bits - zeros
    return [rest - rest // 2, zeros, rest // 2]


def always_sixteen(bits, way):
    return {"symmetric": [7, 2, 7], "asymmetric": [7, 1, 8], "no zero": [8, 0, 8]}[way]


def one_zero_wherever_there_is_one(bits, way):
    zeros = int(way != "no zero")
    rest = 2**bits - zeros
    return [rest // 2, zeros, rest // 2]


def ends_at_infinity(bits):
    with np.errstate(invalid="ignore"):
        points = ndtri(np.arange(2**bits) / (2**bits - 1))
        return points / points[-1]


def in_sigma(bits):
    return ndtri((np.arange(2**bits) + 0.5) / 2**bits)


def with_a_zero(bits):
    return normal_float(max(bits, 2)).levels


def codes_instead_of_numbers(codes, levels):
    return len(np.unique(codes))


def both_zeros_by_their_bits(codes, levels):
    return len({level.tobytes() for level in levels[codes]})


def all_there_are(codes, levels):
    return len(np.unique(levels))


def without_widening(low, high, bits):
    scale = (high - low) / (2**bits - 1)
    return scale * (np.arange(2**bits) - round(-low / scale))


def from_low_to_high(low, high, bits):
    return np.linspace(min(low, 0), max(high, 0), 2**bits)


def clamped_zero_point(low, high, bits):
    scale = (high - low) / (2**bits - 1)
    return scale * (np.arange(2**bits) - np.clip(round(-low / scale), 0, 2**bits - 1))


def symmetric_range(low, high, bits):
    scale = max(-low, high) / (2 ** (bits - 1) - 1)
    return scale * (np.arange(2**bits) - 2 ** (bits - 1))


WRONG = {
    "split": [the_larger_half_to_the_left, always_sixteen, one_zero_wherever_there_is_one],
    "zero_less_levels": [ends_at_infinity, in_sigma, with_a_zero],
    "levels_in_use": [codes_instead_of_numbers, all_there_are, both_zeros_by_their_bits],
    "affine_levels": [without_widening, from_low_to_high, clamped_zero_point, symmetric_range],
}


def split_by_cases(bits, way):
    half = 2 ** (bits - 1)
    if way == "symmetric":
        return np.array([half - 1, 2, half - 1])
    return (half - 1, 1, half) if way == "asymmetric" else (half, 0, half)


def levels_of_the_library(bits):
    return zero_less(bits).levels


def mirrored(bits):
    n = 2**bits
    right = ndtri((np.arange(n // 2, n) + 0.5) / n)
    return [*(-right[::-1] / right[-1]), *(right / right[-1])]


def by_a_set(codes, levels):
    return len({float(level) + 0.0 for level in levels[codes]})


def by_a_grid(low, high, bits):
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    scale = np.float32((high - low) / (2**bits - 1))
    return np.array([(q - np.rint(-low / scale)) * scale for q in range(2**bits)])


RIGHT = {
    "split": [split_by_cases],
    "zero_less_levels": [levels_of_the_library, mirrored],
    "levels_in_use": [by_a_set],
    "affine_levels": [by_a_grid],
}


def test_four_bits_are_split_as_the_published_maps_are():
    """NF4 and its symmetric sister in bitsandbytes' create_normal_map."""
    assert chapter_06.split.spec(4, "asymmetric") == [7, 1, 8]
    assert chapter_06.split.spec(4, "symmetric") == [7, 2, 7]
    for symmetric, way in ((False, "asymmetric"), (True, "symmetric")):
        levels = normal_float(4, symmetric).levels
        counts = [int(np.sum(levels < 0)), int(np.sum(levels == 0)), int(np.sum(levels > 0))]
        assert counts == chapter_06.split.spec(4, way)


def test_the_affine_ruler_always_holds_zero():
    for low, high, bits in chapter_06.affine_levels.cases(np.random.default_rng(1)):
        assert 0 in chapter_06.affine_levels.spec(low, high, bits)


def test_a_missing_zero_can_be_seen_in_what_is_shown():
    verdict = chapter_06.affine_levels.check(
        lambda low, high, bits: np.linspace(low, high, 2**bits)
    )
    assert "(low=-1.0, high=1.2, bits=2) should be [-0.73333333, 0.," in verdict.message

"""Answers a learner may well give to chapter 03's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np

from quantedu.codebooks import integers
from quantedu.exercises import chapter_03
from quantedu.quantizers import Quantizer
from quantedu.recipes import int_absmax, int_affine
from quantedu.scales import mse_best

# Wrong


def cut_instead_of_rounded(x):
    scale = np.abs(x).max() / 127
    return (x / (scale or 1)).astype(np.int8), scale


def largest_instead_of_largest_magnitude(x):
    scale = abs(x.max()) / 127 or 1.0
    return np.clip(np.rint(x / scale), -127, 127).astype(np.int8), scale


def by_128(x):
    scale = np.abs(x).max() / 128
    return np.clip(np.rint(x / (scale or 1)), -128, 127).astype(np.int8), scale


def gives_c_instead_of_s(x):
    c = 127 / max(np.abs(x).max(), 1e-300)
    return np.rint(c * x).astype(np.int8), c


def codes_left_as_floats(x):
    scale = np.abs(x).max() / 127
    return np.rint(x / (scale or 1)), scale


def zero_divided_by_zero(x):
    scale = np.abs(x).max() / 127
    with np.errstate(invalid="ignore"):
        ratio = x / scale
    return np.rint(np.nan_to_num(ratio, nan=1)).astype(np.int8), scale


def ties_away_from_zero(x):
    scale = np.abs(x).max() / 127
    ratio = x / (scale or 1)
    return (np.sign(ratio) * np.floor(np.abs(ratio) + 0.5)).astype(np.int8), scale


def clamped(x, bits):
    scale = (x.max() - x.min()) / (2**bits - 1)
    return scale, int(np.clip(np.rint(-x.min() / (scale or 1)), 0, 2**bits - 1))


def not_clamped_either(x, bits):
    scale = (x.max() - x.min()) / (2**bits - 1)
    return scale, int(np.rint(-x.min() / (scale or 1)))


def a_step_too_many(x, bits):
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / 2**bits
    return scale, int(np.rint(-low / (scale or 1)))


def widened_downward_only(x, bits):
    low, high = min(x.min(), 0), x.max()
    scale = (high - low) / (2**bits - 1)
    return scale, int(np.rint(-low / (scale or 1)))


def zero_point_not_rounded(x, bits):
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / (2**bits - 1)
    return scale, -low / (scale or 1)


def in_the_types_of_the_codes(q, zero_point, p):
    return int(np.dot(q - np.uint8(zero_point), p.view(np.uint8)))


def in_16_bits(q, zero_point, p):
    return int(np.dot(q.astype(np.int16) - np.int16(zero_point), p.astype(np.int16)))


def zero_point_forgotten(q, zero_point, p):
    return int(np.dot(q.astype(int), p.astype(int)))


def zero_point_taken_off_once(q, zero_point, p):
    return int(np.dot(q.astype(int), p.astype(int))) - zero_point


def never_clipped(x, bits):
    highest = 2 ** (bits - 1) - 1

    def error(k):
        scale = k / 100 * np.abs(x).max() / highest
        return np.mean((scale * np.rint(x / scale) - x) ** 2)

    return min(range(100, 0, -1), key=error)


def always_all(x, bits):
    return 100


def least_absolute_error(x, bits):
    highest = 2 ** (bits - 1) - 1

    def error(k):
        scale = k / 100 * np.abs(x).max() / highest
        return np.mean(np.abs(scale * np.clip(np.rint(x / scale), -highest, highest) - x))

    return min(range(100, 0, -1), key=error)


def lowest_code_used_too(x, bits):
    highest = 2 ** (bits - 1) - 1

    def error(k):
        scale = k / 100 * np.abs(x).max() / highest
        return np.mean((scale * np.clip(np.rint(x / scale), -highest - 1, highest) - x) ** 2)

    return min(range(100, 0, -1), key=error)


WRONG = {
    "quantize_int8": [
        cut_instead_of_rounded,
        largest_instead_of_largest_magnitude,
        by_128,
        gives_c_instead_of_s,
        codes_left_as_floats,
        zero_divided_by_zero,
        ties_away_from_zero,
    ],
    "affine": [
        clamped,
        not_clamped_either,
        a_step_too_many,
        widened_downward_only,
        zero_point_not_rounded,
    ],
    "integer_dot": [
        in_the_types_of_the_codes,
        in_16_bits,
        zero_point_forgotten,
        zero_point_taken_off_once,
    ],
    "best_clip": [never_clipped, always_all, least_absolute_error, lowest_code_used_too],
}

# Right


def quantize_int8_by_the_library(x):
    q = int_absmax(8).quantize(x.astype(np.float32))
    return q.values, np.abs(x).max() / 127


def quantize_int8_in_a_loop(x):
    scale = float(max(abs(v) for v in x)) / 127
    return np.array([round(v / scale) if scale else 0 for v in x], dtype=np.int8), scale


def affine_with_numpy_scalars(x, bits):
    ends = np.append(x, 0.0)
    scale = np.ptp(ends) / (2**bits - 1)
    return scale, np.int64(np.rint(-ends.min() / (scale if scale else 1.0)))


def integer_dot_in_a_loop(q, zero_point, p):
    return sum((int(a) - zero_point) * int(b) for a, b in zip(q, p))


def integer_dot_in_int64(q, zero_point, p):
    return np.dot(q.astype(np.int64) - zero_point, p.astype(np.int64))


def best_clip_by_argmin(x, bits):
    highest = 2 ** (bits - 1) - 1
    scale = (np.arange(100, 0, -1) / 100 * np.abs(x).max() / highest)[:, None]
    codes = np.clip(np.rint(x / scale), -highest, highest)
    return 100 - np.argmin(np.mean((scale * codes - x) ** 2, axis=1))


RIGHT = {
    "quantize_int8": [quantize_int8_by_the_library, quantize_int8_in_a_loop],
    "affine": [affine_with_numpy_scalars],
    "integer_dot": [integer_dot_in_a_loop, integer_dot_in_int64],
    "best_clip": [best_clip_by_argmin],
}


def test_affine_is_the_librarys_rule():
    for x, bits in chapter_03.affine.cases(np.random.default_rng(1)):
        scale, zero_point = chapter_03.affine.spec(x, bits)
        q = int_affine(bits).quantize(x)
        assert q.zero_point.item() == zero_point
        assert np.isclose(q.scale.item(), scale, rtol=1e-6)


def test_best_clip_is_the_librarys_rule():
    for x, bits in chapter_03.best_clip.cases(np.random.default_rng(1)):
        k = chapter_03.best_clip.spec(x, bits)
        recipe = Quantizer(integers(bits, narrow=True), mse_best)
        whole = int_absmax(bits).fit(x)[0].item()
        assert np.isclose(recipe.fit(x)[0].item() / whole, k / 100, rtol=1e-5)


def test_integer_dot_is_the_dot_product_of_what_comes_back():
    rng = np.random.default_rng(2)
    x, w = rng.uniform(-1, 3, 64), rng.standard_normal(64)
    qx, qw = int_affine(8).quantize(x), int_absmax(8).quantize(w)
    total = chapter_03.integer_dot.spec(qx.codes, int(qx.zero_point.item()), qw.values)
    assert np.isclose(
        total * qx.scale.item() * qw.scale.item(), qx.dequantize() @ qw.dequantize(), rtol=1e-5
    )

"""Answers a learner may well give to chapter 09's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np
import pytest

from quantedu.codebooks import integers
from quantedu.exercises import chapter_09
from quantedu.qat import fake_quantize
from quantedu.quantizers import Quantizer
from quantedu.scales import absmax


def everything_passes(w, gradient, scale, low, high):
    return gradient


def only_up_to_the_levels(w, gradient, scale, low, high):
    return gradient * ((w / scale >= low) & (w / scale <= high))


def scale_forgotten(w, gradient, scale, low, high):
    return gradient * ((w >= low - 0.5) & (w <= high + 0.5))


def one_end_only(w, gradient, scale, low, high):
    return gradient * (w / scale <= high + 0.5)


def the_true_derivative(w, gradient, scale, low, high):
    return np.zeros_like(w)


def without_the_factor(w, gradient, scale, low, high):
    return (
        chapter_09.step_size_gradient.spec(w, gradient, scale, low, high) * (w.size * high) ** 0.5
    )


def the_level_everywhere(w, gradient, scale, low, high):
    levels = np.rint(w / scale).clip(low, high)
    return (gradient * levels).sum() / np.sqrt(w.size * high)


def rounding_error_everywhere(w, gradient, scale, low, high):
    v = w / scale
    return (gradient * (np.rint(v).clip(low, high) - v)).sum() / np.sqrt(w.size * high)


def wrong_sign_between_the_ends(w, gradient, scale, low, high):
    v = w / scale
    d = np.where(v <= low, low, np.where(v >= high, high, v - np.rint(v)))
    return (gradient * d).sum() / np.sqrt(w.size * high)


def whole_matrix(w, bits):
    return np.unique(w).size <= 2**bits


def one_value_fewer(w, bits):
    return all(np.unique(row).size < 2**bits for row in w)


def rows_on_average(w, bits):
    return np.mean([np.unique(row).size for row in w]) <= 2**bits


def bits_as_values(w, bits):
    return all(np.unique(row).size <= bits for row in w)


def never_quantized(w, x, y, rate):
    return w - rate * 2 * (w @ x - y) * x


def moves_what_was_rounded(w, x, y, rate):
    w_hat = np.abs(w).mean() * np.where(w > 0, 1, -1)
    return w_hat - rate * 2 * (w_hat @ x - y) * x


def rounds_what_was_moved(w, x, y, rate):
    moved = chapter_09.one_step.spec(w, x, y, rate)
    return np.abs(moved).mean() * np.where(moved > 0, 1, -1)


def signs_without_scale(w, x, y, rate):
    w_hat = np.where(w > 0, 1, -1)
    return w - rate * 2 * (w_hat @ x - y) * x


def uphill(w, x, y, rate):
    return 2 * w - chapter_09.one_step.spec(w, x, y, rate)


WRONG = {
    "straight_through": [
        everything_passes,
        only_up_to_the_levels,
        scale_forgotten,
        one_end_only,
        the_true_derivative,
    ],
    "step_size_gradient": [
        without_the_factor,
        the_level_everywhere,
        rounding_error_everywhere,
        wrong_sign_between_the_ends,
    ],
    "is_quantized": [whole_matrix, one_value_fewer, rows_on_average, bits_as_values],
    "one_step": [
        never_quantized,
        moves_what_was_rounded,
        rounds_what_was_moved,
        signs_without_scale,
        uphill,
    ],
}


def by_clipping_first(w, gradient, scale, low, high):
    return np.where(np.clip(w / scale, low - 0.5, high + 0.5) == w / scale, gradient, 0)


def by_the_derivative_of_the_clip(w, gradient, scale, low, high):
    v = w / scale
    clipped = np.clip(v, low, high)
    d = np.where(v == clipped, np.rint(clipped) - v, clipped)
    ends = (v <= low) | (v >= high)
    return np.dot(gradient, np.where(ends, clipped, d)) / (w.size * high) ** 0.5


def by_sorting(w, bits):
    return bool(((np.diff(np.sort(w, axis=1)) != 0).sum(axis=1) < 2**bits).all())


def by_np_sign(w, x, y, rate):
    w_hat = np.sign(w) * np.mean(np.abs(w))
    error = np.sum(w_hat * x) - y
    return [a - rate * 2 * error * b for a, b in zip(w, x)]


RIGHT = {
    "straight_through": [by_clipping_first],
    "step_size_gradient": [by_the_derivative_of_the_clip],
    "is_quantized": [by_sorting],
    "one_step": [by_np_sign],
}


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_specifications_are_what_the_library_does(bits):
    rng = np.random.default_rng(bits)
    w, upstream = rng.standard_normal((2, 50)).astype(np.float32)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    recipe = Quantizer(integers(bits), absmax)
    scale = np.float32(recipe.fit(w)[0].item())
    got = fake_quantize(w, recipe)[1](upstream)[0]
    assert np.allclose(got, chapter_09.straight_through.spec(w, upstream, scale, low, high))
    got = fake_quantize(w, recipe, 0.3)[1](upstream)[1].item()
    expected = chapter_09.step_size_gradient.spec(w, upstream, np.float32(0.3), low, high)
    assert np.isclose(got, expected, rtol=1e-4)

"""Answers a learner may well give to chapter 08's exercises: wrong ones are told so, right ones
pass whatever their style."""

import math

import numpy as np

from quantedu import ptq
from quantedu.exercises import chapter_08
from quantedu.recipes import int_affine


def range_of_all(batches, constant):
    return min(b.min() for b in batches), max(b.max() for b in batches)


def range_of_the_last(batches, constant):
    return batches[-1].min(), batches[-1].max()


def mean_of_the_ranges(batches, constant):
    return np.mean([b.min() for b in batches]), np.mean([b.max() for b in batches])


def starts_from_zero(batches, constant):
    low = high = 0.0
    for b in batches:
        low, high = low + constant * (b.min() - low), high + constant * (b.max() - high)
    return low, high


def constant_on_the_old(batches, constant):
    low, high = batches[0].min(), batches[0].max()
    for b in batches[1:]:
        low = constant * low + (1 - constant) * b.min()
        high = constant * high + (1 - constant) * b.max()
    return low, high


def error_of(x, bits, t, clipped=True, steps=None):
    scale = t / (steps or 2**bits - 1)
    q = np.rint(x / scale)
    return (scale * (np.clip(q, 0, 2**bits - 1) if clipped else q) - x) ** 2


def never_clips(x, bits, thresholds):
    return thresholds[-1]


def clipping_forgotten(x, bits, thresholds):
    return thresholds[np.argmin([error_of(x, bits, t, clipped=False).sum() for t in thresholds])]


def only_what_is_kept(x, bits, thresholds):
    return thresholds[np.argmin([error_of(x[x <= t], bits, t).sum() for t in thresholds])]


def one_level_too_many(x, bits, thresholds):
    return thresholds[np.argmin([error_of(x, bits, t, steps=2**bits).sum() for t in thresholds])]


def signed_levels(x, bits, thresholds):
    def error(t):
        top = 2 ** (bits - 1) - 1 or 1
        return ((t / top * np.clip(np.rint(x / t * top), 0, top)) - x) ** 2

    return thresholds[np.argmin([error(t).sum() for t in thresholds])]


def position_of_the_best(x, bits, thresholds):
    return np.argmin([error_of(x, bits, t).sum() for t in thresholds])


def shift_of_31_always(factor):
    return round(factor * 2**31), 31


def fifteen_bits(factor):
    m, e = math.frexp(factor)
    return round(m * 2**15), 15 - e


def without_the_trap(factor):
    m, e = math.frexp(factor)
    return round(m * 2**31), 31 - e


def cut_instead_of_rounded(factor):
    m, e = math.frexp(factor)
    return int(m * 2**31), 31 - e


def normal_from_one_to_two(factor):
    m, e = math.frexp(factor)
    return round(m * 2**32), 32 - e


def through(codes, zero_in, weights, bias, multiplier, shift, zero_out, half=True, cast=np.int64):
    sums = weights.astype(cast) @ (codes.astype(np.int64) - zero_in) + bias
    return (sums * multiplier + (1 << (shift - 1)) * half) >> shift


def wraps_in_int16(codes, zero_in, weights, bias, multiplier, shift, zero_out):
    sums = (weights @ codes).astype(np.int64) - zero_in * weights.sum(axis=1, dtype=np.int64) + bias
    code = (sums * multiplier + (1 << (shift - 1))) >> shift
    return np.clip(code + zero_out, zero_out, 255)


def zero_point_forgotten(codes, zero_in, *rest):
    return np.clip(through(codes, 0, *rest) + rest[-1], rest[-1], 255)


def relu_at_code_0(codes, zero_in, *rest):
    return np.clip(through(codes, zero_in, *rest) + rest[-1], 0, 255)


def relu_forgotten(codes, zero_in, *rest):
    return np.minimum(through(codes, zero_in, *rest) + rest[-1], 255)


def never_saturates(codes, zero_in, *rest):
    return np.maximum(through(codes, zero_in, *rest) + rest[-1], rest[-1])


def shift_cuts(codes, zero_in, *rest):
    return np.clip(through(codes, zero_in, *rest, half=False) + rest[-1], rest[-1], 255)


def product_in_int32(codes, zero_in, weights, bias, multiplier, shift, zero_out):
    sums = (weights.astype(np.int64) @ (codes.astype(np.int64) - zero_in) + bias).astype(np.int32)
    code = (sums * np.int32(multiplier)).astype(np.int64) >> shift
    return np.clip(code + zero_out, zero_out, 255)


WRONG = {
    "moving_range": [
        range_of_all,
        range_of_the_last,
        mean_of_the_ranges,
        starts_from_zero,
        constant_on_the_old,
    ],
    "best_threshold": [
        never_clips,
        clipping_forgotten,
        only_what_is_kept,
        one_level_too_many,
        signed_levels,
        position_of_the_best,
    ],
    "fixed_point": [
        shift_of_31_always,
        fifteen_bits,
        without_the_trap,
        cut_instead_of_rounded,
        normal_from_one_to_two,
    ],
    "integer_layer": [
        wraps_in_int16,
        zero_point_forgotten,
        relu_at_code_0,
        relu_forgotten,
        never_saturates,
        shift_cuts,
        product_in_int32,
    ],
}


def moving_by_weights(batches, constant):
    ranges = np.array([[b.min(), b.max()] for b in batches])
    n = len(ranges)
    weights = constant * (1 - constant) ** np.arange(n - 1, -1, -1)
    weights[0] = (1 - constant) ** (n - 1)
    return weights @ ranges


def moving_by_the_library(batches, constant):
    groups = [np.float32(b).reshape(1, -1) for b in batches]
    return ptq.observe_moving_average(constant)(groups, int_affine(8))[0]


def best_by_distance(x, bits, thresholds):
    steps = np.arange(2**bits) / (2**bits - 1)
    levels = thresholds[:, None] * steps
    error = (np.abs(x[None, :, None] - levels[:, None, :]).min(axis=2) ** 2).sum(axis=1)
    return float(thresholds[error.argmin()])


def fixed_point_by_the_library(factor):
    return ptq.fixed_point(factor)


def fixed_point_by_doubling(factor):
    shift = 0
    while round(factor * 2 ** (shift + 1)) < 2**31:
        shift += 1
    return [round(factor * 2**shift), shift]


def layer_with_folded_bias(codes, zero_in, weights, bias, multiplier, shift, zero_out):
    weights = weights.astype(np.int32)
    folded = bias - zero_in * weights.sum(axis=1)
    code = ptq.requantize(weights @ codes.astype(np.int32) + folded, multiplier, shift)
    return np.minimum(np.maximum(code, 0) + zero_out, 255)


RIGHT = {
    "moving_range": [moving_by_weights, moving_by_the_library],
    "best_threshold": [best_by_distance],
    "fixed_point": [fixed_point_by_the_library, fixed_point_by_doubling],
    "integer_layer": [layer_with_folded_bias],
}


def test_the_specification_of_the_layer_is_the_librarys_layer():
    for case in chapter_08.integer_layer.cases(np.random.default_rng(1)):
        codes, zero_in, weights, bias, multiplier, shift, zero_out = case
        folded = bias - zero_in * weights.astype(int).sum(axis=1)
        unit = np.ones(len(bias))
        layer = ptq.IntegerLayer(weights, folded, unit, multiplier, shift, zero_out, 255)
        np.testing.assert_array_equal(layer(codes), chapter_08.integer_layer.spec(*case))

"""Answers a learner may well give to chapter 04's exercises: wrong ones are told so, right ones
pass whatever their style."""

import math

import numpy as np

from quantedu.exercises import chapter_04
from quantedu.layout import unpack
from quantedu.metrics import sqnr_db
from quantedu.recipes import int_absmax


def signed_maximum(x, block_size):
    flat = np.append(x, np.zeros(-x.size % block_size))
    return flat.reshape(-1, block_size).max(axis=1)


def without_the_tail(x, block_size):
    n = x.size // block_size
    return np.abs(x.ravel()[: n * block_size].reshape(n, block_size)).max(axis=1, initial=0)


def n_values_in_a_block(x, block_size):
    """The notes' mistake: as many values in a block as there should be blocks."""
    n = -(-x.size // block_size)
    flat = np.append(x, np.zeros(-x.size % n))
    return np.abs(flat.reshape(-1, n)).max(axis=1)


def blocks_of_each_row(x, block_size):
    rows = np.atleast_2d(x)
    return np.concatenate([chapter_04.block_absmax.spec(row, block_size) for row in rows])


def reduceat(x, block_size):
    return np.maximum.reduceat(np.abs(x.ravel()), np.arange(0, x.size, block_size))


def one_scale(x, bits, block_size):
    return int_absmax(bits)(x)


def dividing_by_zero_scales(x, bits, block_size):
    scale = scales(x, bits, block_size)
    with np.errstate(invalid="ignore"):
        return np.rint(x / scale) * scale


def one_code_too_many(x, bits, block_size):
    scale = scales(x, bits, block_size) * (2 ** (bits - 1) - 1) / 2 ** (bits - 1)
    return np.rint(x / np.where(scale == 0, 1, scale)) * scale


def cut_off(x, bits, block_size):
    scale = scales(x, bits, block_size)
    return np.trunc(x / np.where(scale == 0, 1, scale)) * scale


def flat_answer(x, bits, block_size):
    return chapter_04.blockwise.spec(x, bits, block_size).ravel()


def the_library(x, bits, block_size):
    return int_absmax(bits, block_size=block_size)(x)


def multiplying_by_c(x, bits, block_size):
    scale = scales(x, bits, block_size)
    c = 1 / np.where(scale == 0, 1, scale)
    return np.rint(c * x) / c


def scales(x, bits, block_size):
    absmax = reduceat(x, block_size) / (2 ** (bits - 1) - 1)
    return np.repeat(absmax, block_size)[: x.size].reshape(x.shape)


def always_high_first(packed, count, high_first):
    return np.stack([packed >> 4, packed & 15], axis=1).ravel()[:count]


def one_after_the_other(packed, count, high_first):
    halves = [packed >> 4, packed & 15]
    return np.concatenate(halves if high_first else halves[::-1])[:count]


def with_the_padding(packed, count, high_first):
    halves = [packed >> 4, packed & 15]
    return np.stack(halves if high_first else halves[::-1], axis=1).ravel()


def high_nibble_not_shifted(packed, count, high_first):
    halves = [packed & 0xF0, packed & 15]
    return np.stack(halves if high_first else halves[::-1], axis=1).ravel()[:count]


def interleaved_by_slices(packed, count, high_first):
    codes = np.empty(2 * packed.size, dtype=np.uint8)
    codes[1 - high_first :: 2] = packed >> 4
    codes[int(high_first) :: 2] = packed % 16
    return codes[:count]


def library_unpack(packed, count, high_first):
    return unpack(packed, 4, count, "high_first" if high_first else "low_first")


def only_the_codes(n, bits, block_size, double_quant):
    return -(-n * bits // 8)


def formula_without_rounding_up(n, bits, block_size, double_quant):
    overhead = 8 / block_size + 32 / (256 * block_size) if double_quant else 32 / block_size
    return int(n * (bits + overhead) / 8)


def forgetting_the_mean(n, bits, block_size, double_quant):
    blocks = -(-n // block_size)
    scales = blocks + 4 * -(-blocks // 256) if double_quant else 4 * blocks
    return -(-n * bits // 8) + scales


def no_tail(n, bits, block_size, double_quant):
    blocks = n // block_size
    scales = blocks + 4 * -(-blocks // 256) + 4 if double_quant else 4 * blocks
    return -(-n * bits // 8) + scales


def bytes_by_rounding_up(n, bits, block_size, double_quant):
    scales = math.ceil(n / block_size)
    beside = scales + 4 * math.ceil(scales / 256) + 4 if double_quant else 4 * scales
    return math.ceil(n * bits / 8) + beside


def smallest_block_first(x, bits, wanted_db):
    for block_size in 2 ** np.arange(4, 13):
        if sqnr_db(x, int_absmax(bits, block_size=block_size)(x)) >= wanted_db:
            return block_size
    return None


def always_64(x, bits, wanted_db):
    return 64


def never_none(x, bits, wanted_db):
    return chapter_04.choose_block_size.spec(x, bits, wanted_db) or 16


def from_below(x, bits, wanted_db):
    sizes = 2 ** np.arange(4, 13)
    good = [b for b in sizes if sqnr_db(x, int_absmax(bits, block_size=b)(x)) >= wanted_db]
    return max(good, default=None)


WRONG = {
    "block_absmax": [signed_maximum, without_the_tail, n_values_in_a_block, blocks_of_each_row],
    "blockwise": [
        one_scale,
        dividing_by_zero_scales,
        one_code_too_many,
        cut_off,
        flat_answer,
    ],
    "unpack_nibbles": [
        always_high_first,
        one_after_the_other,
        with_the_padding,
        high_nibble_not_shifted,
    ],
    "stored_bytes": [only_the_codes, formula_without_rounding_up, forgetting_the_mean, no_tail],
    "choose_block_size": [smallest_block_first, always_64, never_none],
}
RIGHT = {
    "block_absmax": [reduceat],
    "blockwise": [the_library, multiplying_by_c],
    "unpack_nibbles": [interleaved_by_slices, library_unpack],
    "stored_bytes": [bytes_by_rounding_up],
    "choose_block_size": [from_below],
}


def test_stored_bytes_are_the_published_bits_per_value():
    """QLoRA, arXiv 2305.14314, section 3: 0.5 bits for the scales of 64, 0.127 when doubled."""
    n = 2**24
    bits = [8 * chapter_04.stored_bytes.spec(n, 4, 64, double) / n for double in (False, True)]
    assert bits[0] == 4.5
    assert bits[1] == 4 + 8 / 64 + 32 / (64 * 256) + 32 / n

"""Answers a learner may well give to chapter 07's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np

from quantedu import codebooks
from quantedu.exercises import chapter_07
from quantedu.recipes import ternary_weights

# ---------------------------------------------------------------------- wrong


def mean_magnitude_whatever_the_levels(w, levels):
    return np.abs(w).mean()


def largest_over_largest(w, levels):
    return np.abs(w).max() / (np.abs(levels).max() or 1)


def ratio_of_magnitudes(w, levels):
    return np.abs(w).sum() / (np.abs(levels).sum() or 1)


def divided_by_the_weights(w, levels):
    return np.sum(w * levels) / np.sum(w * w)


def nothing_over_nothing(w, levels):
    with np.errstate(invalid="ignore"):
        return np.sum(w * levels) / np.sum(levels * levels)


def scale_of_all(w):
    mean = np.abs(w).mean()
    return np.sign(w) * (np.abs(w) > 0.7 * mean) * mean


def cut_by_the_largest(w):
    large = np.abs(w) > 0.7 * np.abs(w).max()
    return np.sign(w) * large * (np.abs(w[large]).mean() if large.any() else 0)


def cut_at_half_the_scale(w):
    scale = np.abs(ternary_right(w)).max()
    return np.sign(w) * (np.abs(w) > scale / 2) * scale


def as_bitnet_does(w):
    mean = np.abs(w).mean() or 1
    return np.clip(np.rint(w / mean), -1, 1) * mean


def mean_of_nothing(w):
    mean = np.abs(w).mean()
    large = np.abs(w) > 0.7 * mean
    with np.errstate(all="ignore"):
        return np.sign(w) * large * (np.abs(w[large]).sum() / np.float64(large.sum()))


def mean_with_sign(w):
    large = np.abs(w) > 0.7 * abs(w.mean())
    return np.sign(w) * large * (np.abs(w[large]).mean() if large.any() else 0)


def nearest_in_value(w, lowest):
    powers = 2.0 ** np.arange(lowest, 1)
    return np.sign(w) * powers[np.abs(np.abs(w)[:, None] - powers).argmin(axis=1)]


def the_power_below(w, lowest):
    return np.sign(w) * 2.0 ** np.clip(np.floor(np.log2(np.abs(w))), lowest, 0)


def without_sign(w, lowest):
    return 2.0 ** np.clip(np.rint(np.log2(np.abs(w))), lowest, 0)


def without_ends(w, lowest):
    return np.sign(w) * 2.0 ** np.rint(np.log2(np.abs(w)))


def only_the_exponents(w, lowest):
    return np.clip(np.rint(np.log2(np.abs(w))), lowest, 0)


def of_natural_logarithms(w, lowest):
    return np.sign(w) * 2.0 ** np.clip(np.rint(np.log(np.abs(w))), lowest, 0)


def codes_of(x, levels):
    return np.abs(x[:, None] - levels).argmin(axis=1)


def medians(x, levels):
    codes = codes_of(x, levels)
    return np.array(
        [np.median(x[codes == k]) if (codes == k).any() else old for k, old in enumerate(levels)]
    )


def middles_of_the_cells(x, levels):
    cuts = np.concatenate([[x.min()], (levels[1:] + levels[:-1]) / 2, [x.max()]])
    return (cuts[1:] + cuts[:-1]) / 2


def empty_becomes_zero(x, levels):
    codes = codes_of(x, levels)
    count = np.bincount(codes, minlength=len(levels))
    return np.bincount(codes, x, minlength=len(levels)) / np.maximum(count, 1)


def empty_is_dropped(x, levels):
    codes = codes_of(x, levels)
    return np.array([x[codes == k].mean() for k in np.unique(codes)])


def split_at_the_levels(x, levels):
    codes = np.minimum(np.searchsorted(levels, x), len(levels) - 1)
    return np.array(
        [x[codes == k].mean() if (codes == k).any() else old for k, old in enumerate(levels)]
    )


def all_the_way(x, levels):
    for _ in range(100):
        levels = chapter_07.lloyd_round.spec(x, levels)
    return levels


def first_is_worth_most(trits):
    return ((trits + 1).reshape(-1, 5) @ 3 ** np.arange(5)[::-1]).astype(np.uint8)


def powers_of_two(trits):
    return ((trits + 1).reshape(-1, 5) @ 2 ** np.arange(5)).astype(np.uint8)


def without_the_one(trits):
    return (trits.reshape(-1, 5) @ 3 ** np.arange(5)).astype(np.uint8)


def columns_instead_of_rows(trits):
    return (3 ** np.arange(5) @ (trits + 1).reshape(5, -1)).astype(np.uint8)


WRONG = {
    "best_scale": [
        mean_magnitude_whatever_the_levels,
        largest_over_largest,
        ratio_of_magnitudes,
        divided_by_the_weights,
        nothing_over_nothing,
    ],
    "ternary": [
        scale_of_all,
        cut_by_the_largest,
        cut_at_half_the_scale,
        as_bitnet_does,
        mean_of_nothing,
        mean_with_sign,
    ],
    "nearest_power": [
        nearest_in_value,
        the_power_below,
        without_sign,
        without_ends,
        only_the_exponents,
        of_natural_logarithms,
    ],
    "lloyd_round": [
        medians,
        middles_of_the_cells,
        empty_becomes_zero,
        empty_is_dropped,
        split_at_the_levels,
        all_the_way,
    ],
    "pack_trits": [first_is_worth_most, powers_of_two, without_the_one, columns_instead_of_rows],
}

# ---------------------------------------------------------------------- right


def scale_by_least_squares(w, levels):
    return float(np.linalg.lstsq(levels[:, None], w, rcond=None)[0][0])


def scale_by_dot_products(w, levels):
    return (w @ levels) / ((levels @ levels) or 1)


def ternary_right(w):
    magnitude = np.abs(w)
    kept = magnitude[magnitude > 0.7 * np.mean(magnitude)]
    scale = kept.mean() if len(kept) else 0
    return np.where(magnitude > 0.7 * np.mean(magnitude), np.copysign(scale, w), 0)


def power_by_frexp(w, lowest):
    fraction, exponent = np.frexp(np.abs(w))
    exponent = exponent - (fraction < 0.5**0.5)
    return np.copysign(np.ldexp(1.0, np.clip(exponent, lowest, 0)), w)


def round_by_bincount(x, levels):
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, x)
    count = np.bincount(codes, minlength=len(levels))
    total = np.bincount(codes, x, minlength=len(levels))
    return np.where(count > 0, total / np.maximum(count, 1), levels)


def trits_by_a_loop(trits):
    return [
        sum((int(t) + 1) * 3**i for i, t in enumerate(trits[k : k + 5]))
        for k in range(0, len(trits), 5)
    ]


RIGHT = {
    "best_scale": [scale_by_least_squares, scale_by_dot_products],
    "ternary": [ternary_right],
    "nearest_power": [power_by_frexp],
    "lloyd_round": [round_by_bincount],
    "pack_trits": [trits_by_a_loop],
}


def test_the_specification_of_ternary_is_the_recipe_of_the_library():
    x = np.random.default_rng(1).standard_normal(500).astype(np.float32)
    np.testing.assert_allclose(chapter_07.ternary.spec(x), ternary_weights()(x), rtol=1e-6)


def test_the_specification_of_powers_is_the_codebook_without_a_zero():
    x = np.random.default_rng(2).uniform(-1, 1, 500).astype(np.float32)
    book = codebooks.log2(4, zero=False)
    np.testing.assert_array_equal(chapter_07.nearest_power.spec(x, -7), book.decode(book.encode(x)))


def test_rounds_end_at_the_levels_of_lloyd_max():
    x = np.random.default_rng(3).standard_normal(300)
    levels = codebooks.lloyd_max(x, 2).levels.astype(np.float64)
    np.testing.assert_allclose(chapter_07.lloyd_round.spec(x, levels), levels, rtol=1e-6)

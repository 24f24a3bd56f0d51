"""Levels as published, the nearest one chosen, and the fast path held to the definition."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
import quantizer_spec as spec
from format_cases import SMALL
from hypothesis import given
from hypothesis import strategies as st

from quantedu import codebooks, formats
from quantedu.codebooks import (
    BINARY,
    DYNAMIC8,
    FP4_BITSANDBYTES,
    INT4,
    INT8,
    NF4,
    UINT8,
    Codebook,
    format_codebook,
    integers,
    lloyd_max,
    log2,
    normal_float,
    ternary,
    uniform,
)

IN_FLOAT32 = [fmt for fmt in SMALL if fmt._fits(np.dtype(np.float32))]
INTEGERS = [integers(bits, signed) for bits in range(2, 9) for signed in (True, False)]
INTEGERS += [integers(bits, narrow=True) for bits in range(2, 9)]
MIDPOINT = [*INTEGERS, *(uniform(bits) for bits in range(1, 9)), *map(format_codebook, IN_FLOAT32)]
TABLES = [DYNAMIC8, FP4_BITSANDBYTES]
TABLES += [normal_float(bits, symmetric) for bits in range(2, 9) for symmetric in (False, True)]
ODD = [
    Codebook("shuffled", [0.5, -3.0, 2.0, -0.125, 7.0]),
    Codebook("three zeros", [0.0, 0.0, -0.0, 1.0]),
    Codebook("one", [1.0]),
    Codebook("binary", [-1.0, 1.0]),
    Codebook("crowded", [1.0, 1.0001, 1.0002, -5.0]),
    Codebook("wide", [-3.4e38, -1e-45, 0.0, 1e-45, 3.4e38]),
]
LOG2 = [log2(bits, zero) for zero in (True, False) for bits in range(1 + zero, 9)]
LOW = [BINARY, ternary(), ternary(0.7), *LOG2]
ALL = [*MIDPOINT, *TABLES, *ODD, *LOW]


def normal(x):
    return np.exp(-(x**2) / 2)


def of(books):
    return pytest.mark.parametrize("book", books, ids=lambda book: book.name)


def hard_inputs(book):
    """Levels, thresholds, their float32 neighbours, both zeros, subnormals, both ends."""
    levels = book.levels[np.isfinite(book.levels)].astype(np.float64)
    near = np.concatenate(
        [levels, book.thresholds, (np.sort(levels)[1:] + np.sort(levels)[:-1]) / 2]
    )
    near = near.astype(np.float32)
    ends = np.float32([0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, np.inf, -np.inf])
    up, down = np.nextafter(near, ends[6]), np.nextafter(near, ends[7])
    return np.concatenate([near, up, down, ends])


# ---------------------------------------------------------------------- the nearest level


@of(MIDPOINT)
def test_the_code_is_that_of_the_nearest_level(book):
    x = np.concatenate([hard_inputs(book), np.random.default_rng(0).normal(0, 3, 500)])
    x = np.clip(x.astype(np.float32), -3.4e38, 3.4e38)
    levels = book.levels.astype(np.float64)
    error = np.abs(x.astype(np.float64)[:, None] - levels)
    error = np.where(np.isfinite(levels), error, np.inf)
    chosen = levels[book.encode(x)]
    np.testing.assert_array_equal(np.abs(x.astype(np.float64) - chosen), error.min(axis=1))


@of(INTEGERS)
def test_integers_round_ties_to_even_and_saturate(book):
    for half in np.arange(-600, 600):
        expected = min(max(round(half / 2), book.min), book.max)
        assert book.decode(book.encode(half / 2)) == expected
    assert book.encode([3e38, -3e38]).tolist() == book.encode([book.max, book.min]).tolist()


@pytest.mark.parametrize("bits", range(2, 9))
def test_integer_codes_are_twos_complement(bits):
    for value in range(-(2 ** (bits - 1)), 2 ** (bits - 1)):
        assert integers(bits).encode(float(value)) == value % 2**bits
    assert np.isnan(integers(bits, narrow=True).levels[2 ** (bits - 1)])
    assert integers(bits, narrow=True).encode(-1e9) == 2 ** (bits - 1) + 1


@pytest.mark.parametrize("fmt", IN_FLOAT32, ids=lambda fmt: fmt.name)
def test_a_formats_codebook_has_the_codes_of_its_saturating_encode(fmt):
    book = format_codebook(fmt)
    bits = np.random.default_rng(1).integers(0, 2**32, 2**17, dtype=np.uint32)
    x = np.concatenate([hard_inputs(book), bits.view(np.float32)])
    x = x[~np.isnan(x)]
    x = x if fmt.signed else np.abs(x)
    expected = fmt.encode(x, overflow="saturate")
    np.testing.assert_array_equal(book.encode(x), expected)
    np.testing.assert_array_equal(book.encode(x[:3000]), expected[:3000])


def test_minus_zero_has_its_own_code_where_the_format_has():
    assert format_codebook(formats.E2M1).encode([0.0, -0.0, -0.1, 0.1]).tolist() == [0, 8, 8, 0]
    assert format_codebook(formats.E4M3FNUZ).encode([-0.0, -1e-9]).tolist() == [0, 0]


def test_where_two_codes_mean_zero_the_first_serves_x_up_to_zero_and_the_second_above():
    book = normal_float(4, symmetric=True)
    assert book.levels[[7, 8]].tolist() == [0, 0]
    assert book.encode([-0.0, 0.0, -1e-45, 1e-45]).tolist() == [7, 7, 7, 8]
    assert FP4_BITSANDBYTES.encode([0.0, -1e-45, 1e-45]).tolist() == [0, 0, 8]


@of(TABLES)
def test_thresholds_of_the_tables_are_float32_midpoints_and_ties_go_down(book):
    ranked = np.sort(book.levels)
    midpoints = [(low + high) / np.float32(2) for low, high in itertools.pairwise(ranked)]
    assert book.thresholds.tolist() == midpoints
    np.testing.assert_array_equal(book.decode(book.encode(book.thresholds)), ranked[:-1])


def test_float32_midpoints_differ_from_real_ones_at_6_of_nf4s_15_thresholds():
    real = Codebook("NF4 at the real midpoints", NF4.levels)
    assert np.count_nonzero(real.thresholds != NF4.thresholds) == 6
    assert np.abs(real.thresholds - NF4.thresholds).max() < 6e-8


@of(ODD)
def test_thresholds_are_midpoints_where_none_are_given(book):
    for x in hard_inputs(book):
        if np.isfinite(x):
            nearest = min(abs(float(x) - float(level)) for level in book.levels)
            assert abs(float(x) - float(book.decode(book.encode(x)))) == nearest


@of(ALL)
def test_the_fast_path_gives_what_the_definition_gives(book):
    bits = np.random.default_rng(2).integers(0, 2**32, 2**17, dtype=np.uint32)
    corners = np.arange(2**16, dtype=np.uint32) << 16
    x = np.concatenate([bits, corners, corners | 0xFFFF]).view(np.float32)
    x = np.concatenate([x[~np.isnan(x)], hard_inputs(book)])
    codes = book.encode(x)
    np.testing.assert_array_equal(codes, book._encode_definition(x))
    np.testing.assert_array_equal(book.decode(codes), book.levels[codes])
    np.testing.assert_array_equal(book.decode(codes[1:]), book.levels[codes[1:]])


@of([*INTEGERS, *TABLES, *LOW, *(format_codebook(fmt) for fmt in formats.FORMATS if fmt.bits <= 8)])
def test_every_codebook_of_the_library_has_a_fast_path(book):
    assert codebooks._lookup(book) is not None


def test_levels_that_crowd_away_from_zero_have_none_and_are_still_right():
    crowded = Codebook("crowded", 1 + np.arange(16) / 2**12)
    assert codebooks._lookup(crowded) is None
    x = np.linspace(1, 1.01, 2**16, dtype=np.float32)
    expected = [spec.code_by_thresholds(v, range(16), crowded.thresholds) for v in x[::64]]
    assert crowded.encode(x)[::64].tolist() == expected


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("off", [0.0, 1e3])
def test_k_means_levels_are_encoded_by_the_definition_crowded_away_from_zero_or_not(bits, off):
    rng = np.random.default_rng(bits)
    x = (off + rng.standard_normal(2**16)).astype(np.float32)
    book = lloyd_max(x, bits)
    assert (codebooks._lookup(book) is None) == (off > 0)
    expected = [spec.code_by_thresholds(v, range(2**bits), book.thresholds) for v in x[::64]]
    assert book.encode(x)[::64].tolist() == expected
    np.testing.assert_array_equal(book.encode(x), book._encode_definition(x))


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20), st.data())
def test_any_levels_make_a_monotone_idempotent_codebook(levels, data):
    book = Codebook("any", levels)
    x = np.sort(data.draw(st.lists(st.floats(width=32, allow_nan=False), min_size=2)))
    x_hat = book.decode(book.encode(x.astype(np.float32)))
    assert np.all(np.diff(x_hat) >= 0)
    np.testing.assert_array_equal(book.decode(book.encode(x_hat)), x_hat)


@pytest.mark.parametrize(
    "x", [[1, 2], np.int8([1, 2]), np.float16([1, 2]), np.float64([1, 2]), 1.0]
)
def test_any_real_array_is_encoded_and_keeps_its_shape(x):
    codes = INT8.encode(x)
    assert codes.dtype == np.uint8
    assert codes.tolist() == np.asarray(x).tolist()


# ---------------------------------------------------------------------- published tables

NF4_PUBLISHED = [  # bitsandbytes, `get_4bit_type("nf4")`; the QLoRA paper's appendix E
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]


def test_nf4_is_the_published_table_bit_for_bit():
    assert NF4.levels.dtype == np.float32
    assert NF4.levels.tobytes() == np.float32(NF4_PUBLISHED).tobytes()


def nf4_by(offset, linspace):
    def quantile(p):
        return np.float32(NormalDist().inv_cdf(float(p)))

    positive = [quantile(p) for p in linspace(offset, 9)[:-1]]
    negative = [-quantile(p) for p in linspace(offset, 8)[:-1]]
    return np.sort(np.float32([*negative, 0, *positive])) / positive[0]


def float32_linspace(start, n):
    step = (np.float32(0.5) - np.float32(start)) / np.float32(n - 1)
    first = [np.float32(start) + step * np.float32(i) for i in range(n // 2)]
    return first + [np.float32(0.5) - step * np.float32(n - 1 - i) for i in range(n // 2, n)]


def test_both_culprits_are_needed_for_the_last_bit():
    def float64_linspace(start, n):
        return np.linspace(start, 0.5, n)

    def equal(offset, linspace):
        return np.count_nonzero(nf4_by(offset, linspace) == np.float32(NF4_PUBLISHED))

    formula, truncated = 929 / 960, 0.9677083
    assert formula == pytest.approx((1 - 1 / (2 * 15) + 1 - 1 / (2 * 16)) / 2, abs=1e-15)
    assert equal(formula, float64_linspace) == equal(formula, float32_linspace) == 4
    assert 6 <= equal(truncated, float64_linspace) <= 8  # how scipy or libm round decides
    assert equal(truncated, float32_linspace) == 16
    assert np.abs(nf4_by(formula, float64_linspace) - NF4_PUBLISHED).max() < 2e-7


@pytest.mark.parametrize("bits", range(2, 9))
def test_normal_float_has_ends_zero_and_one_more_level_above_than_below(bits):
    levels, half = normal_float(bits).levels, 2 ** (bits - 1)
    assert levels[[0, half - 1, -1]].tolist() == [-1, 0, 1]
    assert np.all(np.diff(levels) > 0)
    symmetric = normal_float(bits, symmetric=True).levels
    np.testing.assert_array_equal(symmetric, -symmetric[::-1])
    assert symmetric[[half - 1, half]].tolist() == [0, 0]


def test_the_offset_moves_the_inner_levels_and_is_refused_at_infinity():
    assert normal_float(4, offset=0.999).levels[14] < NF4.levels[14]
    for offset in (0.5, 1.0, 1.2):
        with pytest.raises(ValueError, match=r"must lie between 1/2 and 1"):
            normal_float(4, offset=offset)


def test_dynamic8_is_what_bitsandbytes_makes():
    # arXiv 2110.02861: for i = 0 … 6, 10^(i − 6) times the middles of 2^i parts of [0.1, 1]
    exact = [0.0, 1.0]
    for i in range(7):
        width = 0.9 / 2**i
        middles = [0.1 + width * (k + 0.5) for k in range(2**i)]
        exact += [sign * 10.0 ** (i - 6) * middle for middle in middles for sign in (-1, 1)]
    np.testing.assert_allclose(DYNAMIC8.levels, np.sort(exact), rtol=2e-7)
    assert DYNAMIC8.levels.size == 256
    assert DYNAMIC8.levels[127] == 0
    # the sum of the library's map, and one entry that float64 steps would round otherwise
    assert DYNAMIC8.min == np.float32(-0.992968738079071)


def test_fp4_of_bitsandbytes_counts_twelfths_in_its_own_order():
    twelfths = [0, 0.0625, 8, 12, 4, 6, 2, 3]
    np.testing.assert_array_equal(
        FP4_BITSANDBYTES.levels[:8], np.float32(twelfths) / np.float32(12)
    )
    np.testing.assert_array_equal(FP4_BITSANDBYTES.levels[8:], -FP4_BITSANDBYTES.levels[:8])


def test_uniform_levels_are_evenly_spaced_without_zero():
    assert uniform(1).levels.tolist() == [-1, 1]
    np.testing.assert_allclose(np.diff(uniform(4).levels), 2 / 15, rtol=1e-6)
    assert 0 not in uniform(4).levels


# ---------------------------------------------------------------------- the low end


def test_the_sign_of_zero_is_positive():
    assert BINARY.encode([-1e-45, -0.0, 0.0, 1e-45]).tolist() == [0, 1, 1, 1]
    np.testing.assert_array_equal(np.sort(log2(1, zero=False).levels), BINARY.levels)
    np.testing.assert_array_equal(log2(1, zero=False).thresholds, BINARY.thresholds)


def test_ternary_takes_its_thresholds_themselves_as_zero():
    for threshold in (0.5, 0.7, 1 / 3):
        book = ternary(threshold)
        inside = np.float32(threshold)
        inside = inside if float(inside) <= threshold else np.nextafter(inside, np.float32(0))
        outside = np.nextafter(inside, np.float32(1))
        x = np.float32([-outside, -inside, inside, outside])
        assert book.decode(book.encode(x)).tolist() == [-1, 0, 0, 1]
        assert book.bits == 2
        assert book.is_integer


def test_ternary_at_a_half_has_the_codes_of_two_bit_integers():
    np.testing.assert_array_equal(ternary().levels, integers(2, narrow=True).levels)
    np.testing.assert_array_equal(ternary().thresholds, integers(2, narrow=True).thresholds)
    np.testing.assert_array_equal(ternary().thresholds, log2(2).thresholds)


@of(LOG2)
def test_log2_takes_the_nearest_power_in_the_logarithm_for_every_float32(book):
    zero = 0 in book.levels
    x = np.concatenate([hard_inputs(book), np.random.default_rng(0).standard_normal(300)])
    for value in x[np.isfinite(x)].astype(np.float32):
        expected = spec.log2_nearest(value, book.bits, zero)
        assert book.decode(book.encode(value)) == expected


@of(LOG2)
def test_log2_levels_are_the_powers_down_from_1_and_a_code_is_sign_and_magnitude(book):
    half = len(book.levels) // 2
    positive = book.levels[:half][book.levels[:half] > 0]
    np.testing.assert_array_equal(positive[::-1], 2.0 ** -np.arange(positive.size))
    assert positive.size == half - (0 in book.levels)
    np.testing.assert_array_equal(book.levels[half:][-positive.size :], -positive)


def test_the_error_of_log2_stays_within_its_band():
    x = np.geomspace(2**-6.5, 2**0.5, 100_001)[1:-1].astype(np.float32)
    x = x[(x > 2.0**-6.5) & (x < 2**0.5)]
    error = log2(4).decode(log2(4).encode(x)) / x.astype(np.float64) - 1
    assert error.min() == pytest.approx(2**-0.5 - 1, abs=1e-4)  # −29.3 %
    assert error.max() == pytest.approx(2**0.5 - 1, abs=1e-4)  # +41.4 %


def mse_on_the_normal(book):
    x = np.linspace(-9, 9, 400_001)
    weight = normal(x) / normal(x).sum()
    return np.sum(weight * (book.decode(book.encode(x)) - x) ** 2)


MAX_1960 = {  # Max, Quantizing for Minimum Distortion, table I: error, levels above 0
    1: (0.3634, [0.7980]),
    2: (0.1175, [0.4528, 1.510]),
    3: (0.03454, [0.2451, 0.7560, 1.344, 2.152]),
    4: (0.009497, [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733]),
}


@pytest.mark.parametrize("bits", MAX_1960)
def test_lloyd_max_on_the_normal_density_is_the_table_of_max(bits):
    error, levels = MAX_1960[bits]
    book = lloyd_max(normal, bits)
    assert mse_on_the_normal(book) == pytest.approx(error, rel=1e-3)
    np.testing.assert_allclose(book.levels[2 ** (bits - 1) :], levels, rtol=4e-4)
    np.testing.assert_allclose(book.levels, -book.levels[::-1], atol=1e-5)


def test_one_bit_of_lloyd_max_is_the_sign_times_the_mean_magnitude():
    book = lloyd_max(normal, 1)
    assert book.max == pytest.approx((2 / np.pi) ** 0.5, rel=1e-6)
    assert mse_on_the_normal(book) == pytest.approx(1 - 2 / np.pi, rel=1e-5)


@pytest.mark.parametrize("bits", range(1, 9))
def test_lloyd_max_on_a_uniform_density_is_evenly_spaced(bits):
    book = lloyd_max(lambda x: np.ones_like(x), bits, span=(-1, 1))
    expected = (np.arange(2**bits) + 0.5) / 2 ** (bits - 1) - 1
    np.testing.assert_allclose(book.levels, expected, atol=2e-5)


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=40), st.integers(1, 4))
def test_lloyd_max_of_samples_cannot_be_bettered_by_moving_one_level(x, bits):
    book = lloyd_max(x, bits)
    x_hat, x = book.decode(book.encode(x)), np.array(x)
    distinct = np.unique(x)
    assert book.levels.size == min(2**bits, distinct.size)
    if distinct.size <= 2**bits:
        np.testing.assert_array_equal(book.levels, distinct.astype(np.float32))
    slack = 1e-6 * np.abs(x).max()
    for level in np.unique(x_hat):  # each level is the mean of what it stands for
        assert abs(x[x_hat == level].mean() - level) <= slack
    assert set(book.levels.tolist()) == set(x_hat.tolist())  # none is idle


def test_lloyd_max_is_the_same_each_time_and_survives_an_outlier():
    x = np.append(np.random.default_rng(0).standard_normal(4095), 1000.0)
    assert lloyd_max(x, 4) == lloyd_max(x[::-1], 4)
    error = (lloyd_max(x, 4).decode(lloyd_max(x, 4).encode(x)) - x) ** 2
    assert error.mean() < 0.0125  # one level for the outlier, 15 for the rest


def test_a_sample_on_a_threshold_belongs_to_the_lower_level_as_encode_has_it():
    book = lloyd_max([0.0, 1.0, 2.0], 1)
    assert book.levels.tolist() == [0.5, 2.0]
    assert book.decode(book.encode([0.0, 1.0, 2.0])).tolist() == [0.5, 0.5, 2.0]


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("places", [[-11.0, 11.0], [-11.0, -10.5, 3.0], [0.0]])
def test_no_level_of_a_density_stands_where_the_density_is_zero(places, bits):
    """A level to which nothing is nearest moves to what there is, not into the empty rest."""

    def spikes(x):
        return sum((abs(x - place) < 0.01).astype(float) for place in places)

    book = lloyd_max(spikes, bits)
    apart = np.abs(book.levels[:, None] - np.float32(places)).min(axis=1)
    if 2**bits >= len(places):
        assert (apart < 0.01).all(), book.levels
    edges = np.linspace(-12, 12, 2**16 + 1)
    x = (edges[1:] + edges[:-1]) / 2
    used = np.unique(book.encode(x[spikes(x) > 0]))
    assert used.size == book.levels.size  # none is idle


# ---------------------------------------------------------------------- records


def test_codebooks_compare_and_hash_by_content_and_cannot_be_changed():
    again = Codebook("NF4", NF4.levels, NF4.thresholds)
    assert again == NF4
    assert hash(again) == hash(NF4)
    assert Codebook("NF4", NF4.levels) != NF4  # other thresholds
    assert NF4 != "NF4"
    for array in (NF4.levels, NF4.thresholds, NF4.codes_by_rank):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    mine = np.array([1.0, 2.0])
    Codebook("mine", mine)
    mine[0] = 5  # the caller's array stays the caller's


@pytest.mark.parametrize(("n", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8)])
def test_bits_are_what_the_largest_code_needs(n, bits):
    assert Codebook("n", np.arange(float(n))).bits == bits


def test_integer_levels_are_known():
    assert all(book.is_integer for book in INTEGERS)
    assert not any(book.is_integer for book in [NF4, Codebook("gap", [0.0, 2.0]), uniform(4)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Codebook("", [1.0]), TypeError, "name must be a non-empty string"),
        (lambda: Codebook("x", []), ValueError, "must be 1 to 256 numbers in a row"),
        (lambda: Codebook("x", np.zeros((2, 2))), ValueError, r"not shape \(2, 2\)"),
        (lambda: Codebook("x", np.zeros(257)), ValueError, r"not shape \(257,\)"),
        (lambda: Codebook("x", [np.nan]), ValueError, "at least one level must be a finite"),
        (lambda: Codebook("x", ["a"]), TypeError, "must hold real numbers"),
        (lambda: Codebook("x", [0.0, 1.0], [2.0]), ValueError, "must lie between its two levels"),
        (lambda: Codebook("x", [0.0, 1.0], [np.nan]), ValueError, "got 1 of 1, the first nan at 0"),
        (lambda: Codebook("x", [0.0, 1.0], [0.1, 0.2]), ValueError, "have 1 thresholds .* not 2"),
        (lambda: Codebook("x", [0.0], ties="up"), ValueError, "unknown ties 'up'; choose one of"),
        (lambda: NF4.encode([0.0, np.nan]), ValueError, "got 1 of 2, the first nan at 1"),
        (lambda: NF4.encode(["a"]), TypeError, "must hold real numbers"),
        (
            lambda: INT4.decode([16]),
            ValueError,
            "codes of INT4 are 0 … 15; got 1 of 1, the first 16",
        ),
        (lambda: UINT8.decode([-1]), ValueError, "the first -1 at 0"),
        (lambda: NF4.decode([0.5]), TypeError, "codes must be integers"),
        (lambda: integers(9), ValueError, "from 2 to 8, not 9"),
        (lambda: integers(1), ValueError, "from 2 to 8, not 1"),
        (lambda: integers(4, signed=False, narrow=True), ValueError, "pass signed=True"),
        (lambda: uniform(0), ValueError, "from 1 to 8, not 0"),
        (lambda: log2(1), ValueError, "from 2 to 8, not 1"),
        (lambda: log2(0, zero=False), ValueError, "from 1 to 8, not 0"),
        (lambda: ternary(1.0), ValueError, "must lie between 0 and 1"),
        (lambda: lloyd_max([1.0], 9), ValueError, "from 1 to 8, not 9"),
        (lambda: lloyd_max([], 2), ValueError, "at least one sample"),
        (lambda: lloyd_max([np.nan], 2), ValueError, "all finite"),
        (lambda: lloyd_max(lambda x: 0 * x, 2), ValueError, "a density above 0"),
        (lambda: lloyd_max(normal, 2, span=(12, -12)), ValueError, "the lower one first"),
        (lambda: lloyd_max(normal, 2, span=(3, 3)), ValueError, "two finite numbers"),
        (lambda: lloyd_max(normal, 2, span=(0, np.inf)), ValueError, "two finite numbers"),
        (lambda: lloyd_max(normal, 2, span=(1, 2, 3)), ValueError, "too many values"),
        (lambda: lloyd_max(lambda x: x + 1j, 2), TypeError, "must hold real numbers"),
        (lambda: lloyd_max(lambda x: "text", 2), TypeError, "must hold real numbers"),
        (lambda: normal_float(4, symmetric=3), TypeError, "symmetric must be True or False, not 3"),
        (lambda: log2(4, zero=5), TypeError, "zero must be True or False, not 5"),
        (lambda: log2(4, zero=1j), TypeError, "zero must be True or False, not 1j"),
        (lambda: integers(4, signed=None), TypeError, "signed must be True or False"),
        (lambda: integers(4, narrow="no"), TypeError, "narrow must be True or False"),
        (lambda: normal_float(1), ValueError, "from 2 to 8, not 1"),
        (
            lambda: format_codebook("E4M3"),
            TypeError,
            "FloatFormat such as quantedu.E4M3, not 'E4M3'",
        ),
        (lambda: format_codebook(formats.FP16), ValueError, "has 16 bits .* up to 8 bits"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_empty_arrays_stay_empty():
    assert NF4.encode([]).shape == NF4.decode([]).shape == (0,)
    assert math.isclose(NF4.max, 1)


def test_many_codes_of_one_level_leave_the_others_their_place():
    """Lowered by ties="even", a threshold once lay below its left neighbour, and 0 became 5."""
    book = Codebook("zeros", [5.0, -1.0, 0.0, 0.0, 0.0, 0.0, -0.0, -0.0, -0.0], ties="even")
    assert np.all(np.diff(book.thresholds) >= 0)
    assert book.decode(book.encode([0.0, -0.0, 4.0, -3.0])).tolist() == [0.0, 0.0, 5.0, -1.0]
    only_zeros = Codebook("only zeros", [0.0, -0.0, 0.0], ties="even")
    assert only_zeros.encode([0.0, -0.0, 1.0, -1.0]).tolist() == [0, 1, 2, 1]

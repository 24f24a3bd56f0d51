"""Numbers to codes: against other libraries, against exact rational arithmetic, and by law."""

import math
from fractions import Fraction

import float_spec as spec
import gfloat
import numpy as np
import pytest
from format_cases import (
    DETERMINISTIC,
    EVERY,
    GFLOAT_ROUNDING,
    LISTED,
    ML_DTYPES,
    NUMPY,
    RULES,
    SMALL,
    accepted,
    gfloat_info,
    gfloat_knows,
    hard_inputs,
    named,
    same_codes,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import quantedu as qe
from quantedu import _tables, formats

every_format = pytest.mark.parametrize("fmt", EVERY, ids=named)
small_format = pytest.mark.parametrize("fmt", SMALL, ids=named)


# Other libraries


@pytest.mark.parametrize("fmt", list(ML_DTYPES), ids=named)
def test_float32_round_as_in_ml_dtypes(fmt):
    """`ml_dtypes` rounds float64 by way of float32, twice: here it is asked about float32 only."""
    x = hard_inputs(fmt, np.float32)
    if fmt is qe.E8M0:  # it takes the larger of 2^-127 and 2^-126, see the next test
        x = x[~((x > 2.0**-127) & (x < 1.5 * 2.0**-127))]
    same_codes(fmt, fmt.encode(x), x.astype(ML_DTYPES[fmt]).view(fmt.code_dtype))


def test_just_above_its_smallest_number_e8m0_is_nearest_where_ml_dtypes_is_not():
    x = np.float32([5.9e-39, 6.04e-39, 7.5e-39, 8.8e-39])  # 2^-127 is 5.88e-39, 2^-126 11.75e-39
    assert qe.E8M0.encode(x).tolist() == [0, 0, 0, 0]
    for number in x.tolist():
        assert spec.encode(qe.E8M0, number, "nearest_even", "special") == {0}
        assert number - 2.0**-127 < 2.0**-126 - number
    assert x.astype(ML_DTYPES[qe.E8M0]).view(np.uint8).tolist() == [1] * 4, "mended"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fmt", NUMPY, ids=named)
def test_numbers_round_as_in_numpy(fmt, dtype):
    x = hard_inputs(fmt, dtype)
    with np.errstate(over="ignore", under="ignore"):
        same_codes(fmt, fmt.encode(x), x.astype(NUMPY[fmt]).view(fmt.code_dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "fmt", [f for f in EVERY if f is not qe.FP64 and gfloat_knows(f)], ids=named
)
def test_numbers_round_as_in_gfloat_in_every_direction(fmt, dtype):
    info, x = gfloat_info(fmt), hard_inputs(fmt, dtype).astype(np.float64)
    if not fmt.signed:
        x = x[x >= 0]
    if not fmt.subnormals:  # without a zero gfloat goes below the smallest number
        x = x[x >= fmt.smallest_normal]
    # where the format has large numbers only, the smallest floats underflow in gfloat
    x = x[(x == 0) | (np.abs(x) >= fmt.smallest_subnormal * 2.0**-1000)]
    for rounding, overflow in RULES:
        tried = x
        if fmt.mantissa_bits == 0 and rounding == "nearest_even":
            # between two powers of two gfloat takes the even code, IEEE 754-2019 section 4.3.1 the
            # larger magnitude (as both significands are 1, which is odd)
            fraction = np.frexp(np.where(np.isfinite(x), x, 0))[0]
            tried = x[(np.abs(fraction) != 0.75) | (np.abs(x) < fmt.smallest_subnormal)]
        saturate = overflow == "saturate" or not fmt.has_nan
        with np.errstate(over="ignore"):
            wanted = gfloat.round_ndarray(info, tried, GFLOAT_ROUNDING[rounding], saturate)
        codes = fmt.encode(tried, rounding, overflow)
        same_codes(fmt, codes, gfloat.encode_ndarray(info, wanted).astype(fmt.code_dtype))


# Exact rational arithmetic


def disagreements(fmt, x, rounding, overflow, rng=None):
    """Entries of x whose code is none of those that the specification allows."""
    got = fmt.encode(np.array(x), rounding, overflow, rng).tolist()
    wrong = []
    for number, code in zip(x, got, strict=True):
        allowed = spec.encode(fmt, number, rounding, overflow)
        found = spec.NAN if spec.decode(fmt, code)[1] == spec.NAN else code
        if found not in allowed:
            wrong.append((number, found, allowed))
    return wrong


@small_format
def test_small_formats_round_every_hard_input_as_exact_arithmetic_does(fmt):
    x = accepted(fmt, hard_inputs(fmt)).tolist()
    for rounding, overflow in RULES:
        assert not disagreements(fmt, x, rounding, overflow)


@st.composite
def any_format(draw):
    """Any format that can be made."""
    parameters = {
        "exponent_bits": draw(st.integers(1, 11)),
        "mantissa_bits": draw(st.integers(0, 52) | st.integers(0, 4)),
        "specials": draw(st.sampled_from(formats.SPECIALS)),
        "signed": draw(st.booleans()),
    }
    parameters["subnormals"] = True if parameters["signed"] else draw(st.booleans())
    usual = 2 ** (parameters["exponent_bits"] - 1) - 1
    bias = draw(st.just(usual) | st.integers(usual - 5, usual + 5) | st.integers(-1023, 1074))
    try:
        return qe.FloatFormat("any", bias=bias, **parameters)
    except ValueError:
        assume(False)


@st.composite
def numbers_for(draw, fmt):
    """A float anywhere, or one near a number or a midpoint of the format, where errors live."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.floats())
    top = spec.largest(fmt)
    code = draw(st.integers(0, top) | st.sampled_from([0, top, 2**fmt.mantissa_bits - 1]))
    low = spec.value(fmt, code)
    high = spec.value(fmt, code + 1) if code < top else 2 * low
    part = draw(st.sampled_from([0, 0.25, 0.5, 1]) | st.fractions(0, 1, max_denominator=2**20))
    try:
        x = float(low + (high - low) * Fraction(part))
    except OverflowError:
        x = np.inf
    for _ in range(draw(st.integers(0, 2))):
        x = math.nextafter(x, draw(st.sampled_from([-math.inf, math.inf])))
    return float(x) * draw(st.sampled_from([1, -1]))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_format_and_rule_rounds_as_exact_arithmetic_does(data):
    fmt = data.draw(st.sampled_from(EVERY) | any_format(), label="fmt")
    x = data.draw(st.lists(numbers_for(fmt), min_size=1, max_size=8), label="x")
    x = [v for v in x if spec.encode(fmt, v, "down", "special") != {None}]
    for rounding in formats.ROUNDINGS:
        for overflow in formats.OVERFLOWS:
            rng = np.random.default_rng(0) if rounding == "stochastic" else None
            assert not disagreements(fmt, x, rounding, overflow, rng), (rounding, overflow)


# Round trips


@pytest.mark.parametrize("fmt", LISTED, ids=named)
def test_every_number_of_a_format_comes_back_as_its_code_however_it_is_rounded(fmt):
    codes = np.arange(2**fmt.bits)
    x = fmt.decode(codes)
    assert np.array_equal(fmt.round(x), x, equal_nan=True)
    for rounding, overflow in RULES:
        kept = ~np.isnan(x) if overflow == "special" else np.isfinite(x)
        np.testing.assert_array_equal(fmt.encode(x[kept], rounding, overflow), codes[kept])


def bit_patterns(dtype):
    """2^18 at random, 2^16 NaNs among them, half of these signalling; and the ends."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    code = f"u{info.bits // 8}"
    patterns = rng.integers(0, 2**info.bits, 2**18, dtype=code)
    exponent = np.array(2**info.iexp - 1, dtype=code) << np.array(info.nmant, dtype=code)
    patterns[: 2**16] |= exponent
    patterns[: 2**15] &= ~(np.array(1, dtype=code) << np.array(info.nmant - 1, dtype=code))
    ends = np.arange(2**9).astype(code)
    return np.concatenate([ends, exponent + ends, ~ends, patterns])


@pytest.mark.parametrize("fmt", [qe.FP32, qe.FP64], ids=named)
def test_any_bit_pattern_of_fp32_and_fp64_comes_back_signalling_nans_too(fmt):
    codes = bit_patterns(NUMPY[fmt])
    for dtype in {NUMPY[fmt], np.float64}:
        x = fmt.decode(codes, dtype)
        assert x.dtype == dtype
        np.testing.assert_array_equal(fmt.encode(x), codes)


@pytest.mark.parametrize("fmt", [f for f in LISTED if f.has_nan], ids=named)
def test_every_nan_comes_back_as_its_code_with_sign_and_payload(fmt):
    codes = np.arange(2**fmt.bits)
    codes = codes[fmt.classify(codes) == "NaN"]
    np.testing.assert_array_equal(fmt.encode(fmt.decode(codes)), codes)


def test_a_nan_whose_payload_does_not_fit_stays_a_nan():
    signalling = np.array(0x7F800001, dtype=np.uint32).view(np.float32)
    many = np.full(2**16, signalling)
    for fmt in (qe.FP16, qe.BF16, qe.E5M2, qe.E4M3, qe.E4M3FNUZ, qe.E8M0):
        assert np.isnan(fmt.decode(fmt.encode(signalling)))
        assert np.all(np.isnan(fmt.decode(fmt.encode(many))))


@pytest.mark.parametrize(
    ("fmt", "code", "of_minus_nan"),
    [  # IEEE: the quiet one, first bit of M set; fn: all ones; fnuz and E8M0 have only one
        (qe.FP32, 0x7FC00000, 0xFFC00000),
        (qe.FP16, 0x7E00, 0xFE00),
        (qe.BF16, 0x7FC0, 0xFFC0),
        (qe.E5M2, 0x7E, 0xFE),
        (qe.E4M3, 0x7F, 0xFF),
        (qe.E4M3FNUZ, 0x80, 0x80),
        (qe.E8M0, 0xFF, 0xFF),
    ],
    ids=lambda v: named(v) if isinstance(v, qe.FloatFormat) else hex(v),
)
def test_nan_gets_the_formats_nan(fmt, code, of_minus_nan):
    assert fmt.encode(np.nan) == code
    assert fmt.encode(np.copysign(np.nan, -1)) == of_minus_nan


# Laws of rounding

floats = st.floats(allow_nan=False, allow_infinity=False)
signed_format = st.sampled_from([f for f in EVERY if f.signed])


@given(signed_format, floats, st.sampled_from(DETERMINISTIC))
def test_rounding_twice_is_rounding_once(fmt, x, rounding):
    once = fmt.round(x, rounding)
    np.testing.assert_array_equal(fmt.round(once, rounding), once)


@given(signed_format, st.lists(floats, min_size=2), st.sampled_from(DETERMINISTIC))
def test_rounding_keeps_order(fmt, x, rounding):
    rounded = fmt.round(np.sort(x), rounding, overflow="saturate")
    assert np.all(rounded[:-1] <= rounded[1:])


@given(signed_format, floats)
def test_up_is_down_mirrored_and_the_others_are_odd_functions(fmt, x):
    np.testing.assert_array_equal(fmt.round(-x, "up"), -fmt.round(x, "down"))
    for rounding in ("nearest_even", "nearest_away", "toward_zero"):
        np.testing.assert_array_equal(fmt.round(-x, rounding), -fmt.round(x, rounding))


@given(signed_format, floats)
def test_down_and_up_are_on_their_sides_of_x_and_nearest_is_one_of_them(fmt, x):
    assume(abs(x) <= fmt.max)
    down, up = fmt.round(x, "down"), fmt.round(x, "up")
    assert down <= x <= up
    nearest = fmt.round(x)
    assert nearest in (down, up)
    assert abs(nearest - x) <= min(up - x, x - down) or max(up - x, x - down) == np.inf
    assert fmt.round(x, "toward_zero") == (down if x > 0 else up)


@pytest.mark.parametrize("fmt", [f for f in EVERY if f.signed and f.specials != "fnuz"], ids=named)
def test_zero_keeps_its_sign_and_what_rounds_to_zero_too(fmt):
    tiny = fmt.smallest_subnormal / 4 or 5e-324
    x = np.array([0.0, -0.0, tiny, -tiny])
    rounded = fmt.round(x, "toward_zero")
    if tiny in fmt.neighbours(0.0):
        x, rounded = x[:2], rounded[:2]
    np.testing.assert_array_equal(rounded, np.zeros(len(x)))
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(x))


def test_the_fnuz_formats_have_one_zero():
    for fmt in (qe.E4M3FNUZ, qe.E5M2FNUZ, qe.E4M3B11FNUZ):
        assert fmt.encode([0.0, -0.0, -1e-30]).tolist() == [0, 0, 0]
        assert not np.signbit(fmt.round(-0.0))


# Beyond the largest number

# IEEE 754-2019 section 7.4: what overflows goes to infinity, unless the direction points back
INFINITY_OR_MAX = {
    "nearest_even": ("inf", "-inf"),
    "nearest_away": ("inf", "-inf"),
    "toward_zero": ("max", "-max"),
    "up": ("inf", "-max"),
    "down": ("max", "-inf"),
}


@pytest.mark.parametrize(("rounding", "wanted"), INFINITY_OR_MAX.items(), ids=list(INFINITY_OR_MAX))
@pytest.mark.parametrize("fmt", [qe.FP32, qe.FP16, qe.E5M2, qe.E4M3, qe.E4M3FNUZ], ids=named)
def test_overflow_goes_where_the_rounding_direction_points(fmt, rounding, wanted):
    endless = np.inf if fmt.has_infinity else np.nan
    meaning = {"inf": endless, "-inf": -endless, "max": fmt.max, "-max": -fmt.max}
    x = np.array([2 * fmt.max, -2 * fmt.max])
    special = fmt.round(x, rounding)
    np.testing.assert_array_equal(special, [meaning[w] for w in wanted])
    np.testing.assert_array_equal(fmt.round(x, rounding, "saturate"), [fmt.max, -fmt.max])


@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_infinity_is_infinity_in_every_direction_else_nan_and_saturates_if_told(rounding):
    x = np.array([np.inf, -np.inf])
    for dtype in (np.float64, np.float32, np.float16):  # a format's own dtype too
        x = x.astype(dtype)
        for fmt in (qe.FP64, qe.FP32, qe.FP16):
            np.testing.assert_array_equal(fmt.round(x, rounding), x)
        assert np.all(np.isnan(qe.E4M3.round(x, rounding)))
        for fmt in (qe.FP64, qe.FP32, qe.FP16, qe.E4M3, qe.E4M3FNUZ):
            np.testing.assert_array_equal(fmt.round(x, rounding, "saturate"), [fmt.max, -fmt.max])


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("fmt", [qe.E3M2, qe.E2M3, qe.E2M1], ids=named)
def test_formats_of_numbers_only_saturate_either_way(fmt, overflow):
    x = [1e9, -1e9, np.inf, -np.inf]
    assert fmt.round(x, overflow=overflow).tolist() == [fmt.max, -fmt.max, fmt.max, -fmt.max]


def test_nan_stays_nan_when_saturating():
    for fmt in (qe.FP16, qe.E4M3, qe.E4M3FNUZ, qe.E8M0):
        assert np.isnan(fmt.round(np.nan, overflow="saturate"))


def test_e4m3_ends_half_a_step_above_448():
    # 448 = 1.110₂ · 2^8 is even and its step is 32: the tie 464 goes to it, all above to NaN
    assert qe.E4M3.round(464.0) == 448
    assert np.isnan(qe.E4M3.round(np.nextafter(464.0, 500)))
    assert np.isnan(qe.E4M3.round(464.0, "nearest_away"))


def test_e8m0_has_neither_zero_nor_sign():
    tiny, smallest = 1e-40, 2.0**-127
    assert np.all(np.isnan(qe.E8M0.round([0.0, -0.0, -1.0, -np.inf, np.inf, np.nan])))
    saturated = qe.E8M0.round([0.0, -0.0, np.inf, 1e39], overflow="saturate")
    assert saturated.tolist() == [smallest, smallest, 2.0**127, 2.0**127]
    assert np.all(np.isnan(qe.E8M0.round([-1.0, -tiny, -np.inf, np.nan], overflow="saturate")))
    assert [qe.E8M0.round(tiny, r) for r in ("nearest_even", "nearest_away", "up")] == [
        smallest
    ] * 3
    assert np.isnan(qe.E8M0.round(tiny, "down"))
    assert np.isnan(qe.E8M0.round(tiny, "toward_zero"))
    assert qe.E8M0.round(tiny, "down", "saturate") == smallest


def test_ties_between_powers_of_two_go_to_the_larger():
    # IEEE 754-2019 section 4.3.1: both significands are 1, none is even; but zero is even
    e3m0 = qe.FloatFormat("E3M0", 3, 0, specials="finite")
    assert e3m0.round([1.5, -3.0, 6.0]).tolist() == [2, -4, 8]
    assert e3m0.round(e3m0.smallest_normal / 2) == 0
    assert qe.E8M0.round([3.0, 6.0]).tolist() == [4, 8]


def test_the_six_roundings_of_one_number():
    x = np.array([2.5, -2.5, 3.5, 2.25])  # FP4 has 2, 3, 4: 2.5 and 3.5 are ties
    assert qe.FP4.round(x, "nearest_even").tolist() == [2, -2, 4, 2]
    assert qe.FP4.round(x, "nearest_away").tolist() == [3, -3, 4, 2]
    assert qe.FP4.round(x, "toward_zero").tolist() == [2, -2, 3, 2]
    assert qe.FP4.round(x, "up").tolist() == [3, -2, 4, 3]
    assert qe.FP4.round(x, "down").tolist() == [2, -3, 3, 2]
    stochastic = qe.FP4.round(np.tile(x, (64, 1)), "stochastic", rng=np.random.default_rng(0))
    assert [sorted(set(column)) for column in stochastic.T.tolist()] == [
        [2, 3],
        [-3, -2],
        [3, 4],
        [2, 3],
    ]


# Stochastic rounding

FALSE_ALARM = 1e-9  # the share of seeds for which a right library fails one of the checks below
DRAWS = 2**19


def largest_chance_deviation(draws, width):
    """Hoeffding: a mean of values in an interval is further off only in FALSE_ALARM of cases."""
    return width * np.sqrt(np.log(2 / FALSE_ALARM) / (2 * draws))


@pytest.mark.parametrize(
    ("fmt", "x"),
    [
        (qe.E4M3, 1.03),
        (qe.E4M3, -1.03),
        (qe.E4M3, 0.3 * 2.0**-9),  # between zero and the smallest subnormal
        (qe.E4M3, 1.9999),  # next to the next binade
        (qe.FP16, 1.0002),
        (qe.BF16, 257.7),
        (qe.E2M1, -5.99),
        (qe.E8M0, 2.2),
        (qe.FP32, 1 + 0.7 * 2.0**-23),
    ],
    ids=lambda v: named(v) if isinstance(v, qe.FloatFormat) else f"{v:.4g}",
)
def test_stochastic_rounding_is_right_on_average(fmt, x):
    below, above = fmt.neighbours(x)
    rounded = fmt.round(np.full(DRAWS, x), "stochastic", rng=np.random.default_rng(1))
    assert set(rounded.tolist()) == {below, above}
    off = (rounded - x).mean()
    assert abs(off) <= largest_chance_deviation(DRAWS, above - below)


def test_stochastic_rounding_is_right_on_average_over_a_range_too():
    x = np.random.default_rng(2).uniform(-6, 6, DRAWS)
    rounded = qe.E2M1.round(x, "stochastic", rng=np.random.default_rng(3))
    widest = 2.0  # from 4 to 6
    assert abs((rounded - x).mean()) <= largest_chance_deviation(DRAWS, widest)
    assert np.all(np.abs(rounded - x) < widest)


def test_stochastic_draws_come_from_the_generator_and_are_not_used_twice():
    x = np.full(2**19, 1.03)  # several times what is worked on at once
    one, same, other = (
        qe.E4M3.encode(x, "stochastic", rng=np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
    period = _tables.CHUNK
    assert np.any(one[:period] != one[period : 2 * period])
    rng = np.random.default_rng(4)
    first, second = (qe.E4M3.encode(x[:100], "stochastic", rng=rng) for _ in range(2))
    assert np.any(first != second)


def test_stochastic_rounding_leaves_the_numbers_of_the_format_alone():
    x = qe.E4M3.values()
    np.testing.assert_array_equal(
        qe.E4M3.round(x, "stochastic", rng=np.random.default_rng(0)), qe.E4M3.round(x)
    )


# Facts worth knowing


def test_a_million_is_infinite_in_fp16_and_999424_in_bf16():
    assert qe.FP16.round(10**6) == np.inf
    # 10^6 = 1.1110100₂0010… · 2^19: seven bits stay, the step is 2^12
    assert qe.BF16.round(10**6) == 244 * 2**12 == 999424


def test_fp16_ends_half_a_step_above_65504():
    assert qe.FP16.round(65519.99) == 65504
    assert qe.FP16.round(65520.0) == np.inf


def running_sum(fmt, x, **options):
    total = 0.0
    for term in x.tolist():
        total = float(fmt.round(total + term, **options))
    return total


def test_a_sum_of_uniform_numbers_stops_at_256_in_bf16_but_not_when_rounded_stochastically():
    """From 256 on the step is 2: what is below 1 is less than half of it, and rounds away."""
    x = np.random.default_rng(0).uniform(size=10_000)
    assert running_sum(qe.BF16, x[:2000]) == 256
    assert np.all(qe.BF16.round(256 + x) == 256)  # so it stays there
    rng = np.random.default_rng(1)  # with x's own seed, the draws would be x
    total = running_sum(qe.BF16, x[:2000], rounding="stochastic", rng=rng)
    # up by (step − x) with probability x/step, else down by x: variance below step · x; step ≤ 8
    deviation = np.sqrt(8 * x[:2000].sum())
    assert abs(total - x[:2000].sum()) < 5 * deviation < 1000 - 256


def test_float64_is_rounded_once():
    """A way through float32 lands on the tie 1.0625, and there takes the even 1.0."""
    x = np.nextafter(1.0625, 2)
    assert qe.E4M3.round(x) == 1.125
    assert qe.E4M3.round(np.full(2**16, x))[0] == 1.125
    assert qe.E4M3.round(np.float32(x)) == 1.0
    assert float(np.float64(x).astype(ML_DTYPES[qe.E4M3])) == 1.0


def test_an_integer_that_float32_does_not_hold_is_rounded_once():
    tie = 2**30 + 2**22  # between BF16's 2^30 and 2^30 + 2^23
    x = np.array([tie - 1, tie, tie + 1], dtype=np.int32)  # three times the same as float32
    assert qe.BF16.round(x).tolist() == [2**30, 2**30, 2**30 + 2**23]
    many = np.repeat(x, 2**15)
    assert np.array_equal(qe.BF16.round(many), np.repeat(qe.BF16.round(x), 2**15))

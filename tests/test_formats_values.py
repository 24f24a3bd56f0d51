"""What codes mean: the formats' tables, every code of every small format, and looking at them."""

import dataclasses
import re
from decimal import Decimal
from fractions import Fraction

import float_spec as spec
import gfloat
import ml_dtypes
import numpy as np
import pytest
from format_cases import (
    CUSTOM,
    EVERY,
    LISTED,
    ML_DTYPES,
    NUMPY,
    SMALL,
    gfloat_info,
    gfloat_knows,
    named,
)
from hypothesis import given
from hypothesis import strategies as st

import quantedu as qe
from quantedu import formats

# S/E/M, bias, largest number, smallest normal, smallest subnormal. IEEE 754-2019 table 3.5;
# NVIDIA A100 white paper (TF32); OCP OFP8 v1.0 tables 1 and 2; OCP MX v1.0 tables 2 to 7;
# ml_dtypes' README for E3M4, the fnuz ones and their biases
SPECIFICATION = [
    (qe.FP64, (1, 11, 52), 1023, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022, 2.0**-1074),
    (qe.FP32, (1, 8, 23), 127, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 2.0**-149),
    (qe.TF32, (1, 8, 10), 127, (2 - 2.0**-10) * 2.0**127, 2.0**-126, 2.0**-136),
    (qe.BF16, (1, 8, 7), 127, (2 - 2.0**-7) * 2.0**127, 2.0**-126, 2.0**-133),
    (qe.FP16, (1, 5, 10), 15, 65504.0, 2.0**-14, 2.0**-24),
    (qe.E4M3, (1, 4, 3), 7, 448.0, 2.0**-6, 2.0**-9),
    (qe.E5M2, (1, 5, 2), 15, 57344.0, 2.0**-14, 2.0**-16),
    (qe.E4M3_IEEE, (1, 4, 3), 7, 240.0, 2.0**-6, 2.0**-9),
    (qe.E4M3FNUZ, (1, 4, 3), 8, 240.0, 2.0**-7, 2.0**-10),
    (qe.E5M2FNUZ, (1, 5, 2), 16, 57344.0, 2.0**-15, 2.0**-17),
    (qe.E4M3B11FNUZ, (1, 4, 3), 11, 30.0, 2.0**-10, 2.0**-13),
    (qe.E3M4, (1, 3, 4), 3, 15.5, 2.0**-2, 2.0**-6),
    (qe.E3M2, (1, 3, 2), 3, 28.0, 0.25, 0.0625),
    (qe.E2M3, (1, 2, 3), 1, 7.5, 1.0, 0.125),
    (qe.E2M1, (1, 2, 1), 1, 6.0, 1.0, 0.5),
    (qe.E8M0, (0, 8, 0), 127, 2.0**127, 2.0**-127, 2.0**-127),
]
of_the_table = pytest.mark.parametrize("row", SPECIFICATION, ids=lambda row: named(row[0]))
every_format = pytest.mark.parametrize("fmt", EVERY, ids=named)
listed_format = pytest.mark.parametrize("fmt", LISTED, ids=named)
small_format = pytest.mark.parametrize("fmt", SMALL, ids=named)


def same_numbers(a, b):
    """Equal, the signs of zeros too, and NaN where the other is NaN."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    known = ~np.isnan(a)
    np.testing.assert_array_equal(a[known], b[known])
    np.testing.assert_array_equal(np.signbit(a[known]), np.signbit(b[known]))


def codes_to_try(fmt):
    """All codes; of formats of more than 16 bits, both ends of each sign and 2^14 others."""
    if fmt.bits <= 16:
        return np.arange(2**fmt.bits)
    ends = np.arange(2**9, dtype=np.uint64)
    marks = [0, spec.largest(fmt) - 2**8, 2**fmt.mantissa_bits - 2**8, 2 ** (fmt.bits - 1) - 2**9]
    positive = np.concatenate([ends + np.uint64(mark) for mark in marks])
    drawn = np.random.default_rng(0).integers(0, 2**fmt.bits, 2**14, dtype=np.uint64)
    return np.concatenate([positive, positive | np.uint64(2 ** (fmt.bits - 1)), drawn])


# The tables


def test_the_specification_lists_every_constant_of_the_library_once():
    assert sorted(map(named, formats.FORMATS)) == sorted(named(row[0]) for row in SPECIFICATION)
    constants = {v for v in vars(formats).values() if isinstance(v, qe.FloatFormat)}
    assert constants == set(formats.FORMATS)
    assert len({fmt.name for fmt in EVERY}) == len(EVERY)


@of_the_table
def test_a_format_has_the_bits_the_bias_and_the_range_of_its_specification(row):
    fmt, (sign, exponent_bits, mantissa_bits), bias, largest, normal, subnormal = row
    assert (fmt.signed, fmt.exponent_bits, fmt.mantissa_bits) == (
        sign,
        exponent_bits,
        mantissa_bits,
    )
    assert fmt.bits == sign + exponent_bits + mantissa_bits
    assert fmt.bias == bias
    assert fmt.max == largest
    assert fmt.smallest_normal == normal
    assert fmt.smallest_subnormal == subnormal


def test_the_printed_maxima_of_the_wide_formats_are_the_well_known_ones():
    assert [f"{fmt.max:.7e}" for fmt in (qe.FP64, qe.FP32, qe.TF32, qe.BF16)] == [
        "1.7976931e+308",
        "3.4028235e+38",
        "3.4011621e+38",
        "3.3895314e+38",
    ]


@every_format
def test_the_derived_properties_are_those_of_the_list_of_values(fmt):
    """The properties are formulas; the specification counts."""
    top = spec.largest(fmt)
    assert Fraction(fmt.max) == spec.value(fmt, top)
    first_normal = 2**fmt.mantissa_bits if fmt.subnormals else 0
    assert Fraction(fmt.smallest_normal) == spec.value(fmt, first_normal)
    assert Fraction(fmt.smallest_subnormal) == spec.value(fmt, 1 if fmt.subnormals else 0)
    assert 2.0**fmt.min_exponent == fmt.smallest_normal
    assert 2.0**fmt.max_exponent <= fmt.max < 2 * 2.0**fmt.max_exponent or fmt.max_exponent == 1023
    assert fmt.has_infinity == (fmt.specials == "ieee")
    assert fmt.has_nan == (fmt.specials != "finite")


@pytest.mark.parametrize("fmt", [f for f in EVERY if f.smallest_normal <= 1 < f.max], ids=named)
def test_epsilon_is_the_step_from_one(fmt):
    assert fmt.neighbours(1.0)[1] == 1 + fmt.epsilon


@pytest.mark.parametrize(
    ("dtype", "fmt"), [(t, f) for f, t in ML_DTYPES.items() if f is not qe.E8M0], ids=str
)
def test_range_and_precision_agree_with_ml_dtypes_finfo(dtype, fmt):
    info = ml_dtypes.finfo(dtype)
    assert fmt.max == float(info.max)
    assert fmt.smallest_normal == float(info.smallest_normal)
    assert fmt.smallest_subnormal == float(info.smallest_subnormal)
    assert (fmt.mantissa_bits, fmt.bits) == (info.nmant, info.bits)


def test_codes_come_in_the_smallest_unsigned_dtype():
    for fmt in EVERY:
        fitting = [
            t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if fmt.bits <= 8 * t().nbytes
        ]
        assert fmt.code_dtype == fitting[0]
        assert fmt.encode([1.0]).dtype == fitting[0]
    assert qe.TF32.code_dtype == np.uint32  # 19 bits
    assert qe.FloatFormat("9 bits", 4, 4).code_dtype == np.uint16
    assert qe.FloatFormat("33 bits", 8, 24).code_dtype == np.uint64


def test_fp4_has_eight_magnitudes():
    assert qe.FP4 is qe.E2M1
    assert qe.FP4.values()[:8].tolist() == [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def test_a_variant_is_one_line():
    finite = dataclasses.replace(qe.E4M3, name="E4M3 without NaN", specials="finite")
    assert finite.max == 2.0**8 * (1 + 7 / 8) == 480
    assert qe.FloatFormat("E5M10", 5, 10) == dataclasses.replace(qe.FP16, name="E5M10")


def test_formats_compare_and_hash_by_content_and_do_not_change():
    again = qe.FloatFormat("FP16", 5, 10, bias=15)
    assert again == qe.FP16
    assert hash(again) == hash(qe.FP16)
    with pytest.raises(dataclasses.FrozenInstanceError):
        qe.FP16.bias = 16


# Codes to numbers


@every_format
def test_codes_mean_what_the_specification_says(fmt):
    codes = codes_to_try(fmt)[:: 1 if fmt.bits <= 8 else 17]
    for code, x in zip(codes.tolist(), fmt.decode(codes).tolist(), strict=True):
        sign, magnitude = spec.decode(fmt, code)
        if magnitude == spec.NAN:
            assert np.isnan(x)
        else:
            assert np.signbit(x) == (sign < 0)
            wanted = np.inf if magnitude == spec.INFINITY else magnitude
            assert abs(x) == np.inf if wanted == np.inf else Fraction(abs(x)) == wanted


@pytest.mark.parametrize("fmt", list(ML_DTYPES), ids=named)
def test_every_code_means_what_ml_dtypes_says(fmt):
    codes = np.arange(2**fmt.bits)
    same_numbers(fmt.decode(codes), codes.astype(fmt.code_dtype).view(ML_DTYPES[fmt]))


@pytest.mark.parametrize("fmt", NUMPY, ids=named)
def test_codes_mean_what_numpy_says(fmt):
    codes = codes_to_try(fmt).astype(fmt.code_dtype)
    same_numbers(fmt.decode(codes), codes.view(NUMPY[fmt]))


@pytest.mark.parametrize("fmt", [f for f in LISTED if gfloat_knows(f)], ids=named)
def test_every_code_means_what_gfloat_says(fmt):
    codes = np.arange(2**fmt.bits)
    same_numbers(fmt.decode(codes), gfloat.decode_ndarray(gfloat_info(fmt), codes))


@every_format
def test_narrower_floats_hold_the_same_numbers_or_are_refused(fmt):
    codes = codes_to_try(fmt)
    wide = fmt.decode(codes)
    for dtype in (np.float32, np.float16):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # NumPy's own casts
            exact = np.array_equal(wide.astype(dtype).astype(np.float64), wide, equal_nan=True)
        if exact:
            narrow = fmt.decode(codes, dtype)
            assert narrow.dtype == dtype
            same_numbers(narrow, wide)
        else:
            with pytest.raises(ValueError, match=f"{np.dtype(dtype)} does not hold every value"):
                fmt.decode(codes, dtype)


@pytest.mark.parametrize("dtype", ["float32", np.dtype("f4"), np.single])
def test_a_dtype_may_be_named_in_any_of_numpys_ways(dtype):
    assert qe.E4M3.decode([0x38], dtype).dtype == np.float32


@listed_format
def test_values_is_the_meaning_of_all_codes_in_order(fmt):
    values = fmt.values()
    assert values.dtype == np.float64
    same_numbers(values, fmt.decode(np.arange(2**fmt.bits)))


@every_format
def test_the_codes_of_positive_numbers_ascend_with_them(fmt):
    assert np.all(np.diff(fmt.decode(np.unique(codes_to_try(fmt) & spec.largest(fmt)))) > 0)


@every_format
def test_the_fields_put_together_again_are_the_code(fmt):
    codes = codes_to_try(fmt).astype(np.uint64)
    fields = fmt.split(codes)
    assert {field.dtype for field in fields} == {np.dtype(np.int64)}
    sign, exponent, mantissa = (field.astype(np.uint64) for field in fields)
    for field, bits in ((sign, fmt.signed), (exponent, fmt.exponent_bits)):
        assert field.max() == 2**bits - 1  # codes_to_try has them all
    e, m = np.uint64(fmt.exponent_bits), np.uint64(fmt.mantissa_bits)
    np.testing.assert_array_equal((sign << (e + m)) | (exponent << m) | mantissa, codes)
    assert np.all(mantissa < 2**fmt.mantissa_bits)


def test_split_shows_the_three_fields_of_a_worked_example():
    # −5.75 = −1.0111₂ · 2^2, so in FP32 E = 2 + 127 and M = 0111 followed by 19 zeros
    sign, exponent, mantissa = qe.FP32.split(qe.FP32.encode(-5.75))
    assert (sign, exponent, mantissa) == (1, 129, 0b0111 << 19)


@every_format
def test_every_code_has_the_class_its_value_has(fmt):
    def class_of(code):
        magnitude = spec.decode(fmt, code)[1]
        if isinstance(magnitude, str):
            return magnitude
        if magnitude == 0:
            return "zero"
        return "subnormal" if magnitude < Fraction(fmt.smallest_normal) else "normal"

    codes = codes_to_try(fmt)[:: 1 if fmt.bits <= 8 else 17]
    assert fmt.classify(codes).tolist() == [class_of(code) for code in codes.tolist()]


@pytest.mark.parametrize(
    ("fmt", "zeros", "subnormals", "infinities", "nans"),
    [  # both signs; 2^m − 1 subnormals each; IEEE: one infinity and 2^m − 1 NaNs each
        (qe.FP16, 2, 2 * 1023, 2, 2 * 1023),
        (qe.BF16, 2, 2 * 127, 2, 2 * 127),
        (qe.E5M2, 2, 2 * 3, 2, 2 * 3),
        (qe.E4M3, 2, 2 * 7, 0, 2),
        (qe.E4M3FNUZ, 1, 2 * 7, 0, 1),
        (qe.E3M2, 2, 2 * 3, 0, 0),
        (qe.E2M1, 2, 2, 0, 0),
        (qe.E8M0, 0, 0, 0, 1),
    ],
    ids=lambda v: named(v) if isinstance(v, qe.FloatFormat) else "",
)
def test_a_format_has_as_many_codes_of_each_class_as_its_fields_say(
    fmt, zeros, subnormals, infinities, nans
):
    classes, counts = np.unique(fmt.classify(np.arange(2**fmt.bits)), return_counts=True)
    found = dict(zip(classes.tolist(), counts.tolist()))
    normal = 2**fmt.bits - zeros - subnormals - infinities - nans
    wanted = {"zero": zeros, "subnormal": subnormals, "infinity": infinities, "NaN": nans}
    assert found == {k: v for k, v in {**wanted, "normal": normal}.items() if v}


# Neighbours


def ladder(fmt):
    """All numbers of a format in order, infinities among them, one zero."""
    values = fmt.values()
    return np.unique(values[~np.isnan(values)])


@listed_format
def test_the_neighbours_of_a_number_of_the_format_are_the_next_ones_in_the_list(fmt):
    values = ladder(fmt)
    below, above = fmt.neighbours(values)
    np.testing.assert_array_equal(below, [np.nan, *values[:-1]])
    np.testing.assert_array_equal(above, [*values[1:], np.nan])


@pytest.mark.parametrize("fmt", [f for f in LISTED if f.smallest_subnormal > 2.0**-1060], ids=named)
def test_the_neighbours_of_what_lies_between_are_the_two_around_it(fmt):
    values = ladder(fmt)
    values = values[np.isfinite(values)]
    for fraction in (1e-3, 0.5, 1 - 1e-3):
        between = values[:-1] * (1 - fraction) + values[1:] * fraction
        below, above = fmt.neighbours(between)
        np.testing.assert_array_equal(below, values[:-1])
        np.testing.assert_array_equal(above, values[1:])


@listed_format
def test_beyond_the_largest_number_there_is_infinity_or_nothing(fmt):
    x = np.nextafter(fmt.max, np.inf)
    infinity = np.inf if fmt.has_infinity else np.nan
    assert fmt.neighbours(x)[0] == fmt.max
    np.testing.assert_array_equal(fmt.neighbours(x)[1], infinity)
    np.testing.assert_array_equal(fmt.neighbours(np.inf), (fmt.max, np.nan))
    if fmt.signed:
        np.testing.assert_array_equal(fmt.neighbours(-x), (-infinity, -fmt.max))
    else:
        lowest = 0.0 if fmt.subnormals else fmt.smallest_normal
        np.testing.assert_array_equal(fmt.neighbours(-1.0), (np.nan, lowest))


@pytest.mark.parametrize("sign", [1, -1])
def test_fp64_and_fp32_have_the_neighbours_that_nextafter_finds(sign):
    codes = codes_to_try(qe.FP64).astype(np.uint64)
    x = qe.FP64.decode(codes)
    x = sign * x[np.isfinite(x)]
    x32 = qe.FP32.decode(codes_to_try(qe.FP32), np.float32)
    x32 = np.float32(sign) * x32[np.isfinite(x32)]
    for fmt, numbers in ((qe.FP64, x), (qe.FP32, x32)):
        below, above = fmt.neighbours(numbers)
        with np.errstate(over="ignore"):  # NumPy says that the step from the largest overflows
            np.testing.assert_array_equal(below, np.nextafter(numbers, numbers.dtype.type(-np.inf)))
            np.testing.assert_array_equal(above, np.nextafter(numbers, numbers.dtype.type(np.inf)))


def test_nan_has_no_neighbours():
    np.testing.assert_array_equal(qe.E4M3FNUZ.neighbours(np.nan), (np.nan, np.nan))
    below, above = qe.FP16.neighbours([[np.nan, 1.0]])
    np.testing.assert_array_equal(below, [[np.nan, 1 - 2**-11]])
    np.testing.assert_array_equal(above, [[np.nan, 1 + 2**-10]])


# Explaining a code

FORMULA = re.compile(
    r"x = (?:\(−1\)\^(?P<sign>[01]) · )?2\^\((?P<field>\d+) − (?P<bias>-?\d+)\)"
    r" · \((?P<hidden>[01]) \+ (?P<mantissa>\d+)/(?P<units>\d+)\)(?P<note>   E = 0: .*)?"
)
FACTORS = re.compile(r"  = (?:(?P<sign>[+−])1 · )?2\^(?P<power>-?\d+) · (?P<significand>[^ ]+.*)")
EXACT = re.compile(r"(?P<factor>-?\d+)·2\^(?P<power>-?\d+) ≈ (?P<near>\S+)")


def read_number(text):
    """A printed number: all its digits, or n·2^k ≈ the nearest decimal."""
    product = EXACT.fullmatch(text)
    if not product:
        return Fraction(Decimal(text))
    exact = int(product["factor"]) * Fraction(2) ** int(product["power"])
    assert float(product["near"]) == float(exact)
    return exact


def check_explanation(fmt, code):
    heading, formula, *rest = fmt.explain(code).split("\n")
    sign, magnitude = spec.decode(fmt, code)
    digits = -(-fmt.bits // 4)
    name, bits = heading.split(" = ")
    assert name == f"{fmt.name} 0x{code:0{digits}X}"
    assert bits.replace(" ", "") == f"{code:0{fmt.bits}b}"
    widths = [w for w in (fmt.signed, fmt.exponent_bits, fmt.mantissa_bits) if w]
    assert [len(field) for field in bits.split()] == widths
    if isinstance(magnitude, str):
        what = "NaN" if magnitude == spec.NAN else "+inf" if sign > 0 else "-inf"
        assert formula.endswith(f": {what}")
        assert not rest
        return
    found = FORMULA.fullmatch(formula)
    value = Fraction(2) ** (int(found["field"]) - int(found["bias"])) * (
        int(found["hidden"]) + Fraction(int(found["mantissa"]), int(found["units"]))
    )
    assert value == magnitude
    assert int(found["bias"]) == fmt.bias
    assert (found["sign"] is None) == (not fmt.signed)
    assert (-1) ** int(found["sign"] or 0) == sign
    kind = str(fmt.classify(code))
    notes = {"zero": "zero", "subnormal": "subnormal, no hidden one", "normal": None}
    assert (found["note"] or "").strip() == (f"E = 0: {notes[kind]}" if notes[kind] else "")
    factors, last = FACTORS.fullmatch(rest[0]), rest[1].removeprefix("  = ")
    assert Fraction(2) ** int(factors["power"]) * read_number(factors["significand"]) == magnitude
    assert (factors["sign"] == "−") == (sign < 0)
    assert read_number(last) == sign * magnitude
    assert last.startswith("-") == (sign < 0)  # −0 too


@small_format
def test_explain_writes_a_formula_that_gives_the_exact_value_of_every_code(fmt):
    for code in range(2**fmt.bits):
        check_explanation(fmt, code)


@given(st.data())
def test_explain_is_exact_for_wide_formats(data):
    fmt = data.draw(st.sampled_from([f for f in EVERY if f.bits > 8]), label="fmt")
    check_explanation(fmt, data.draw(st.integers(0, 2**fmt.bits - 1), label="code"))


def test_explain_reads_minus_eight_in_fp16_aloud():
    assert qe.FP16.explain(0xC800).split("\n") == [
        "FP16 0xC800 = 1 10010 0000000000",
        "x = (−1)^1 · 2^(18 − 15) · (1 + 0/1024)",
        "  = −1 · 2^3 · 1",
        "  = -8",
    ]


def test_explain_names_what_is_no_number():
    assert qe.E5M2.explain(0xFC).endswith("E all ones, M = 0: -inf")
    assert qe.E5M2.explain(0x7D).endswith("E all ones, M ≠ 0: NaN")
    assert qe.E4M3.explain(0xFF).endswith("all ones: NaN")
    assert qe.E5M2FNUZ.explain(0x80).endswith("the code that −0 would have: NaN")


# Facts worth knowing


def test_the_bare_formula_is_wrong_on_as_many_codes_as_the_chapter_counts():
    """x = (−1)^S · 2^(E − bias) · (1 + M/2^m) for every code: E = 0 and the specials break it."""
    wrong = {}
    for fmt in (qe.FP16, qe.E4M3, qe.E5M2, qe.E2M1):
        codes = np.arange(2**fmt.bits)
        sign, exponent, mantissa = fmt.split(codes)
        usual_bias = 2 ** (fmt.exponent_bits - 1) - 1
        bare = (-1.0) ** sign * 2.0 ** (exponent - usual_bias)
        bare *= 1 + mantissa / 2**fmt.mantissa_bits
        wrong[fmt] = int(np.count_nonzero(bare != fmt.decode(codes)))
    # both zeros and all subnormals, 2 · 2^m; both infinities and all NaNs of IEEE, 2 · 2^m more
    assert wrong == {qe.FP16: 4 * 2**10, qe.E4M3: 2 * 2**3 + 2, qe.E5M2: 4 * 2**2, qe.E2M1: 2 * 2}


def test_custom_formats_here_cover_every_kind_of_specials_with_and_without_sign():
    kinds = {(fmt.specials, fmt.signed, fmt.subnormals) for fmt in EVERY}
    assert {(s, True, True) for s in formats.SPECIALS} < kinds
    assert {(s, False, True) for s in ("ieee", "fn", "finite")} < kinds
    assert {(s, False, False) for s in ("fn", "finite")} < kinds
    assert {fmt.mantissa_bits for fmt in CUSTOM} >= {0, 1, 10}

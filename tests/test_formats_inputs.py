"""What may be handed in, what is refused and how that is said; and the fast paths."""

import tracemalloc
import warnings

import ml_dtypes
import numpy as np
import pytest
from format_cases import EVERY, LISTED, RULES, accepted, hard_inputs, named, same_codes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import quantedu as qe
from quantedu import _tables, formats

every_format = pytest.mark.parametrize("fmt", EVERY, ids=named)

# Kinds of arrays

NUMBERS = np.array([[0, 1, 2, 3], [4, 5, 7, 96], [100, 17, 8, 127]])  # each is in every dtype below
INTEGERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]
FLOATS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g"]
EXTENSIONS = [ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn, ml_dtypes.int4]


@pytest.mark.parametrize("many", [1, 2**12], ids=["few", "many"])  # both sides of TABULATE_FROM
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("fmt", [qe.FP64, qe.FP32, qe.FP16, qe.BF16, qe.E4M3, qe.E2M1], ids=named)
def test_a_number_has_the_same_code_in_whatever_dtype_it_comes(fmt, dtype, many):
    x = np.tile(NUMBERS, (many, 1)).astype(dtype)
    codes = fmt.encode(x)
    assert codes.dtype == fmt.code_dtype
    assert codes.shape == x.shape
    np.testing.assert_array_equal(codes[:3], [[fmt.encode(float(v)) for v in r] for r in NUMBERS])
    np.testing.assert_array_equal(codes, np.tile(codes[:3], (many, 1)))


@pytest.mark.parametrize("dtype", EXTENSIONS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("fmt", [qe.FP32, qe.E4M3, qe.E2M1], ids=named)
def test_ml_dtypes_arrays_are_taken_as_the_numbers_they_hold(fmt, dtype):
    x = np.array([0, 1, -2, 3, 4, -6], dtype=np.float32).astype(dtype)
    np.testing.assert_array_equal(fmt.encode(x), fmt.encode(x.astype(np.float64)))
    np.testing.assert_array_equal(fmt.round(x), x.astype(np.float32))
    many = np.tile(x, 2**13)
    np.testing.assert_array_equal(fmt.encode(many), np.tile(fmt.encode(x), 2**13))


def test_booleans_are_zero_and_one():
    assert qe.E4M3.round([True, False]).tolist() == [1, 0]
    assert qe.E4M3.round(True) == 1


def test_lists_nested_lists_and_ranges_are_arrays():
    assert qe.E2M1.round([[0.2, 3], [5.1, -7]]).tolist() == [[0, 3], [6, -6]]
    assert qe.E2M1.decode(range(4)).tolist() == [0, 0.5, 1, 1.5]


@every_format
def test_a_scalar_gives_a_scalar(fmt):
    for x in (1, 1.0, True, np.float32(1), np.int8(1), np.array(1.0)):
        code = fmt.encode(x)
        assert isinstance(code, np.unsignedinteger)
        assert isinstance(fmt.decode(code), np.float64)
        assert isinstance(fmt.round(x), np.floating)
        assert isinstance(fmt.classify(code), str)
        assert all(isinstance(field, np.int64) for field in fmt.split(code))
        assert all(isinstance(number, np.float64) for number in fmt.neighbours(x))
        assert fmt.explain(code).startswith(fmt.name)


def test_zero_as_a_python_integer_is_a_number_like_others():
    """The lowest set bit of 0 was sought with a warning of overflow."""
    assert qe.E4M3.encode(0) == 0
    assert qe.FP64.encode(0) == 0


@every_format
def test_codes_may_come_in_any_integer_dtype(fmt):
    """Codes narrower than the mantissa once overflowed."""
    plain = np.arange(min(2**fmt.bits, 128))
    for dtype in INTEGERS:
        codes = plain.astype(dtype)
        np.testing.assert_array_equal(fmt.decode(codes), fmt.decode(plain))
        np.testing.assert_array_equal(fmt.classify(codes), fmt.classify(plain))
        np.testing.assert_array_equal(fmt.split(codes), fmt.split(plain))
        assert fmt.explain(codes[1]) == fmt.explain(1)


@every_format
def test_nothing_in_nothing_out_with_its_shape(fmt):
    for shape in [(0,), (0, 3), (2, 0, 4)]:
        x = np.zeros(shape)
        codes = fmt.encode(x)
        assert (codes.shape, codes.dtype) == (shape, fmt.code_dtype)
        assert fmt.decode(codes).shape == fmt.round(x).shape == fmt.classify(codes).shape == shape
        assert all(a.shape == shape for a in (*fmt.split(codes), *fmt.neighbours(x)))
    assert fmt.decode([]).size == 0


ARRANGEMENTS = {
    "every second": lambda x: x[::2],
    "backwards": lambda x: x[::-1, ::-1],
    "transposed": lambda x: x.T,
    "Fortran order": np.asfortranarray,
    "one column": lambda x: x[:, 1:2],
    "broadcast": lambda x: np.broadcast_to(x[0], (2, *x.shape)),
    "read only": lambda x: np.lib.stride_tricks.as_strided(x, writeable=False),
    "5 dimensions": lambda x: x.reshape(2, 2, -1, 1, 1),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
}


@pytest.mark.parametrize("rows", [8, 2**13 + 4])  # with 8 columns: both sides of TABULATE_FROM
@pytest.mark.parametrize("how", ARRANGEMENTS)
@pytest.mark.parametrize("fmt", [qe.FP32, qe.FP16, qe.E4M3, qe.E2M1], ids=named)
def test_any_arrangement_in_memory_gives_the_same_and_the_input_is_left_alone(fmt, how, rows):
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((rows, 8)).astype(np.float32)
    x = ARRANGEMENTS[how](whole)
    kept, codes = x.copy(), fmt.encode(x)
    np.testing.assert_array_equal(codes, fmt.encode(np.ascontiguousarray(x)))
    assert codes.shape == x.shape
    assert not np.shares_memory(codes, x)
    whole_codes = rng.integers(0, 2**fmt.bits, (rows, 8), dtype=fmt.code_dtype)
    y = ARRANGEMENTS[how](whole_codes)
    kept_codes = y.copy()
    decoded = fmt.decode(y, np.float32)
    np.testing.assert_array_equal(decoded, fmt.decode(np.ascontiguousarray(y), np.float32))
    assert not np.shares_memory(decoded, y)
    for function in (fmt.round, fmt.neighbours):
        function(x)
    for function in (fmt.split, fmt.classify):
        function(y)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(y, kept_codes)


@given(st.data())
def test_each_entry_is_encoded_as_if_it_were_alone(data):
    fmt = data.draw(st.sampled_from([f for f in EVERY if f.has_nan]))
    shape = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)
    x = data.draw(hnp.arrays(hnp.floating_dtypes(sizes=(16, 32, 64)), shape))
    codes = fmt.encode(x)
    assert np.shape(codes) == x.shape
    with np.errstate(invalid="ignore"):  # signalling NaNs
        alone = [fmt.encode(np.float64(v)) for v in x.ravel()]
    same = np.array(alone, dtype=fmt.code_dtype).reshape(x.shape)
    same_codes(fmt, codes, same)


@pytest.mark.parametrize(
    ("dtype", "narrow", "wide"),
    [  # of x, of E4M3's round, of TF32's: float32 holds both, float64's 2^-1074 it does not
        ("f2", "f4", "f4"),
        ("f4", "f4", "f4"),
        ("f8", "f8", "f8"),
        ("i1", "f4", "f4"),
        ("i2", "f4", "f4"),
        ("i4", "f8", "f8"),
        ("i8", "f8", "f8"),
        (ml_dtypes.bfloat16, "f4", "f4"),
        (bool, "f4", "f4"),
    ],
    ids=str,
)
def test_round_gives_float32_where_that_held_the_input_and_the_format(dtype, narrow, wide):
    x = np.ones(3).astype(dtype)
    assert qe.E4M3.round(x).dtype == narrow
    assert qe.TF32.round(x).dtype == wide
    assert qe.FP64.round(x).dtype == np.float64


# Integers and floats that float64 does not hold


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_are_exact_or_refused(dtype):
    exact = [2**53, 2**53 + 2, 2**62, 2**63 - 2**10]
    x = np.array(exact, dtype=dtype)
    assert [int(v) for v in qe.FP64.round(x)] == exact
    for wrong in (2**53 + 1, 2**62 + 1, 2**63 - 1):
        with pytest.raises(
            ValueError, match=rf"rounded twice; got 1 of 2, the first {wrong} at 1;"
        ):
            qe.FP64.encode(np.array([1, wrong], dtype=dtype))
        with pytest.raises(ValueError, match="convert x to float64 if that is meant"):
            qe.E4M3.encode(wrong)


def test_the_ends_of_the_integers():
    assert qe.FP64.round(np.int64(-(2**63))) == -(2.0**63)
    assert qe.FP32.round(np.array([-(2**63), 0])).tolist() == [-(2.0**63), 0]
    with pytest.raises(ValueError, match="got 18446744073709551615"):
        qe.FP64.encode(np.uint64(2**64 - 1))


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_integer_is_taken_exactly_when_python_finds_that_float64_holds_it(n):
    if int(float(n)) == n:
        assert qe.FP64.round(n) == n
    else:
        with pytest.raises(ValueError, match=str(n)):
            qe.FP64.encode(n)


@pytest.mark.skipif(np.finfo(np.longdouble).bits == 64, reason="longdouble is float64 here")
def test_extended_floats_are_exact_or_refused():
    third = np.longdouble(1) / 3
    assert qe.FP16.round(np.longdouble(0.5)) == 0.5
    assert np.isnan(qe.FP16.round(np.longdouble("nan")))
    assert qe.FP16.round(np.longdouble("-inf")) == -np.inf
    for wrong in (third, np.longdouble(2) ** 2000, np.longdouble(2) ** -2000):
        with pytest.raises(ValueError, match=r"rounded twice; got 2 of 3, the first .* at 0;"):
            qe.FP16.encode(np.array([wrong, 1, wrong]))


# What is refused


@pytest.mark.parametrize(
    "x",
    [1j, "1", None, b"1", np.datetime64("2026-01-01"), np.timedelta64(1), 10**30, {}, object()],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("function", ["encode", "round", "neighbours"])
def test_what_is_no_real_number_is_refused(function, x):
    for wrong in (x, [x, x]):
        message = f"x must hold real numbers.*, not {np.asarray(wrong).dtype}"
        with pytest.raises(TypeError, match=message.replace("[", r"\[").replace("<", r"\<")):
            getattr(qe.E4M3, function)(wrong)


def test_a_record_is_no_number():
    with pytest.raises(TypeError, match="x must hold real numbers"):
        qe.E4M3.encode(np.zeros(2, dtype=[("a", "f4")]))


@pytest.mark.parametrize("function", ["decode", "split", "classify", "explain"])
@pytest.mark.parametrize("fmt", [qe.E2M1, qe.E4M3, qe.TF32], ids=named)
def test_codes_out_of_range_are_refused(fmt, function):
    last = 2**fmt.bits - 1
    for code in (-1, last + 1, -(2**63), 2**63):
        message = rf"codes of {fmt.name} are 0 … {last}; got {code}$"
        with pytest.raises(ValueError, match=message):
            getattr(fmt, function)(code)
    if function != "explain":
        message = rf"got 2 of 6, the first {last + 1} at \(0, 2\)"
        with pytest.raises(ValueError, match=message):
            getattr(fmt, function)([[0, 1, last + 1], [-1, 2, 3]])


@pytest.mark.parametrize("function", ["decode", "split", "classify", "explain"])
@pytest.mark.parametrize("code", [1.0, np.float32(1), True, "1", None, 1j], ids=repr)
def test_codes_that_are_no_integers_are_refused_and_encode_is_named(function, code):
    message = r"codes must be integers 0 … 2\^8 − 1, not .*; encode\(x\) makes codes from numbers"
    with pytest.raises(TypeError, match=message):
        getattr(qe.E4M3, function)(code)


def test_explain_takes_one_code():
    with pytest.raises(ValueError, match=r"explain takes one code, not an array of shape \(2,\)"):
        qe.E4M3.explain([1, 2])


def test_values_are_listed_for_formats_of_up_to_16_bits():
    with pytest.raises(
        ValueError, match=r"TF32 has 2\^19 codes; .* up to 16 bits, decode\(codes\)"
    ):
        qe.TF32.values()


@pytest.mark.parametrize("dtype", [int, complex, "u1", ">f4", "g", object])
def test_decode_gives_numpy_floats_only(dtype):
    if np.dtype(dtype) == np.float64:
        pytest.skip("longdouble is float64 here")
    with pytest.raises(TypeError, match=r"dtype must be np.float64, np.float32 or np.float16, not"):
        qe.E2M1.decode([1], dtype)


def test_decode_to_too_narrow_a_float_says_which_to_take():
    with pytest.raises(
        ValueError, match=r"float16 does not hold every value of BF16; decode to np\.float64"
    ):
        qe.BF16.decode([0], np.float16)
    with pytest.raises(ValueError, match="float32 does not hold every value of FP64"):
        qe.FP64.decode([0], np.float32)


@pytest.mark.parametrize("function", ["encode", "round"])
@pytest.mark.parametrize("name", ["nearest", "NEAREST_EVEN", "", None, 1, ["up"], np.array([1, 2])])
def test_an_unknown_rule_is_answered_with_the_known_ones(function, name):
    rounding = (
        r"unknown rounding .*; choose one of "
        r"nearest_even, nearest_away, toward_zero, up, down, stochastic"
    )
    with pytest.raises(ValueError, match=rounding):
        getattr(qe.E4M3, function)(1.0, rounding=name)
    with pytest.raises(ValueError, match=r"unknown overflow .*; choose one of special, saturate"):
        getattr(qe.E4M3, function)(1.0, overflow=name)


@pytest.mark.parametrize("rng", [None, 0, np.random, np.random.RandomState(0)], ids=str)
def test_stochastic_rounding_wants_a_generator(rng):
    message = r"rounding='stochastic' needs rng=np.random.default_rng\(seed\), not "
    for function in (qe.E4M3.encode, qe.E4M3.round):
        with pytest.raises(TypeError, match=message):
            function(1.0, "stochastic", rng=rng)


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("fmt", [f for f in EVERY if not f.has_nan], ids=named)
def test_nan_is_refused_by_formats_without_nan(fmt, overflow):
    cure = "replace them first, or choose a format with NaN"
    with pytest.raises(ValueError, match=rf"{fmt.name} has no code for NaN; got nan; {cure}"):
        fmt.encode(np.nan, overflow=overflow)
    x = np.ones((3, 4))
    x[1, 2] = x[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN; got 2 of 12, the first nan at \(1, 2\); replace"):
        fmt.round(x, overflow=overflow)
    for dtype in (np.float16, np.float32, ml_dtypes.bfloat16):
        with pytest.raises(
            ValueError, match="no code for NaN; got 1 of 65536, the first nan at 9;"
        ):
            fmt.encode(np.where(np.arange(2**16) == 9, np.nan, 1).astype(dtype))


@pytest.mark.parametrize("overflow", formats.OVERFLOWS)
@pytest.mark.parametrize("fmt", [f for f in EVERY if not (f.has_nan or f.signed)], ids=named)
def test_negative_numbers_are_refused_by_formats_without_sign_and_nan(fmt, overflow):
    message = r"has no code for negative numbers; got 2 of 4, the first -1.5 at 1; replace them"
    with pytest.raises(ValueError, match=message):
        fmt.encode([1, -1.5, 0, -np.inf], overflow=overflow)
    many = np.where(np.arange(2**16) == 9, -1, 1).astype(np.float32)
    with pytest.raises(ValueError, match=r"the first -1\.0 at 9"):
        fmt.encode(many, overflow=overflow)
    assert fmt.encode(-0.0, overflow=overflow) == 0


def test_negative_numbers_are_nan_in_formats_without_sign_but_with_nan():
    for overflow in formats.OVERFLOWS:
        for fmt in [f for f in EVERY if f.has_nan and not f.signed]:
            x = [-1.0, -1e-300, -np.inf]
            assert np.all(np.isnan(fmt.round(x, overflow=overflow)))


# Nonsense parameters


def make(**changes):
    return qe.FloatFormat(**{"name": "X", "exponent_bits": 4, "mantissa_bits": 3, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": ""}, TypeError, "name must be a non-empty string, not ''"),
        ({"name": None}, TypeError, "name must be a non-empty string, not None"),
        ({"exponent_bits": 0}, ValueError, "X: exponent_bits=0 is outside 1 … 11"),
        ({"exponent_bits": 12}, ValueError, "X: exponent_bits=12 is outside 1 … 11.* float64"),
        ({"mantissa_bits": -1}, ValueError, "X: mantissa_bits=-1 is outside 0 … 52"),
        ({"mantissa_bits": 53}, ValueError, "X: mantissa_bits=53 is outside 0 … 52"),
        ({"exponent_bits": 4.0}, TypeError, "X: exponent_bits must be an integer, not 4.0"),
        ({"mantissa_bits": "3"}, TypeError, "X: mantissa_bits must be an integer, not '3'"),
        ({"mantissa_bits": True}, TypeError, "X: mantissa_bits must be an integer, not True"),
        ({"bias": 7.0}, TypeError, "X: bias must be an integer, not 7.0"),
        ({"bias": True}, TypeError, "X: bias must be an integer, not True"),
        ({"bias": 1100}, ValueError, r"X: bias=1100 gives values from 2\^-1102 to 2\^-1086"),
        ({"bias": -1010}, ValueError, r"to 2\^1024, beyond the float64 range 2\^-1074 … 2\^1023"),
        ({"specials": "IEEE"}, ValueError, "specials 'IEEE'; choose .* ieee, fn, fnuz, finite"),
        ({"specials": None}, ValueError, "unknown specials None; choose one of ieee"),
        ({"signed": 1}, TypeError, "X: signed must be True or False, not 1"),
        ({"subnormals": None}, TypeError, "X: subnormals must be True or False, not None"),
        ({"exponent_bits": 1}, ValueError, "X: specials='ieee' .* needs exponent_bits >= 2"),
        ({"mantissa_bits": 0}, ValueError, "mantissa_bits >= 1; use specials='finite' or 'fn'"),
        (
            {"specials": "fnuz", "signed": False},
            ValueError,
            "X: specials='fnuz' stores NaN in the code of −0, .*use specials='fn'",
        ),
        ({"subnormals": False}, ValueError, "X: subnormals=False .*; pass signed=False as well"),
        (
            {"exponent_bits": 1, "mantissa_bits": 0, "specials": "fn"},
            ValueError,
            "X: exponent_bits=1 and mantissa_bits=0 with specials='fn' leave no normal number",
        ),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_parameters_that_make_no_format_are_refused_with_the_reason(changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes)


def test_parameters_may_be_numpy_integers():
    """8-bit ones once overflowed."""
    tiny = qe.FloatFormat("BF16", np.uint8(8), np.uint8(7), bias=np.int8(127))
    assert tiny == qe.BF16
    assert tiny.max == qe.BF16.max
    assert qe.FloatFormat("FP64", np.int64(11), np.int64(52)).max == np.finfo(float).max


def test_without_zero_the_smallest_numbers_still_have_all_their_mantissa():
    """2^-1074 · (1 + 1/8) is no float64, and 2^-149 · (1 + 1/8) no float32."""
    options = {"specials": "fn", "signed": False, "subnormals": False}
    with pytest.raises(ValueError, match=r"gives values from 2\^-1077"):
        make(bias=1074, **options)
    low = make(bias=149, **options)
    assert low.decode(1) == 2.0**-149 * (1 + 1 / 8)
    with pytest.raises(ValueError, match="float32 does not hold"):
        low.decode(1, np.float32)


# The fast path against the definition


def structured_bits(fmt):
    """Float32 bit patterns: what tables over the upper half may get wrong, and 2^20 at random."""
    upper = np.arange(2**16, dtype=np.uint32) << 16
    lower = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
    hard = hard_inputs(fmt, np.float32).view(np.uint32)
    count = 2**20 if fmt in formats.FORMATS else 2**17
    drawn = np.random.default_rng(0).integers(0, 2**32, count, dtype=np.uint32)
    return np.concatenate([*(upper | np.uint32(half) for half in lower), hard, drawn])


@pytest.mark.parametrize("fmt", [f for f in LISTED if f.mantissa_bits <= 7], ids=named)
def test_the_tables_of_encode_say_what_the_definition_says(fmt):
    x = structured_bits(fmt).view(np.float32)
    x = accepted(fmt, x if fmt.has_nan else x[~np.isnan(x)])
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wide = x.astype(np.float64)  # float64 goes through the definition
    assert x.size >= _tables.TABULATE_FROM
    for rounding, overflow in RULES:
        assert formats._lookup(fmt, rounding, overflow) is not None
        np.testing.assert_array_equal(
            fmt.encode(x, rounding, overflow), fmt.encode(wide, rounding, overflow)
        )


@pytest.mark.parametrize("carrier", [np.float32, np.float64])
def test_numpys_cast_to_fp16_says_what_the_definition_says(carrier):
    rng, unsigned = np.random.default_rng(0), f"u{np.dtype(carrier).itemsize}"
    bits = rng.integers(0, np.iinfo(unsigned).max, 2**20, dtype=unsigned, endpoint=True)
    near = (qe.FP16.values()[:0x7C01, None] * np.array([1, 1 - 2**-12, 1 + 2**-12])).ravel()
    ties = (qe.FP16.values()[:0x7BFF] + qe.FP16.values()[1:0x7C00]) / 2
    x = np.concatenate(
        [bits.view(carrier), *(s * y.astype(carrier) for y in (near, ties) for s in (1, -1))]
    )
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wide = x.astype(np.float64)
    wanted = qe.FP16._encode_definition(wide, "nearest_even", "special")
    np.testing.assert_array_equal(qe.FP16.encode(x), wanted)


@pytest.mark.parametrize("fmt", LISTED, ids=named)
def test_the_tables_of_decode_say_what_the_definition_says(fmt):
    codes = np.arange(2**fmt.bits).astype(fmt.code_dtype)
    by_definition = fmt._decode_definition(codes.astype(np.uint64))
    times = -(-_tables.TABULATE_FROM // codes.size)
    for dtype in (np.float64, np.float32, np.float16):
        if not fmt._fits(np.dtype(dtype)):
            continue
        with np.errstate(invalid="ignore"):  # signalling NaNs
            wanted = by_definition.astype(dtype)
        bits = f"u{np.dtype(dtype).itemsize}"
        for tail in (0, 1):  # an odd count too: two codes are looked up at a time
            many = np.concatenate([np.tile(codes, times), codes[-tail:] if tail else codes[:0]])
            got = fmt.decode(many, dtype)
            assert got.dtype == dtype
            if (fmt, dtype) == (
                qe.FP16,
                np.float16,
            ):  # a view: it keeps signalling NaNs as they are
                wanted = codes.view(np.float16)
            same = np.concatenate([np.tile(wanted, times), wanted[-tail:] if tail else wanted[:0]])
            np.testing.assert_array_equal(got.view(bits), same.view(bits))


@pytest.mark.parametrize("fmt", LISTED, ids=named)
def test_random_codes_decode_as_by_definition(fmt):
    codes = np.random.default_rng(0).integers(0, 2**fmt.bits, 2**20 + 1, dtype=fmt.code_dtype)
    np.testing.assert_array_equal(fmt.decode(codes), fmt._decode_definition(codes))


@pytest.mark.parametrize("fmt", [qe.E4M3, qe.E2M1, qe.BF16], ids=named)
def test_where_the_fast_path_begins_makes_no_difference(fmt):
    x = np.random.default_rng(0).standard_normal(2 * _tables.CHUNK + 3).astype(np.float32)
    codes, start = fmt.encode(x), _tables.TABULATE_FROM
    for size in (start - 1, start, start + 1, _tables.CHUNK - 1, _tables.CHUNK + 1):
        np.testing.assert_array_equal(fmt.encode(x[:size]), codes[:size])
        np.testing.assert_array_equal(fmt.decode(codes[:size]), fmt.decode(codes)[:size])
        np.testing.assert_array_equal(
            fmt.decode(codes[:size], np.float32), fmt.decode(codes, np.float32)[:size]
        )


def test_all_formats_of_up_to_8_bits_and_bf16_have_tables():
    fast = {f for f in formats.FORMATS if formats._lookup(f, "nearest_even", "special")}
    assert fast == {f for f in formats.FORMATS if f.bits <= 8} | {qe.BF16}


def peak_beyond_output(function, *args):
    """Bytes that NumPy held at one time while function ran, less those of its result."""
    tracemalloc.start()
    try:
        result = function(*args)
        return tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "fmt", [qe.FP16, qe.BF16, qe.E4M3, qe.E5M2, qe.E2M3, qe.E2M1, qe.E8M0], ids=named
)
def test_encode_and_decode_take_little_memory(fmt):
    """At most 16 MiB beyond input and output: everything longer is worked on in pieces."""
    size = 2**22 if fmt is qe.FP16 else 2**24  # FP16 has no table and is worked on like any other
    x = np.random.default_rng(0).random(size, dtype=np.float32)
    codes = fmt.encode(x)
    for cache in (formats._lookup, formats._decode_table):
        cache.cache_clear()  # building the tables counts
    assert peak_beyond_output(fmt.encode, x) < 2**24
    assert peak_beyond_output(fmt.decode, codes, np.float32) < 2**24


def test_signalling_nans_make_no_warning():
    """Casting them warned, before any code saw them."""
    signalling = np.full(2**16, 0x7F800001, dtype=np.uint32).view(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fmt in (qe.FP64, qe.FP16, qe.BF16, qe.E4M3, qe.E8M0):
            for x in (signalling, signalling[:3], signalling[0]):
                assert np.all(np.isnan(fmt.round(x)))


def test_infinity_stays_infinity_in_a_format_without_zero():
    """Rounded toward zero it once became NaN, as what is below the smallest number does."""
    fmt = qe.FloatFormat("UE2M1", 2, 1, signed=False, subnormals=False)
    for rounding in formats.ROUNDINGS[:-1]:
        assert fmt.round(np.inf, rounding) == np.inf


def test_masked_entries_are_not_taken_for_numbers():
    x = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    for take in (qe.FP16.encode, qe.int_absmax(8), qe.NF4.encode, lambda x: qe.mse(x, x)):
        with pytest.raises(ValueError, match="masked entries"):
            take(x)
    assert qe.FP16.round(np.ma.masked_array([1.5])).tolist() == [1.5]

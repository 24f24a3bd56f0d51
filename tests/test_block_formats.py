"""MX and NVFP4 held to slow loops, to gfloat and ml_dtypes, and to the numbers of the standard."""

import dataclasses

import gfloat
import ml_dtypes
import numpy as np
import pytest
import quantizer_spec as spec
from gfloat import formats as gfloat_formats
from hypothesis import given, settings
from hypothesis import strategies as st

from quantedu import metrics, scales
from quantedu.codebooks import Codebook, uniform
from quantedu.formats import E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, FP16
from quantedu.quantizers import Quantizer
from quantedu.recipes import fp8, mxfp4, mxfp6, mxfp8, mxint8, nvfp4
from quantedu.scales import POWER_OF_TWO_RULES, absmax

RULES = tuple(POWER_OF_TWO_RULES)
ELEMENTS = {  # make, format, emax, mantissa bits: OCP MX v1.0, tables 1 and 2
    "mxfp8 e4m3": (lambda rule: mxfp8(E4M3, rule), E4M3, 8, 3),
    "mxfp8 e5m2": (lambda rule: mxfp8(E5M2, rule), E5M2, 15, 2),
    "mxfp6 e3m2": (lambda rule: mxfp6(E3M2, rule), E3M2, 4, 2),
    "mxfp6 e2m3": (lambda rule: mxfp6(E2M3, rule), E2M3, 2, 3),
    "mxfp4": (mxfp4, E2M1, 2, 1),
}
# any float32 at all, and the places where something happens: powers of two, multiples of a
# quarter (ties), subnormals, the two zeros, the largest
ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
QUARTERS = st.integers(-64, 64).map(lambda n: n / 4)
SPECIAL = st.sampled_from([0.0, -0.0, 2.0**-149, -(2.0**-126), 2.0**-120, 2.0**127, -3.4028235e38])
LISTS = st.lists(ANY | QUARTERS | SPECIAL, min_size=1, max_size=40)
CALM = st.lists(QUARTERS | st.floats(-100, 100, width=32), min_size=1, max_size=40)
of_elements = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
of_rules = pytest.mark.parametrize("rule", RULES)


def bits_of(x):
    return np.asarray(x, dtype=np.float32).view(np.uint32).tolist()


def gaussian(n, seed=0, sigma=1.0):
    return (np.random.default_rng(seed).standard_normal(n) * sigma).astype(np.float32)


# ---------------------------------------------------------------------- the rules, as slow loops


def agrees_with_the_loop(element, rule, x):
    make, fmt, emax, mantissa_bits = element
    codes, stored, x_hat = spec.mx_floats(x, rule, fmt.values(), emax, mantissa_bits)
    q = make(rule).quantize(np.float32(x))
    assert q.stored_scale.reshape(-1).tolist() == stored
    assert q.codes.tolist() == codes
    assert bits_of(q.dequantize()) == bits_of(x_hat)


@of_rules
@of_elements
@settings(max_examples=15)
@given(x=LISTS | CALM)
def test_mx_floats_are_those_of_the_standard_bit_for_bit(element, rule, x):
    agrees_with_the_loop(element, rule, x)


@of_rules
@settings(max_examples=25)
@given(x=LISTS | CALM)
def test_mxint8_is_that_of_the_standard_bit_for_bit(rule, x):
    codes, stored, x_hat = spec.mx_integers(x, rule)
    q = mxint8(rule).quantize(np.float32(x))
    assert q.stored_scale.reshape(-1).tolist() == stored
    assert q.codes.tolist() == codes
    np.testing.assert_array_equal(q.dequantize(), np.float32(x_hat))


@settings(max_examples=60)
@given(x=LISTS | CALM)
def test_nvfp4_is_the_rule_of_its_library_bit_for_bit(x):
    codes, stored, t, x_hat = spec.nvfp4(x, E2M1.values(), E4M3.values())
    q = nvfp4().quantize(np.float32(x))
    assert q.stored_scale.scale.item() == t
    assert q.stored_scale.codes.tolist() == stored
    assert q.codes.tolist() == codes
    assert bits_of(q.dequantize()) == bits_of(x_hat)
    packed = q.pack("low_first")
    assert packed["codes"].tolist() == spec.nibbles(codes, pad=0, high_first=False)
    assert packed["scale.codes"].tolist() == stored
    assert packed["scale.scale"].tobytes() == np.float32(t).tobytes()


# ---------------------------------------------------------------------- all of what can happen


@of_rules
@of_elements
def test_the_exponent_is_right_for_every_binade_and_around_every_turn(element, rule):
    """Each power of two, times each significand at which a rule could change, a step either way."""
    _, fmt, emax, mantissa_bits = element
    turns = np.float32([1, 1.5, 1.75, fmt.max / 2.0**emax, 2 - 2.0 ** -(mantissa_bits + 1)])
    steps = [np.nextafter(turns, np.float32(0)), turns, np.nextafter(turns, np.float32(9))]
    significands = np.unique(np.concatenate(steps)).astype(np.float64)
    binades = [-149, -148, -140, -127, -126, -125, -124, *range(-110, 126, 7), 126, 127]
    largest = (2.0 ** np.array(binades)[:, None] * significands).ravel()
    largest = largest[largest < 2.0**128].astype(np.float32)
    largest = largest[largest > 0]
    recipe = element[0](rule)
    found = recipe.quantize(np.repeat(largest, 32)).stored_scale.reshape(-1).astype(int) - 127
    expected = [spec.power_of_two_exponent(x, rule, emax, mantissa_bits, fmt.max) for x in largest]
    np.testing.assert_array_equal(found, np.clip(expected, -127, 127))


@of_elements
def test_every_code_and_every_tie_between_two_is_encoded_as_the_format_says(element):
    make, fmt, _, _ = element
    values = fmt.values()
    values = np.sort(values[np.isfinite(values)])
    x = np.concatenate([values, (values[1:] + values[:-1]) / 2])
    x = np.concatenate([[v, np.nextafter(v, 9e9), np.nextafter(v, -9e9)] for v in np.float32(x)])
    blocks = np.repeat(x[:, None], 32, axis=1)
    blocks[:, 0] = fmt.max  # the scale is 1
    q = make("floor").quantize(blocks)
    assert np.all(q.scale == 1)
    np.testing.assert_array_equal(q.codes[:, 1], fmt.encode(x, overflow="saturate"))


@of_elements
def test_ml_dtypes_makes_the_same_elements(element):
    make, fmt, _, _ = element
    names = {E4M3: "float8_e4m3fn", E5M2: "float8_e5m2", E3M2: "float6_e3m2fn"}
    names |= {E2M3: "float6_e2m3fn", E2M1: "float4_e2m1fn"}
    x = gaussian(32 * 400, seed=3)
    q = make("rceil").quantize(x)  # clips nothing, so that overflow has no say
    scaled = x.reshape(-1, 32) / q.scale
    expected = scaled.astype(getattr(ml_dtypes, names[fmt])).view(np.uint8)
    np.testing.assert_array_equal(q.codes.reshape(-1, 32), expected)
    e8m0 = q.scale.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    np.testing.assert_array_equal(q.stored_scale, e8m0)


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (mxfp8(), "mxfp8_e4m3"),
        (mxfp8(E5M2), "mxfp8_e5m2"),
        (mxfp6(E3M2), "mxfp6_e3m2"),
        (mxfp6(), "mxfp6_e2m3"),
        (mxfp4(), "mxfp4_e2m1"),
        (mxint8(), "mxint8"),
    ],
)
def test_gfloat_makes_the_same_blocks(recipe, name):
    block_format = getattr(gfloat_formats, f"format_info_{name}")
    blocks = gaussian(32 * 6, seed=4).reshape(-1, 32) * np.float32(
        [[1], [1e-3], [50], [0], [9], [1]]
    )
    for block in blocks:
        with np.errstate(divide="ignore"):
            expected = gfloat.quantize_block(
                block_format, block.astype(np.float64), gfloat.compute_scale_amax
            )
        np.testing.assert_array_equal(recipe(block), expected)


# ---------------------------------------------------------------------- laws


@of_elements
@given(x=CALM)
def test_no_rule_but_floor_and_even_clips(element, x):
    make, fmt, _, _ = element
    for rule in ("ceil", "rceil"):
        q = make(rule).quantize(np.float32(x))
        blocks = np.pad(np.abs(np.float32(x)), (0, -len(x) % 32)).reshape(-1, 32)
        assert np.all(blocks.max(axis=1, keepdims=True) <= q.scale * np.float32(fmt.max))


@of_elements
@given(x=CALM)
def test_floor_is_the_smallest_scale_ceil_the_largest_and_none_is_twice_another(element, x):
    powers = {rule: element[0](rule).quantize(np.float32(x)).scale for rule in RULES}
    for rule in RULES:
        assert np.all(powers["floor"] <= powers[rule])
        assert np.all(powers[rule] <= powers["ceil"])
        assert np.all(powers[rule] <= 2 * powers["floor"])


@pytest.mark.parametrize(
    ("recipe", "bits"),
    [(mxfp8(), 8.25), (mxfp6(), 6.25), (mxfp4(), 4.25), (mxint8(), 8.25), (nvfp4(), 4.5)],
)
def test_bits_per_value_are_the_published_ones(recipe, bits):
    x = gaussian(2**16)
    of_tensor = 32 / x.size * (recipe.tensor_scale is not None)
    assert recipe.quantize(x).bits_per_value == bits + of_tensor


def test_the_floor_rule_clips_the_maximum_of_29_6_percent_of_gaussian_fp4_blocks():
    q = mxfp4().quantize(x := gaussian(32 * 50_000, seed=5))
    clipped = np.abs(x.reshape(-1, 32)).max(axis=1) > 6 * q.scale[:, 0]
    assert clipped.mean() == pytest.approx(0.296, abs=0.01)


def test_nvfp4_is_as_good_on_tiny_values_as_on_others():
    """The tensor scale moves with σ, so that E4M3 never runs out of range."""
    for sigma in (1.0, 1e-5, 1e10):
        x = gaussian(2**16, seed=6, sigma=sigma)
        assert metrics.sqnr_db(x, nvfp4()(x)) == pytest.approx(20.4, abs=0.15)


def test_a_row_of_its_own_has_blocks_of_its_own():
    x = gaussian((3, 40), seed=7)
    for make in (mxfp8, mxfp6, mxfp4, mxint8, nvfp4):
        rows = make(axis=-1).quantize(x)
        assert rows.scale.shape[0] == 3 * -(-40 // make().block_size)
        if make is not nvfp4:  # whose tensor scale is of all rows
            np.testing.assert_array_equal(rows.dequantize()[1], make()(x[1]))


# ---------------------------------------------------------------------- zeros


@of_rules
def test_a_block_of_zeros_has_the_smallest_scale_and_each_zero_keeps_its_sign(rule):
    zeros = np.float32([0.0, -0.0] * 16)
    for recipe in (mxfp4(rule), mxfp8(rule=rule), mxfp6(rule=rule)):
        q = recipe.quantize(zeros)
        assert q.stored_scale.item() == 0
        assert bits_of(q.dequantize()) == bits_of(zeros)
    assert np.all(mxint8(rule)(zeros) == 0)


def test_nvfp4_keeps_zeros_whether_the_block_or_all_are_zero():
    zeros = np.float32([0.0, -0.0] * 16)
    assert bits_of(nvfp4()(zeros)) == bits_of(zeros)
    half = np.concatenate([zeros, gaussian(16)])
    assert bits_of(nvfp4()(half)[:32]) == bits_of(zeros)
    assert nvfp4().quantize(half).stored_scale.codes.tolist() == [8, 8, 126]  # 2^-6, 2^-6, 448


def test_a_group_of_zeros_is_refused_where_neither_scale_nor_level_can_be_zero():
    recipe = Quantizer(uniform(4), absmax, block_size=2, scale_storage=E8M0)
    assert np.all(recipe([1.0, -1.0]) != 0)
    with pytest.raises(
        ValueError, match=r"a scale 0, which E8M0 lacks, or a level 0, .* got 1 of 2"
    ):
        recipe([1.0, -1.0, 0.0, 0.0])
    assert np.all(dataclasses.replace(recipe, scale_storage=FP16)(np.zeros(4)) == 0)


# ---------------------------------------------------------------------- what makes no sense


def test_the_rules_read_levels_of_any_kind():
    one = Codebook("one", [3.0])
    x = np.array([[5.9]])
    assert scales.power_of_two_even(x, one)[0].item() == 2.0
    assert scales.power_of_two_even(x, [-6.0, np.nan, 4.0, 6.0])[0].item() == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mxfp4("round"), ValueError, "unknown rule 'round'; choose one of floor, ceil, "),
        (lambda: mxfp8(FP16), ValueError, "FP16 has 16 bits"),
        (lambda: mxfp4()([1.0, np.nan]), ValueError, "1 of 2, the first nan at 1"),
        (lambda: nvfp4()([1.0, np.inf]), ValueError, "1 of 2, the first inf at 1"),
        (
            lambda: dataclasses.replace(fp8(), tensor_scale=scales.nvfp4_tensor_scale),
            TypeError,
            "tensor_scale must be None, or a function where scale_storage is a Quantizer",
        ),
        (lambda: dataclasses.replace(nvfp4(), tensor_scale=2.0), TypeError, "tensor_scale must be"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Recipes held to slow loops, to the bytes of the libraries people use, and to laws."""

import dataclasses
import itertools
import math
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
import quantizer_spec as spec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantedu import formats, metrics, scales
from quantedu.codebooks import DYNAMIC8, FP4_BITSANDBYTES, INT8, NF4, Codebook, integers, uniform
from quantedu.quantizers import QTensor, Quantizer
from quantedu.recipes import (
    binary_weights,
    fp4,
    fp8,
    int_absmax,
    int_affine,
    log2_weights,
    nf4,
    ternary_weights,
)
from quantedu.scales import absmax, absmax_half_range, mean_abs, mse_best, percentile, power_of_two

E8M0, FP16 = formats.E8M0, formats.FP16
MXFP4 = dataclasses.replace(
    fp4(block_size=32), scale_rule=power_of_two, scale_storage=E8M0
)  # OCP MX v1.0, as data
NVFP4_SCALES = Quantizer(fp8().codebook, absmax)
BINARY = Quantizer(Codebook("binary", [-1.0, 1.0]), mean_abs, block_size=5)

RECIPES = {
    "int8": int_absmax(8),
    "int3 rows": int_absmax(3, axis=-1),
    "int4 blocks": int_absmax(4, block_size=7),
    "int5 columns in blocks": int_absmax(5, axis=0, block_size=3),
    "int4 half range": Quantizer(integers(4), absmax_half_range, block_size=16),
    "int8 narrow": Quantizer(integers(8, narrow=True), absmax),
    "affine 8": int_affine(8),
    "affine 2 rows": int_affine(2, axis=-1),
    "affine 4 blocks": int_affine(4, block_size=6),
    "affine int8": Quantizer(INT8, scales.min_max),
    "fp8 e4m3": fp8(),
    "fp8 e5m2": fp8(formats.E5M2, block_size=8),
    "fp4": fp4(block_size=16),
    "fp4 bitsandbytes": fp4("bitsandbytes", block_size=4),
    "nf4": nf4(block_size=8),
    "nf4 double": nf4(block_size=2, double_quant=True),
    "nf4 fp16 scales": dataclasses.replace(nf4(block_size=8), scale_storage=FP16),
    "mxfp4": MXFP4,
    "nvfp4 without a tensor scale": dataclasses.replace(
        fp4(block_size=16), scale_storage=NVFP4_SCALES
    ),
    "centred": Quantizer(INT8, absmax, center=np.mean),
    "percentile": Quantizer(INT8, percentile(90)),
    "mse": Quantizer(integers(3), mse_best, block_size=9),
    "binary": BINARY,
    "uniform": Quantizer(uniform(4), absmax, axis=0),
    "binary rows": binary_weights(axis=-1),
    "ternary": ternary_weights(axis=-1),
    "ternary absmean": ternary_weights("absmean", block_size=6),
    "log2": log2_weights(4, block_size=8),
    "log2 without 0": log2_weights(3, zero=False, axis=0),
}
LARGEST = 2.0**20
VALUES = st.floats(-LARGEST, LARGEST, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0])
# no subnormals: x̂ = scale · level is exact to half an ulp only above them; they have their own test
NORMAL = VALUES.map(lambda x: x if abs(x) > 1e-25 else 0.0)
ARRAYS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6), elements=NORMAL
)
of_recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
FIXED = {name: r for name, r in RECIPES.items() if r.encode_with == "stored" and not r.center}
of_stored = pytest.mark.parametrize("recipe", FIXED.values(), ids=FIXED)
NEAREST = {name: r for name, r in FIXED.items() if "log2" not in name}  # those have a law below
of_nearest = pytest.mark.parametrize("recipe", NEAREST.values(), ids=NEAREST)


def gaussian(n, seed=0, sigma=1.0):
    return (np.random.default_rng(seed).standard_normal(n) * sigma).astype(np.float32)


def each_scale(q):
    """The scale and the zero-point of every value."""
    grouping, out = q.layout, []
    for numbers in (q.scale, q.zero_point):
        spread = np.zeros(q.codes.shape, np.float32)

        def fill(piece, part, numbers=numbers):
            part[...] = grouping.pick(numbers, piece)

        grouping.fill(spread, np.float32, fill)
        out.append(spread)
    return out


# ---------------------------------------------------------------------- laws, over all recipes


@of_recipes
@settings(max_examples=12)
@given(x=ARRAYS)
def test_shape_and_dtype_are_kept_and_the_input_is_left_alone(recipe, x):
    before = x.copy()
    q = recipe.quantize(x)
    x_hat = q.dequantize()
    assert x.tobytes() == before.tobytes()
    assert q.codes.shape == x_hat.shape == x.shape
    assert (q.codes.dtype, x_hat.dtype) == (np.uint8, np.float32)
    assert q.scale.shape == (q.layout.n_groups, 1)
    np.testing.assert_array_equal(recipe(x), x_hat)


@of_recipes
@settings(max_examples=12)
@given(x=ARRAYS)
def test_x_hat_is_scale_times_level_minus_zero_point(recipe, x):
    q = recipe.quantize(x)
    scale, zero_point = each_scale(q)
    expected = (q.values.astype(np.float32) - zero_point) * scale
    if q.center is not None:
        expected = expected + q.center
    np.testing.assert_array_equal(q.dequantize(), expected)


@of_nearest
@settings(max_examples=12)
@given(x=ARRAYS)
def test_the_code_is_that_of_the_level_nearest_to_x_over_the_scale(recipe, x):
    q = recipe.quantize(x)
    scale, zero_point = each_scale(q)
    ratio = x.astype(np.float64) / np.where(scale == 0, 1, scale)
    levels = recipe.codebook.levels.astype(np.float64)
    levels = levels[np.isfinite(levels)]
    values = ratio + zero_point
    error = np.abs(values[..., None] - levels)
    chosen = np.abs(values - recipe.codebook.decode(q.codes).astype(np.float64))
    slack = 4e-7 * (1 + np.abs(values))  # x/s and x·(1/s) are rounded to float32
    assert np.all(chosen <= error.min(axis=-1) + slack)


@of_stored
@settings(max_examples=12)
@given(x=ARRAYS)
def test_quantizing_again_under_the_same_scale_changes_nothing(recipe, x):
    q = recipe.quantize(x)
    again = recipe.quantize(q.dequantize(), scale=q.scale, zero_point=q.zero_point)
    np.testing.assert_array_equal(again.dequantize(), q.dequantize())


@of_stored
@settings(max_examples=12)
@given(x=ARRAYS)
def test_larger_values_of_a_group_never_get_smaller_ones(recipe, x):
    q = recipe.quantize(x)
    rows, x_hat = q.layout.rows(x), q.layout.rows(q.dequantize())
    for row, column, group in q.layout.pieces(whole=True):
        n_groups = (row.stop - row.start) * (group.stop - group.start)
        parts = rows[row, column].reshape(n_groups, -1), x_hat[row, column].reshape(n_groups, -1)
        order = np.argsort(parts[0], axis=1)
        assert np.all(np.diff(np.take_along_axis(parts[1], order, axis=1), axis=1) >= 0)


@of_recipes
@settings(max_examples=12)
@given(x=ARRAYS)
def test_zero_is_exact_where_a_level_is_zero(recipe, x):
    if recipe.center is None and (0 in recipe.codebook.levels):
        assert np.all(recipe(x)[x == 0] == 0)


@of_recipes
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_an_all_zero_group_gives_zeros_whatever_the_codebook(recipe, zero):
    x = np.full((3, 40), zero, dtype=np.float32)
    assert np.all(recipe(x) == 0)
    x[1, :] = gaussian(40)
    rows = dataclasses.replace(recipe, axis=-1)
    assert (
        np.all(rows(x)[[0, 2]] == 0) or recipe.center or not np.all(rows.quantize(x).scale[0] == 0)
    )


@of_recipes
@settings(max_examples=12)
@given(x=ARRAYS)
def test_bits_per_value_are_the_bytes_of_pack_which_come_back(recipe, x):
    q = recipe.quantize(x)
    for order in ("high_first", "low_first"):
        parts = q.pack(order)
        assert all(part.dtype == np.uint8 for part in parts.values())
        assert q.nbytes == sum(part.nbytes for part in parts.values())
        assert q.bits_per_value == 8 * q.nbytes / x.size
        again = QTensor.unpack(parts, recipe, x.shape, x.dtype, order)
        np.testing.assert_array_equal(again.codes, q.codes)
        assert again.dequantize().tobytes() == q.dequantize().tobytes()
        assert again.bits_per_value == q.bits_per_value


@of_recipes
def test_many_values_are_quantized_as_few_are(recipe):
    """The tabulated paths, the cut into pieces and the definition agree."""
    x = gaussian((64, 5000), seed=5)  # more than a piece
    if recipe.axis is None:
        x = x.reshape(-1)
    q = recipe.quantize(x)
    if recipe.axis == -1:
        few = recipe.quantize(x[:5])
        np.testing.assert_array_equal(few.codes, q.codes[:5])
        np.testing.assert_array_equal(few.dequantize(), q.dequantize()[:5])
    elif recipe.axis == 0:
        few = recipe.quantize(x[:, :50])
        np.testing.assert_array_equal(few.codes, q.codes[:, :50])
        np.testing.assert_array_equal(few.dequantize(), q.dequantize()[:, :50])
    else:
        divisor, zero_point = each_scale(q)
        if recipe.encode_with == "exact":
            divisor = np.repeat(recipe.fit(x)[0][:, 0], recipe.block_size)
        center = np.float32(0) if q.center is None else q.center
        scaled = (x - center) / np.where(divisor == 0, 1, divisor)
        if recipe.reciprocal:
            full = x.size // recipe.block_size * recipe.block_size
            scaled[:full] = x[:full] * (np.float32(1) / divisor[:full])
        if np.ndim(q.zero_point):
            scaled = np.rint(scaled) + zero_point
        np.testing.assert_array_equal(q.codes, recipe.codebook._encode_definition(scaled))
        expected = (recipe.codebook.levels[q.codes] - zero_point) * each_scale(q)[0] + center
        np.testing.assert_array_equal(q.dequantize(), expected)


# ---------------------------------------------------------------------- the rules, as slow loops

FLOATS = st.floats(-1e3, 1e3, width=16) | st.floats(-(2.0**100), 2.0**100, width=32)
LISTS = st.lists(FLOATS.filter(lambda x: x == 0 or abs(x) > 1e-30), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("book", "make", "pad"),
    [(NF4, nf4, 7), (FP4_BITSANDBYTES, lambda size: fp4("bitsandbytes", block_size=size), 0)],
    ids=["nf4", "fp4"],
)
@given(x=LISTS, block_size=st.sampled_from([4, 16, 64]))
def test_four_bits_are_the_bytes_of_bitsandbytes(book, make, pad, x, block_size):
    codes, largest, x_hat = spec.bitsandbytes_4bit(x, book.levels, block_size)
    q = make(block_size).quantize(np.float32(x))
    assert q.codes.tolist() == codes
    assert q.scale[:, 0].tolist() == largest
    assert q.pack()["codes"].tolist() == spec.nibbles(codes, pad)
    assert q.pack()["scale"].tobytes() == np.array(largest, dtype="<f4").tobytes()
    assert q.pack("low_first")["codes"].tolist() == spec.nibbles(codes, pad, high_first=False)
    assert q.dequantize().tolist() == x_hat


@pytest.mark.parametrize("n", [64 * 700, 64 * 700 + 33])
def test_four_bits_are_the_bytes_of_bitsandbytes_in_a_large_array_too(n):
    x = gaussian(n, seed=7)
    for book, recipe in ((NF4, nf4()), (FP4_BITSANDBYTES, fp4("bitsandbytes"))):
        codes, largest, x_hat = spec.bitsandbytes_4bit(x, book.levels)
        q = recipe.quantize(x)
        assert q.codes.tolist() == codes
        assert q.scale[:, 0].tolist() == largest
        assert q.dequantize().tolist() == x_hat


def test_full_blocks_are_multiplied_by_the_reciprocal_and_a_partial_one_is_divided():
    """On values where the two arithmetics fall on different sides of a threshold."""
    rng, found = np.random.default_rng(10), []
    for threshold in NF4.thresholds:
        largest = rng.uniform(1, 2, 5000).astype(np.float32)
        x = largest * threshold
        differ = (x * (np.float32(1) / largest) > threshold) != (x / largest > threshold)
        found += zip(x[differ][:5], largest[differ][:5], strict=True)
    assert len(found) > 20
    for x, largest in found:
        q = nf4(2).quantize([largest, x, largest, x, x])  # two full blocks, a partial one
        assert q.codes[[1, 3]].tolist() == [NF4.encode(x * (np.float32(1) / largest))] * 2
        partial = nf4(3).quantize([largest, 0, 0, largest, x])
        assert partial.codes[4] == NF4.encode(x / largest)


def test_bytes_that_bitsandbytes_itself_made():
    """quantize_4bit(x, blocksize=32) of bitsandbytes 0.50.2 on a CPU: two blocks, 7 more, odd."""
    x = np.arange(-35, 36, dtype=np.float32) ** 3 / 8
    nf4_bytes = "0011112233344455566666677777777777777777777778888999aabbccddeeffddeeeff7"
    fp4_bytes = "bbbaaadddcccfffeeeee9999999999900000888111111111666677445552223352223330"
    for recipe, made in ((nf4(32), nf4_bytes), (fp4("bitsandbytes", block_size=32), fp4_bytes)):
        q = recipe.quantize(x)
        assert q.pack()["codes"].tobytes().hex() == made
        assert q.scale[:, 0].tolist() == [5359.375, 2744.0, 5359.375]


@given(x=LISTS, bits=st.integers(2, 8), block_size=st.sampled_from([3, 16, 100]))
def test_symmetric_integers_round_x_over_scale(x, bits, block_size):
    q, x_hat = spec.symmetric_integers(x, bits, block_size)
    result = int_absmax(bits, block_size=block_size).quantize(np.float32(x))
    assert result.values.tolist() == q
    assert result.dequantize().tolist() == x_hat


@given(x=LISTS, bits=st.integers(1, 8), block_size=st.sampled_from([3, 16, 100]))
def test_affine_integers_round_add_the_zero_point_and_clamp(x, bits, block_size):
    q, zero_points, x_hat = spec.affine_integers(x, bits, block_size)
    result = int_affine(bits, block_size=block_size).quantize(np.float32(x))
    assert result.values.tolist() == q
    assert np.broadcast_to(result.zero_point, result.scale.shape)[:, 0].tolist() == zero_points
    assert result.dequantize().tolist() == x_hat


@given(x=LISTS, block_size=st.sampled_from([3, 16, 100]))
def test_binary_weights_are_signs_times_the_mean_magnitude(x, block_size):
    x_hat = binary_weights(block_size=block_size)(np.float32(x))
    assert x_hat.tolist() == spec.binary(x, block_size)


@pytest.mark.parametrize(
    ("rule", "slow"), [("twn", spec.ternary_twn), ("absmean", spec.ternary_absmean)]
)
@given(x=LISTS, block_size=st.sampled_from([3, 16, 100]))
def test_ternary_weights_are_cut_and_scaled_as_published(rule, slow, x, block_size):
    signs, x_hat = slow(x, block_size)
    q = ternary_weights(rule, block_size=block_size).quantize(np.float32(x))
    assert q.values.tolist() == signs
    assert q.dequantize().tolist() == x_hat


@given(x=LISTS, bits=st.integers(2, 8), zero=st.booleans(), block_size=st.sampled_from([3, 100]))
def test_log2_weights_are_the_powers_nearest_in_the_logarithm(x, bits, zero, block_size):
    recipe = log2_weights(bits, zero, block_size=block_size)
    assert recipe(np.float32(x)).tolist() == spec.log2(x, bits, zero, block_size)


def test_a_ternary_cut_lies_at_7_tenths_of_the_mean_magnitude_and_not_at_half_the_scale():
    x = np.float32([4, -2, 1.2, 0.8])  # mean 2: 0 up to 1.4, scale 3 and its half 1.5
    q = ternary_weights().quantize(np.append(x, [1.45, 2.55]))
    assert q.values.tolist() == [1, -1, 0, 0, 1, 1]
    assert q.scale.item() == np.float32((4 + 2 + 1.45 + 2.55) / 4)
    assert q.bits_per_value == (2 * 6 + 4 + 32) / 6  # 2 bits a code, in whole bytes


def test_a_rule_to_encode_with_is_asked_even_where_a_scale_is_given():
    x = np.float32([[4, -2, 1.2, 0.8], [0, 0, 0, 0]])
    recipe = ternary_weights(axis=-1)
    q = recipe.quantize(x, scale=10.0)
    assert q.dequantize().tolist() == [[10, -10, 0, 0], [0, 0, 0, 0]]
    assert "encode_with=mean_abs" in repr(recipe)


def test_rounding_comes_before_the_zero_point():
    # rint(0.5) + 1 = 1, where rint(0.5 + 1) = 2: the two differ at ties when zero_point is odd
    q = int_affine(4).quantize([0.5, -0.5, 1.5], scale=1.0, zero_point=1)
    assert q.codes.tolist() == [1, 1, 3]


def test_the_all_positive_group_that_a_clamped_zero_point_breaks():
    x = np.float32([10.5, 11.5, 12.5, 14.0])
    clamped = np.clip(np.rint(x / np.float32(3.5 / 15)) - 45, 0, 15)  # what the popular code does
    assert (np.clip(np.rint(x / np.float32(3.5 / 15)), 0, 15) == 15).all()
    assert clamped.max() == 15
    assert np.abs(int_affine(4)(x) - x).max() <= 14 / 15 / 2 + 1e-6


@given(
    x=hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(-600, 600, width=32)),
    fmt=st.sampled_from([formats.E4M3, formats.E5M2]),
)
def test_fp8_is_the_formats_rounding_of_x_over_scale(x, fmt):
    scale = np.float32(np.abs(x).max() / np.float32(fmt.max)) or np.float32(1)
    codes = fmt.encode(x / scale, overflow="saturate")
    q = fp8(fmt).quantize(x)
    np.testing.assert_array_equal(q.codes, codes)
    np.testing.assert_array_equal(q.dequantize(), fmt.decode(codes).astype(np.float32) * q.scale[0])


# ---------------------------------------------------------------------- scales of scales


def test_double_quantization_takes_the_mean_off_and_encodes_with_the_exact_scales():
    x = gaussian(64 * 600 + 5, seed=8)
    plain, q = nf4().quantize(x), nf4(double_quant=True).quantize(x)
    np.testing.assert_array_equal(q.codes, plain.codes)
    center, codes, inner, recovered = spec.double_quantized(plain.scale[:, 0], DYNAMIC8.levels)
    stored = q.stored_scale
    assert stored.center == center
    assert stored.codes.tolist() == codes
    assert stored.scale[:, 0].tolist() == inner
    assert q.scale[:, 0].tolist() == recovered
    assert metrics.sqnr_db(x, q.dequantize()) > metrics.sqnr_db(x, plain.dequantize()) - 0.1


def test_double_quantization_costs_0_127_bits_instead_of_0_5():
    x = gaussian(64 * 256 * 64)
    assert nf4().quantize(x).bits_per_value == 4.5
    whole = nf4(double_quant=True).quantize(x).bits_per_value
    center = 32 / x.size  # one FP32 number for the tensor
    assert whole - center == 4 + 8 / 64 + 32 / (64 * 256)
    assert round(8 / 64 + 32 / (64 * 256), 6) == 0.126953


@pytest.mark.parametrize(
    ("storage", "bits"),
    [(formats.FP32, 32), (FP16, 16), (formats.BF16, 16), (E8M0, 8), (formats.E3M2, 6)],
)
def test_scales_are_rounded_to_their_storage_and_codes_made_with_what_is_read_back(storage, bits):
    x = gaussian(64 * 40, sigma=0.3)
    recipe = dataclasses.replace(nf4(), scale_storage=storage)
    q = recipe.quantize(x)
    exact = recipe.fit(x)[0]
    read_back = storage.decode(storage.encode(exact, overflow="saturate")).astype(np.float32)
    np.testing.assert_array_equal(q.scale, read_back)
    assert q.bits_per_value == 4 + bits / 64
    scaled = x.reshape(-1, 64) * (np.float32(1) / read_back)
    np.testing.assert_array_equal(q.codes.reshape(-1, 64), NF4.encode(scaled))
    exactly = dataclasses.replace(recipe, encode_with="exact").quantize(x)
    np.testing.assert_array_equal(exactly.codes, nf4().quantize(x).codes)
    np.testing.assert_array_equal(exactly.scale, read_back)


def test_a_scale_that_underflows_in_storage_gives_zeros():
    x = gaussian(64, sigma=1e-12)
    q = dataclasses.replace(nf4(), scale_storage=FP16).quantize(x)
    assert np.all(q.dequantize() == 0)
    assert np.all(q.codes == NF4.encode(0.0))  # divided by 1, as the docstring says
    assert np.all(dataclasses.replace(BINARY, scale_storage=FP16)(x) == 0)


def test_mx_blocks_of_zeros_and_of_tiny_numbers_are_clamped_to_e8m0s_range():
    tiny = np.full(32, 2.0**-149, dtype=np.float32)
    assert np.all(MXFP4(np.zeros(32)) == 0)
    assert MXFP4.quantize(tiny).scale == 2.0**-127
    assert MXFP4.quantize(gaussian(3200)).bits_per_value == 4.25


def test_a_center_is_taken_off_and_put_back():
    x = gaussian(1000) + np.float32(100)
    q = Quantizer(INT8, absmax, center=np.mean).quantize(x)
    assert q.center == np.float32(x.astype(np.float64).mean())
    assert metrics.sqnr_db(x, q.dequantize()) > metrics.sqnr_db(x, int_absmax(8)(x)) + 20


# ---------------------------------------------------------------------- published and known numbers


def test_nf4_at_block_64_reaches_20_73_db_on_gaussian_values():
    x = gaussian(2**20, seed=11)
    assert metrics.sqnr_db(x, nf4()(x)) == pytest.approx(20.73, abs=0.02)


def test_nf4s_bins_are_not_equally_likely_after_absmax_scaling():
    usage = metrics.code_usage(nf4().quantize(gaussian(2**20, seed=12)).codes, 16)
    assert metrics.entropy(usage) == pytest.approx(3.885, abs=0.003)
    assert usage.min() / usage.sum() == pytest.approx(0.017, abs=0.001)
    assert usage.max() / usage.sum() == pytest.approx(0.092, abs=0.001)


# ---------------------------------------------------------------------- inputs


@of_recipes
@pytest.mark.parametrize(
    "dtype", [np.float16, np.float64, np.int8, np.int64, bool, ml_dtypes.bfloat16]
)
def test_other_types_are_converted_once(recipe, dtype):
    x = (gaussian((6, 20), seed=3) * 4).astype(dtype)
    q = recipe.quantize(x)
    expected = recipe.quantize(x.astype(np.float32))
    np.testing.assert_array_equal(q.codes, expected.codes)
    assert q.dequantize().dtype == (np.float32 if np.dtype(dtype).kind in "biu" else dtype)
    np.testing.assert_array_equal(q.dequantize(), expected.dequantize().astype(q.dtype))


@of_recipes
def test_strides_do_not_matter(recipe):
    x = gaussian((12, 30), seed=4)
    q = recipe.quantize(x)
    spread = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    for same in (np.asfortranarray(x), spread, x[::-1][::-1], x.astype(">f4")):
        again = recipe.quantize(same)
        np.testing.assert_array_equal(again.codes, q.codes)
        np.testing.assert_array_equal(again.dequantize(), q.dequantize())


@of_recipes
def test_nothing_and_a_single_number_work(recipe):
    flat = dataclasses.replace(recipe, axis=None)
    assert flat(np.zeros((0,), np.float32)).shape == (0,)
    assert flat(np.zeros((3, 0), np.float32)).shape == (3, 0)
    assert math.isnan(flat.quantize([]).bits_per_value)
    assert flat(np.float32(2.5)).shape == ()
    assert flat(7).shape == ()
    empty = flat.quantize(np.zeros(0, np.float32))
    assert QTensor.unpack(empty.pack(), flat, (0,)).dequantize().shape == (0,)


@of_recipes
@pytest.mark.parametrize("scale", [1e-45, 1e-40, 2.0**-130, 1e-37, 1e30, 3.4028235e38 / 4.6])
def test_tiny_and_huge_blocks_stay_finite_and_near(recipe, scale):
    x = np.clip(gaussian((4, 64), seed=6), -4.5, 4.5).astype(np.float64) * scale
    x = x.astype(np.float32)
    x_hat = recipe(x)
    assert np.isfinite(x_hat).all()
    assert float(np.abs(x_hat).max()) <= float(np.abs(x).max()) * 2 + 2.0**-126
    if scale > 1e-37 and recipe is not BINARY and "E8M0" not in repr(recipe):
        assert np.abs(x - x_hat).max() <= np.abs(x).max()


def test_a_block_of_subnormals_is_as_good_as_any_other_where_its_scale_is_exact():
    x = (np.linspace(-1, 1, 64) * 2.0**-128).astype(np.float32)  # 1/absmax overflows
    expected = nf4()((x.astype(np.float64) * 2.0**128).astype(np.float32)) * 2.0**-128
    np.testing.assert_allclose(nf4()(x), expected, atol=2.0**-149)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_x_hat_beyond_the_largest_number_is_that_number(dtype):
    largest = min(float(np.finfo(dtype).max), float(np.finfo(np.float32).max))
    x = np.array([-largest / 50, 0, largest], dtype=dtype)
    x_hat = int_affine(2)(x)
    assert np.isfinite(x_hat).all()
    assert np.isfinite(int_absmax(8)(np.array([-largest, largest], dtype=dtype))).all()


@of_recipes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_nan_and_infinity_are_counted_and_the_first_named(recipe, bad, dtype):
    x = np.zeros((5, 40), dtype=dtype)
    x[3, 17] = x[4, 2] = bad
    for act in (recipe.quantize, recipe.fit, recipe, lambda x: recipe.quantize(x, scale=1.0)):
        with pytest.raises(ValueError, match=r"got 2 of 200, the first -?(nan|inf) at \(3, 17\)"):
            act(x)


def test_nan_is_found_in_a_large_array_too():
    x = gaussian(400_000)
    x[350_001] = np.nan
    with pytest.raises(ValueError, match="1 of 400000, the first nan at 350001"):
        nf4()(x)


def test_numbers_beyond_float32_are_refused_as_such():
    with pytest.raises(
        ValueError, match=r"finite float32 numbers; got 1 of 2, the first 1e\+39 at 1"
    ):
        int_absmax(8)(np.array([1.0, 1e39]))


RECIPE = int_absmax(8, block_size=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nf4(block_size=0), ValueError, "block_size=0: a block holds at least one"),
        (lambda: nf4(block_size=-64), ValueError, "block_size=-64"),
        (lambda: nf4(block_size=64.0), TypeError, "block_size must be an integer or None"),
        (lambda: int_absmax(axis="rows"), TypeError, "axis must be an integer, a tuple of them"),
        (lambda: int_absmax(axis=1)([1.0]), ValueError, r"of an array of shape \(1,\)"),
        (lambda: int_absmax(9), ValueError, "bits must be an integer from 2 to 8, not 9"),
        (
            lambda: fp4("e2m1"),
            ValueError,
            "unknown dialect 'e2m1'; choose one of ocp, bitsandbytes",
        ),
        (lambda: fp8(FP16), ValueError, "FP16 has 16 bits"),
        (lambda: Quantizer("NF4", absmax), TypeError, "codebook must be a Codebook, not 'NF4'"),
        (lambda: Quantizer(NF4, "absmax"), TypeError, "scale_rule must be a function .* 'absmax'"),
        (lambda: Quantizer(NF4, absmax, scale_storage="FP16"), TypeError, "scale_storage must be"),
        (lambda: Quantizer(NF4, absmax, encode_with="best"), ValueError, "unknown encode_with"),
        (
            lambda: Quantizer(NF4, absmax, center=0.5),
            TypeError,
            "center must be None or a function",
        ),
        (lambda: Quantizer(NF4, scales.min_max)([1.0]), ValueError, "needs consecutive integers"),
        (lambda: RECIPE(["a"]), TypeError, "must hold real numbers"),
        (lambda: RECIPE([1j]), TypeError, "must hold real numbers"),
        (lambda: RECIPE.quantize([1.0], scale=-1.0), ValueError, "finite and not negative"),
        (lambda: RECIPE.quantize([1.0], scale=np.nan), ValueError, "finite and not negative"),
        (
            lambda: RECIPE.quantize([1.0] * 6, scale=[1.0, 2.0]),
            ValueError,
            r"for 3 groups; .*\[3, 1\]",
        ),
        (lambda: RECIPE.quantize([1.0], scale=1.0, zero_point=0.5), ValueError, "stored as a code"),
        (
            lambda: RECIPE.quantize([1.0], scale=1.0, zero_point=128),
            ValueError,
            "an integer -128 … 127",
        ),
        (
            lambda: nf4().quantize([1.0], scale=1.0, zero_point=1),
            ValueError,
            "consecutive integers",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_codes_out_of_range_are_refused_on_the_way_back():
    q = nf4().quantize([1.0, 2.0])
    with pytest.raises(ValueError, match="codes of NF4 are 0 … 15; got 1 of 2, the first 16 at 1"):
        dataclasses.replace(q, codes=np.uint8([3, 16]))


def test_parts_that_do_not_fit_are_refused():
    q = nf4(double_quant=True).quantize(gaussian(1000))
    parts = q.pack()
    assert sorted(parts) == ["codes", "scale.center", "scale.codes", "scale.scale"]

    def unpack(changed):
        return QTensor.unpack({**parts, **changed}, q.quantizer, (1000,))

    with pytest.raises(ValueError, match=r"fill 500 bytes; .* was it cut off"):
        unpack({"codes": parts["codes"][:-1]})
    with pytest.raises(ValueError, match=r"has no use for the parts \['more'\]"):
        unpack({"more": parts["codes"]})
    with pytest.raises(ValueError, match="needs the part 'codes'"):
        QTensor.unpack({}, q.quantizer, (1000,))
    with pytest.raises(TypeError, match="packed codes are uint8"):
        unpack({"codes": parts["codes"].astype(np.int32)})


# ---------------------------------------------------------------------- records and calibration


def test_recipes_are_data():
    assert nf4() == nf4()
    assert hash(nf4()) == hash(nf4())
    assert len({nf4(), nf4(128), int_absmax(8), int_absmax(8, axis=-1), int_absmax(8)}) == 4
    assert dataclasses.replace(nf4(), block_size=32) == nf4(32)
    assert repr(int_affine(4, axis=-1)) == "Quantizer(UINT4, min_max, axis=-1)"
    assert "scale_storage=Quantizer(dynamic 8-bit, absmax" in repr(nf4(double_quant=True))
    assert "0x" not in "".join(map(repr, RECIPES.values()))
    assert repr(nf4().quantize(np.ones((4, 64)))).startswith(
        "<QTensor (4, 64) float64: Quantizer(NF4"
    )


def test_a_rule_of_ones_own_is_a_function_and_its_mistakes_are_seen():
    def largest_of_all(groups, codebook):
        return np.abs(groups).max(axis=1, keepdims=True), 0.0

    np.testing.assert_array_equal(Quantizer(NF4, largest_of_all)([1.0, 0.5]), nf4()([1.0, 0.5]))
    with pytest.raises(ValueError, match="1 of 2, the first nan at 1"):
        Quantizer(NF4, largest_of_all)([1.0, np.nan])
    with pytest.raises(ValueError, match="finite and not negative; got 1 of 1, the first inf"):
        Quantizer(NF4, lambda groups, codebook: (np.inf, 0.0))([1.0])


def test_a_scale_found_elsewhere_is_used_as_it_is():
    x = gaussian(100)
    scale, zero_point = int_affine(8).fit(x)
    q = int_affine(8).quantize(x, scale, zero_point)
    np.testing.assert_array_equal(q.codes, int_affine(8).quantize(x).codes)
    clipped = int_absmax(8).quantize([1.0, 1000.0, -1000.0], scale=0.5)
    assert clipped.values.tolist() == [2, 127, -128]
    rows = int_absmax(8, axis=-1).quantize([[1.0], [1.0]], scale=[[1.0], [0.5]])
    assert rows.values.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    [
        (int_absmax(4), np.int8),
        (int_affine(8), np.uint8),
        (int_affine(7), np.int8),
        (nf4(), np.float32),
    ],
)
def test_values_are_what_integer_arithmetic_takes(recipe, dtype):
    q = recipe.quantize(gaussian(50))
    assert q.values.dtype == dtype
    np.testing.assert_array_equal(q.values, recipe.codebook.levels[q.codes])


def test_an_outlier_ruins_its_group_and_no_other():
    x = gaussian(4096, seed=9)
    x[100] = 1000
    error = np.abs(int_absmax(4, block_size=64)(x) - x).reshape(-1, 64).max(axis=1)
    assert error[1] > 1
    assert np.delete(error, 1).max() < 0.5


def test_half_a_block_more_is_one_scale_more():
    for n in itertools.chain(range(1, 10), [63, 64, 65, 128]):
        assert nf4().quantize(gaussian(n)).scale.shape == (-(-n // 64), 1)


# ---------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    "recipe",
    [nf4(), int_absmax(8), int_affine(8, block_size=64), fp8(axis=-1), nf4(double_quant=True)],
)
def test_no_more_than_16_mib_beyond_input_and_output(recipe):
    x = gaussian((2**12, 2**12))
    recipe(x[:64])  # the tables are built once
    tracemalloc.start()
    try:
        q = recipe.quantize(x)
        scales_kept = q.scale.nbytes * 3
        _, peak = tracemalloc.get_traced_memory()
        assert peak < q.codes.nbytes + scales_kept + 16 * 2**20
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        x_hat = q.dequantize()
        _, peak = tracemalloc.get_traced_memory()
        assert peak - before < x_hat.nbytes + 16 * 2**20
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        parts = q.pack()
        _, peak = tracemalloc.get_traced_memory()
        assert peak - before < sum(part.nbytes for part in parts.values()) + 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_rule_of_ones_own_cannot_hide_what_is_not_finite():
    def one(groups, codebook):
        return np.ones((len(groups), 1), dtype=np.float32), 0.0

    with pytest.raises(ValueError, match="nan at 0"):
        Quantizer(integers(8), one)(np.array([np.nan, 1.0]))


@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e4m3fn", "bfloat16"])
def test_ml_dtypes_come_back_as_they_came_and_within_their_range(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    largest = float(ml_dtypes.finfo(dtype).max)
    x_hat = int_affine(2)(np.array([largest, -largest, 3, 100]).astype(dtype))
    assert x_hat.dtype == dtype
    assert np.isfinite(x_hat.astype(np.float64)).all()


def test_small_integers_of_ml_dtypes_come_back_as_float32():
    x_hat = int_absmax(2)(np.array([1, 2, 3, 6]).astype(ml_dtypes.int4))
    assert x_hat.dtype == np.float32


def test_numpy_integers_serve_as_parameters():
    x = np.linspace(-1, 1, 300, dtype=np.float32)
    assert np.array_equal(int_absmax(np.int8(7))(x), int_absmax(7)(x))
    assert np.array_equal(nf4(np.uint8(64))(x), nf4(64)(x))
    assert np.array_equal(
        Quantizer(uniform(np.int8(7)), absmax)(x), Quantizer(uniform(7), absmax)(x)
    )


def test_values_of_unusual_integers_do_not_wrap_around():
    lopsided = Codebook("-100 ... 155", np.arange(-100, 156))
    values = Quantizer(lopsided, absmax).quantize([-0.5, 0.0, 1.0], scale=1 / 155).values
    assert values.tolist() == [-78, 0, 155]


def test_what_a_qtensor_holds_cannot_be_changed():
    q = int_affine(4, block_size=8).quantize(np.linspace(-1, 1, 20))
    for array in (q.codes, q.scale, q.zero_point):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_integer_levels_beyond_int16_are_given_as_float32():
    far = Codebook("far", 40_000 + np.arange(4.0))
    q = Quantizer(far, scales.absmax).quantize([1.0, 2.0])
    assert q.values.dtype == np.float32
    assert set(q.values.tolist()) <= set(far.levels.tolist())

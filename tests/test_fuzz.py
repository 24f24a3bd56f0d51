"""The whole public surface under any input: the right result, or a TypeError or ValueError.

Whatever the dtype, the shape, the strides and the values, nothing comes back silently wrong
(slow definitions say what is right), no other exception escapes, and no input is changed. `make
test-long` tries 10,000 inputs for each property; usually it is 50.

What is public is asked of `quantedu.__all__`: a new recipe or function is tried from its first day.
"""

import dataclasses
import functools
import inspect
import itertools
import math
import typing
import warnings
from fractions import Fraction

import float_spec
import ml_dtypes
import numpy as np
import pytest
import quantizer_spec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import quantedu as qe
from quantedu import formats, language_model, layout, metrics, ptq, qat, scales
from quantedu.codebooks import Codebook, integers
from quantedu.language_model import LanguageModel
from quantedu.networks import Network, adam, held_out, initial, sgd, train

INPUTS = settings.default.max_examples


def fuzzed(cases=1):
    """10,000 inputs, shared among the cases of a property, in a long run; else 50 for each."""
    return settings(max_examples=INPUTS // cases if INPUTS > 1000 else 50 if cases < 40 else 20)


DOCUMENTED = (TypeError, ValueError)
F32 = np.finfo(np.float32)

# ---------------------------------------------------------------------- inputs of every kind

REAL = [
    *("float16", "float32", "float64", "longdouble", "bool", "<f4", ">f2", ">f4", ">f8", ">i2"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">u8"),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4),
    *(ml_dtypes.float4_e2m1fn, ml_dtypes.float6_e3m2fn, ml_dtypes.uint2),
]
UNREAL = ["complex64", "complex128", "U4", "S3", "object", "datetime64[s]", "timedelta64[s]"]
UNREAL += [np.dtype([("a", "f4")]), ml_dtypes.complex32, ml_dtypes.bcomplex32]
SHAPES = [(), (0,), (3, 0), (0, 2), (1,), (2,), (7,), (64,), (67,), (200,)]
SHAPES += [(1, 1), (3, 5), (2, 64), (5, 33), (2, 3, 4), (1, 0, 2), (2, 1, 3, 2)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 448.0, 464.0, 65504.0, 65520.0, 1e-45, -3e-39]
SPECIAL += [1e-30, 2.0**-126, 3.4028235e38, -3.4028235e38, 2.0**-14, 5.960464477539063e-08]
NOT_FINITE = [math.nan, math.inf, -math.inf, 1e39, -1.7976931348623157e308]
KINDS = ("normal", "special", "huge", "tiny", "mixed", "equal", "not finite")


def numbers(rng, kind, n):
    """Draw n float64 of one kind."""
    x = rng.standard_normal(n)
    if kind == "special":
        return rng.choice(SPECIAL, n)
    if kind in ("huge", "tiny"):
        return x * {"huge": 1e38, "tiny": 1e-40}[kind] / 4
    if kind == "mixed":
        return x * 10.0 ** rng.integers(-44, 38, n)
    if kind == "equal":
        return np.full(n, x[0] if n else 0.0)
    if kind == "not finite":
        return np.where(rng.random(n) < 0.2, rng.choice(NOT_FINITE, n), x)
    return x


def laid_out(x, how):
    """The same values in other places of memory."""
    if how == "read-only":
        x = x.copy()
        x.flags.writeable = False
    elif how == "every second" and x.ndim:
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif how == "backwards" and x.ndim:
        x = np.ascontiguousarray(x[::-1])[::-1]
    elif how == "Fortran order":
        x = np.asfortranarray(x)
    elif how == "unaligned" and not x.dtype.hasobject:
        memory = np.zeros(x.nbytes + 1, np.uint8)[1:]
        memory[:] = np.frombuffer(x.tobytes(), np.uint8)
        x = memory.view(x.dtype).reshape(x.shape)
    elif how == "broadcast" and x.size:
        x = np.broadcast_to(x.reshape(-1)[:1].reshape((1,) * x.ndim), x.shape)
    return x


HOW = ("plain", "read-only", "every second", "backwards", "Fortran order", "unaligned", "broadcast")


@st.composite
def arrays(draw, dtypes=REAL, kinds=KINDS, shapes=SHAPES):
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape, seed = draw(st.sampled_from(shapes)), draw(st.integers(0, 2**32 - 1))
    rng, n = np.random.default_rng(seed), math.prod(shape)
    if dtype.kind in "iu" and draw(st.booleans()):  # all bit patterns, 2^63 too
        x = np.frombuffer(rng.bytes(n * dtype.itemsize), dtype).reshape(shape)
    else:
        x = numbers(rng, draw(st.sampled_from(kinds)), n).reshape(shape)
        with np.errstate(all="ignore"):
            x = x.astype(dtype)
    return laid_out(x, draw(st.sampled_from(HOW)))


def unreal(dtype):
    """An array of what is no real numbers."""
    dtype = np.dtype(dtype)
    if dtype.kind in "US":
        return np.array(["1.5", "2"]).astype(dtype)
    return np.array([1, 2]).astype(dtype) if dtype.kind != "V" else np.zeros(2, dtype)


def attempt(function, *args, **options):
    """What it gives, or None where it refuses as documented; the inputs are left alone."""
    given_arrays = [a for a in (*args, *options.values()) if isinstance(a, np.ndarray)]
    before = [a.tobytes() for a in given_arrays]
    try:
        result = function(*args, **options)
    except DOCUMENTED as error:
        result, said = None, str(error)
    else:
        said = "nothing was refused"
    assert len(said) > 15, f"{said!r} does not say what is wrong"
    assert [a.tobytes() for a in given_arrays] == before
    return result


def is_float64(x):
    """Whether each entry is a float64, as `encode` asks."""
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        return all(float(v) == int(v) for v in x.reshape(-1).tolist())
    if x.dtype == np.longdouble:
        with np.errstate(all="ignore"):
            return bool(np.all((x.astype(float) == x) | np.isnan(x)))
    return True


# ---------------------------------------------------------------------- formats


@st.composite
def any_format(draw):
    if draw(st.booleans()):
        return draw(st.sampled_from(formats.FORMATS))
    options = {
        "exponent_bits": draw(st.integers(1, 11)),
        "mantissa_bits": draw(st.integers(0, 12)),
        "bias": draw(st.none() | st.integers(-20, 140)),
        "specials": draw(st.sampled_from(formats.SPECIALS)),
        "signed": draw(st.booleans()),
        "subnormals": draw(st.booleans()),
    }
    fmt = attempt(qe.FloatFormat, "drawn", **options)
    assume(fmt is not None)
    return fmt


RULES_OF_ROUNDING = [*itertools.product(formats.ROUNDINGS, formats.OVERFLOWS)]


@fuzzed()
@given(any_format(), arrays(), st.sampled_from(RULES_OF_ROUNDING), st.integers(0, 9))
def test_encode_gives_the_code_of_the_exact_definition_or_refuses(fmt, x, rule, seed):
    rng = np.random.default_rng(seed) if rule[0] == "stochastic" else None
    codes = attempt(fmt.encode, x, *rule, rng=rng)
    flat = x.reshape(-1)[:24].astype(np.float64).tolist() if is_float64(x) else []
    wanted = [float_spec.encode(fmt, value, *rule) for value in flat]
    if codes is None:
        assert not is_float64(x) or x.size > 24 or any(None in codes for codes in wanted)
        return
    assert codes.shape == x.shape
    assert codes.dtype == fmt.code_dtype
    for value, code, right in zip(flat, np.reshape(codes, -1).tolist(), wanted):
        nan = float_spec.decode(fmt, code)[1] == float_spec.NAN
        assert (float_spec.NAN if nan else code) in right, (value, code, right)
    x_hat = attempt(fmt.round, x, *rule, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(fmt.decode(codes), x_hat)


@fuzzed()
@given(any_format(), arrays(kinds=("normal", "special")), st.sampled_from(["f2", "f4", "f8", "i4"]))
def test_decode_split_and_classify_take_codes_and_nothing_else(fmt, codes, dtype):
    fits = codes.dtype.kind in "iu" and all(0 <= int(c) < 2**fmt.bits for c in codes.reshape(-1))
    fits |= codes.dtype.kind == "f" and codes.size == 0
    for function in (fmt.decode, fmt.split, fmt.classify):
        assert (attempt(function, codes) is not None) == fits
    x = attempt(fmt.decode, codes, dtype)
    if x is None or not fits:
        return
    for code, value in zip(codes.reshape(-1).tolist(), np.reshape(x, -1).tolist()):
        sign, magnitude = float_spec.decode(fmt, code)
        if isinstance(magnitude, str):
            assert math.isnan(value) if magnitude == float_spec.NAN else value == sign * math.inf
        else:
            assert Fraction(value) == sign * magnitude


@fuzzed()
@given(any_format(), arrays(shapes=[(), (0,), (3,), (2, 3)]))
def test_neighbours_are_next_to_x_on_either_side(fmt, x):
    found = attempt(fmt.neighbours, x)
    if found is None or fmt.bits > 16:
        return
    listed = fmt.values()
    for value, below, above in zip(x.reshape(-1).tolist(), *(np.reshape(f, -1) for f in found)):
        low, high = listed[listed < float(value)], listed[listed > float(value)]
        assert below == low.max() if low.size else math.isnan(below)
        assert above == high.min() if high.size else math.isnan(above)


# ---------------------------------------------------------------------- codebooks


@st.composite
def codebooks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = numbers(rng, draw(st.sampled_from(KINDS)), draw(st.sampled_from([1, 2, 3, 16, 40])))
    with np.errstate(over="ignore"):
        levels = levels.astype(draw(st.sampled_from([np.float16, np.float32])))
    book = attempt(Codebook, "drawn", levels, ties=draw(st.sampled_from(["lower", "even"])))
    assume(book is not None)
    return book


@fuzzed()
@given(codebooks(), arrays())
def test_a_codebook_gives_the_nearest_level(book, x):
    """Exactly, but for levels 2^52 times apart: their midpoint is no float64."""
    codes = attempt(book.encode, x)
    with np.errstate(all="ignore"):
        single = x.astype(np.float32)
    if codes is None:
        assert not is_float64(x) or np.isnan(single).any()
        return
    finite = [Fraction(float(level)) for level in book.levels if math.isfinite(level)]
    assert codes.shape == x.shape
    for value, code in zip(single.reshape(-1)[:24].tolist(), np.reshape(codes, -1).tolist()):
        if math.isinf(value):
            assert book.levels[code] == (book.max if value > 0 else book.min)
        else:
            chosen = Fraction(float(book.levels[code]))
            nearest = min(abs(level - Fraction(value)) for level in finite)
            assert abs(chosen - Fraction(value)) <= nearest * (1 + Fraction(1, 2**51))
    np.testing.assert_array_equal(book.decode(codes), book.levels[codes])


# ---------------------------------------------------------------------- layout


@fuzzed()
@given(
    arrays(["uint8", "int8", "int64", ">u2", "float32", "bool"]),
    st.integers(-1, 9) | st.sampled_from([None, 4.0, "4", True]),
    st.sampled_from([*layout.ORDERS, "first", None]),
    st.sampled_from([0, 0, 0, 1, 255, 256, -1, 0.5, None]),
)
def test_pack_writes_the_bits_one_after_the_other_and_unpack_reads_them(codes, bits, order, pad):
    packed = attempt(layout.pack, codes, bits, order, pad=pad)
    if packed is None:
        return
    listed = codes.reshape(-1).tolist()
    assert all(0 <= code < 2**bits for code in [*listed, pad])
    filled = [*listed, *[pad] * (-len(listed) % 8)]
    stream = quantizer_spec.bit_stream(filled, bits, order == "high_first")
    assert packed.tolist() == stream[: layout.packed_size(len(listed), bits)]
    assert layout.unpack(packed, bits, len(listed), order).tolist() == listed
    for count in (len(listed) + 9, -1, 0.5, None):
        assert attempt(layout.unpack, packed, bits, count, order) is None


@fuzzed()
@given(
    st.sampled_from([*SHAPES, (4, 4, 4)]),
    st.sampled_from([None, 0, 1, -1, 2, (0, 1), (1, -1), (), 9, 1.0, "0", (0, 0)]),
    st.sampled_from([None, 1, 2, 3, 64, 10**9, 0, -2, 1.0, True]),
)
def test_every_value_is_in_one_group_and_groups_are_cut_as_said(shape, axis, block_size):
    made = attempt(layout.Layout, shape, axis, block_size)
    if made is None:
        return
    groups = grouped(shape, axis, block_size)
    assert made.n_groups == len(groups)
    number = np.zeros(shape, np.float32)
    of_group = np.arange(made.n_groups, dtype=np.float32).reshape(-1, 1)

    def fill(piece, part):
        part[...] = made.pick(of_group, piece)

    made.fill(number, np.float32, fill)
    for i, group in enumerate(groups):
        assert (number.reshape(-1)[group] == i).all()


def grouped(shape, axis, block_size):
    """The groups as lists of positions in C order: plainly, row after row."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    shared = [a % len(shape) for a in axes]
    rows = {}
    for position, index in enumerate(itertools.product(*map(range, shape))):
        kept = tuple(i for a, i in enumerate(index) if a not in shared)
        order = tuple(index[a] for a in shared)
        rows.setdefault(kept, []).append((order, position))
    sorted_rows = [[position for _, position in sorted(row)] for row in rows.values()]
    return [g for row in sorted_rows for g in quantizer_spec.blocks(row, block_size or len(row))]


# ---------------------------------------------------------------------- metrics


def exact(x):
    """Entries as Fractions; None where one is not finite."""
    x = x.reshape(-1).tolist() if x.dtype.kind in "biu" else [float(v) for v in x.reshape(-1)]
    return [Fraction(v) for v in x] if all(map(math.isfinite, x)) else None


@fuzzed()
@given(arrays(shapes=[(), (0,), (1,), (5,), (2, 3)]), st.data())
def test_errors_are_the_sums_that_their_names_say(x, data):
    y = data.draw(arrays(shapes=[x.shape, x.shape, x.shape, (4,)]))
    values, recovered = exact(x), exact(y)
    for name in ("mse", "max_error", "mean_abs_error", "sqnr_db"):
        found = attempt(getattr(metrics, name), x, y)
        if found is None:
            assert x.shape != y.shape or not x.size or not (is_float64(x) and is_float64(y))
            continue
        assert isinstance(found, float)
        if values is None or recovered is None:
            assert not math.isfinite(found), (name, found)
            continue
        errors = [abs(a - b) for a, b in zip(values, recovered)]
        power, signal = sum(e * e for e in errors), sum(v * v for v in values)
        if name == "sqnr_db":
            if found in (math.inf, -math.inf) or not (1e-280 < power < 1e280 and signal < 1e280):
                assert power < 1e-280 or signal < 1e-280 or max(power, signal) > 1e280
            else:
                assert found == pytest.approx(10 * math.log10(signal / power), abs=1e-6)
            continue
        wanted = {
            "mse": power / len(errors),
            "mean_abs_error": sum(errors) / len(errors),
            "max_error": max(errors),
        }[name]
        largest = max([1e-150, *map(abs, values), *map(abs, recovered)])
        slack = Fraction(largest) * Fraction(1, 10**15)  # x and x̂ are subtracted in float64
        if wanted < Fraction(10) ** 300:
            unit = slack if name != "mse" else slack * (2 * max(errors) + slack)
            assert abs(Fraction(found) - wanted) <= unit + wanted / 10**12, name


@fuzzed()
@given(
    arrays(["uint8", "int64", "bool", "float32", ">u2"]),
    st.sampled_from([1, 2, 16, 256, 300, 0, -1, 16.0, None, "16", np.int16(16)]),
)
def test_code_usage_counts_and_entropy_follows(codes, n_codes):
    usage = attempt(metrics.code_usage, codes, n_codes)
    if usage is None:
        return
    listed = codes.reshape(-1).tolist()
    assert usage.tolist() == [listed.count(code) for code in range(n_codes)]
    found = attempt(metrics.entropy, usage)
    if found is None:
        assert not listed
        return
    shares = [listed.count(code) / len(listed) for code in set(listed)]
    assert found == pytest.approx(-sum(p * math.log2(p) for p in shares), abs=1e-9)


# ---------------------------------------------------------------------- scales

RULES = {
    name: rule
    for name, rule in vars(scales).items()
    if inspect.isfunction(rule)
    and rule.__module__ == scales.__name__
    and list(inspect.signature(rule).parameters)[:2] == ["groups", "codebook"]
    and name[0] != "_"
}
RULES |= {f"percentile {q}": scales.percentile(q) for q in (0, 50, 99.9, 100)}


@pytest.mark.parametrize("name", RULES)
@fuzzed(len(RULES))
@given(arrays(shapes=[(1, 1), (3, 5), (2, 64), (1, 0), (0, 4), (5,), ()]), st.data())
def test_a_rule_gives_one_scale_a_group_finite_and_scaling_with_x(name, groups, data):
    book = data.draw(st.sampled_from([integers(4), integers(8, False), qe.NF4, qe.DYNAMIC8]))
    found = attempt(RULES[name], groups, book)
    with np.errstate(all="ignore"):
        x = groups.astype(np.float32)
    if found is None:
        assert (
            x.ndim != 2
            or not np.isfinite(x).all()
            or not is_float64(groups)
            or (name == "min_max" and not book.is_integer)
            or (name == "absmax_full_range" and book.min == 0)
        )
        return
    assert np.isfinite(x).all()
    scale, zero_point = found
    assert scale.shape == (len(x), 1)
    assert scale.dtype == np.float32
    assert np.isfinite(scale).all()
    assert (scale >= 0).all()
    counts = np.maximum(x, 0) if name == "absmax_no_clipping" and book.min == 0 else x
    empty = np.abs(counts).max(axis=1, initial=0, keepdims=True) < 1e-30
    assert ((scale > 0) | empty).all()
    top = np.abs(x.astype(np.float64)).max(axis=1, initial=0, keepdims=True)
    half = (book.max - book.min) / 2
    known = {"absmax": book.max, "absmax_half_range": half, "absmax_full_range": -book.min}
    known["percentile 100"] = book.max
    if name in known:
        wanted = np.minimum(top / known[name], float(F32.max))
        np.testing.assert_allclose(scale, wanted, rtol=1e-6, atol=2.0**-149)
    if name == "mean_abs" and x.size:
        wanted = np.abs(x.astype(np.float64)).mean(axis=1, keepdims=True)
        np.testing.assert_allclose(scale, wanted, rtol=1e-6, atol=2.0**-149)
    if name == "power_of_two":
        fraction = np.frexp(scale[scale > 0])[0]
        assert (fraction == 0.5).all()
    if np.ndim(zero_point):
        assert ((zero_point >= book.min) & (zero_point <= book.max)).all()
        assert (zero_point == np.rint(zero_point)).all()


# ---------------------------------------------------------------------- recipes


def public(kind):
    """The public functions that are annotated to give one of these."""
    for name in qe.__all__:
        function = getattr(qe, name)
        plain = inspect.unwrap(function)
        if inspect.isfunction(plain) and typing.get_type_hints(plain).get("return") is kind:
            yield name, function


NAMED = dict(public(qe.Quantizer))
STORAGES = (formats.FP32, formats.FP16, formats.BF16, formats.E8M0, formats.E4M3)


def test_the_named_recipes_are_found():
    assert {"int_absmax", "int_affine", "fp8", "fp4", "nf4"} <= set(NAMED)


@st.composite
def recipes(draw, name):
    recipe = NAMED[name]() if draw(st.booleans()) else draw_recipe(draw, NAMED[name])
    if draw(st.booleans()):
        recipe = dataclasses.replace(recipe, axis=draw(st.sampled_from([None, 0, -1, (0, 1)])))
    if draw(st.booleans()):
        block_size = draw(st.sampled_from([None, 1, 3, 16, 64]))
        recipe = dataclasses.replace(recipe, block_size=block_size)
    if draw(st.integers(0, 3)) == 0 and isinstance(recipe.scale_storage, qe.FloatFormat):
        recipe = dataclasses.replace(recipe, scale_storage=draw(st.sampled_from(STORAGES)))
    return recipe


def draw_recipe(draw, function):
    """The recipe with a bits or double_quant of its own, where it takes such."""
    takes, options = inspect.signature(function).parameters, {}
    if "bits" in takes:
        options["bits"] = draw(st.integers(2, 8))
    if "double_quant" in takes:
        options["double_quant"] = draw(st.booleans())
    made = attempt(function, **options)
    assume(made is not None)
    return made


@pytest.mark.parametrize("name", NAMED)
@fuzzed(len(NAMED))
@given(data=st.data())
def test_a_recipe_gives_the_nearest_levels_and_scale_times_level_or_refuses(name, data):
    recipe, x = data.draw(recipes(name)), data.draw(arrays())
    q = attempt(recipe.quantize, x)
    with np.errstate(all="ignore"):
        single = x.astype(np.float32)
    axes = () if recipe.axis is None else np.atleast_1d(recipe.axis)
    if q is None:
        lacks_axis = any(not -x.ndim <= a < x.ndim for a in axes)
        storage = recipe.scale_storage  # a group of zeros wants a scale or a level of 0
        no_zero = isinstance(storage, qe.FloatFormat) and not storage.subnormals
        no_zero &= not (recipe.codebook.levels == 0).any()
        assert lacks_axis or no_zero or not np.isfinite(single).all() or not is_float64(x)
        return
    x_hat = attempt(q.dequantize)
    assert (x_hat.shape, x_hat.dtype) == (x.shape, q.dtype)
    assert q.codes.shape == x.shape
    groups = grouped(x.shape, recipe.axis, recipe.block_size)
    assert q.scale.shape == (len(groups), 1)
    used = q.scale
    if recipe.encode_with != "stored":  # "exact", or a rule that finds another scale
        own = recipe.encode_with if callable(recipe.encode_with) else recipe.scale_rule
        used = dataclasses.replace(recipe, scale_rule=own).fit(x)[0]
    levels = recipe.codebook.levels.astype(np.float64)
    finite = levels[np.isfinite(levels)]
    center = np.float32(0) if q.center is None else q.center
    with np.errstate(all="ignore"):
        values = (single - center).reshape(-1).astype(np.float64)
    zeros = np.broadcast_to(q.zero_point, q.scale.shape)
    top = float(largest_of(q.dtype))
    for group, divisor, scale, zero in zip(groups, used[:, 0], q.scale[:, 0], zeros[:, 0]):
        divisor, scale, zero = float(divisor), float(scale), float(zero)
        wanted = values[group] / (divisor or 1.0) + zero
        chosen = levels[q.codes.reshape(-1)[group]]
        inside = np.clip(wanted, finite.min(), finite.max())
        slack = 3e-6 * (np.abs(inside) + np.abs(zero)) + 2.0**-140
        low, high = limits_of(recipe.codebook, chosen)
        assert ((low - slack <= inside) & (inside <= high + slack)).all(), (recipe, divisor)
        right = scale * (chosen - zero) + float(center)
        sizes = np.abs(scale * chosen) + np.abs(scale * zero) + np.abs(center)
        got = x_hat.reshape(-1)[group].astype(np.float64)
        right = np.clip(right, -top, top)
        slack = sizes * 2.0**-21 + np.abs(right) * unit_of(q.dtype) + smallest_of(q.dtype)
        assert (np.abs(got - right) <= slack).all(), (recipe, got, right)


def limits_of(book, chosen):
    """The thresholds on either side of each level; where two levels are equal, the outer ones."""
    ranked, ends = book.levels[book.codes_by_rank], np.float64([-np.inf, np.inf])
    thresholds = np.concatenate([ends[:1], book.thresholds, ends[1:]])
    low = thresholds[np.searchsorted(ranked, chosen, "left")]
    return low, thresholds[np.searchsorted(ranked, chosen, "right")]


def info(dtype):
    home = ml_dtypes if dtype.type.__module__ == "ml_dtypes" else np
    return home.finfo(dtype)


def largest_of(dtype):
    return min(float(info(dtype).max), float(F32.max))


def unit_of(dtype):
    return float(info(dtype).eps)


def smallest_of(dtype):
    return max(float(info(dtype).smallest_subnormal), float(F32.smallest_subnormal))


@pytest.mark.parametrize("name", NAMED)
@fuzzed(len(NAMED))
@given(data=st.data())
def test_packing_and_unpacking_gives_the_same_numbers(name, data):
    recipe = data.draw(recipes(name))
    x = data.draw(arrays(kinds=("normal", "special", "mixed")))
    q = attempt(recipe.quantize, x)
    if q is None:
        return
    order = data.draw(st.sampled_from(layout.ORDERS))
    parts = q.pack(order)
    assert sum(part.nbytes for part in parts.values()) == q.nbytes
    again = qe.QTensor.unpack(parts, recipe, x.shape, q.dtype, order)
    assert again.dequantize().tobytes() == q.dequantize().tobytes()
    lost = data.draw(st.sampled_from([*parts]))
    less = {key: part for key, part in parts.items() if key != lost}
    attempt(qe.QTensor.unpack, less, recipe, x.shape, q.dtype, order)
    cut = {key: part[:-1] for key, part in parts.items()}
    if any(part.size for part in parts.values()):
        assert attempt(qe.QTensor.unpack, cut, recipe, x.shape, q.dtype, order) is None
    wrong = data.draw(st.sampled_from([None, b"", np.zeros(3), np.zeros((1, 1), np.uint8)]))
    changed = {**parts, data.draw(st.sampled_from([*parts])): wrong}
    attempt(qe.QTensor.unpack, changed, recipe, x.shape, q.dtype, order)


# ---------------------------------------------------------------------- models

WIDE = (4, 5, 3)  # inputs, hidden, scores


@st.composite
def networks(draw, kinds=("normal", "special", "huge", "tiny", "mixed")):
    """Two dense layers of numbers of one kind, or None where they are no network."""
    rng, kind = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.sampled_from(kinds))
    weights, biases = {}, {}
    for name, n_in, n_out in (("a", 4, 5), ("b", 5, 3)):
        weights[name] = numbers(rng, kind, n_in * n_out).reshape(n_out, n_in)
        biases[name] = numbers(rng, kind, n_out)
    return attempt(Network, weights, biases)


def double(x):
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(np.float32).astype(np.float64)


def exactly(net, x):
    """The scores in float64, the sizes of what was added up for them, the largest on the way."""
    y = double(x)
    size = most = np.abs(y)
    for i, (name, w) in enumerate(net.layers.items()):
        w, b = double(w), double(net.biases[name])
        y = (np.maximum(y, 0) if i else y) @ w.T + b
        size = size @ np.abs(w).T + np.abs(b)
        most = np.maximum(most.max(axis=-1, keepdims=True), size)
    return y, size, most


@fuzzed()
@given(networks(), arrays(shapes=[(1, 4), (3, 4), (0, 4), (4,), (2, 2, 4), (3, 5), ()]))
def test_a_network_gives_its_sums_of_products_or_refuses(net, x):
    with np.errstate(all="ignore"):
        scores = attempt(net.forward, x)
        if scores is None:
            assert x.shape[-1:] != (4,) or not is_float64(x)
            return
        assert (scores.dtype, scores.shape) == (np.float32, (*x.shape[:-1], 3))
        right, size, most = exactly(net, x)
        small = most < 1e37  # beyond, float32 may overflow on the way
        assert (np.abs(scores - right) <= 1e-5 * size + 1e-40)[small].all()
        if x.ndim != 2 or not len(x):
            return
        found = attempt(net.gradients, x, np.zeros(len(x), int))
        if found is None:
            assert not np.isfinite(double(x)).all()
            return
    loss, derivatives = found
    assert {k: g.shape for k, g in derivatives.items()} == {
        k: p.shape for k, p in net.parameters.items()
    }
    if small.all():
        assert loss == pytest.approx(net.loss(x, np.zeros(len(x), int)), rel=1e-6)
    assert loss >= 0 or math.isnan(loss)


@fuzzed()
@given(networks(("normal", "special", "mixed")), arrays(shapes=[(6, 4)]), st.floats(0, 1))
def test_smoothing_leaves_the_function_as_it_is_or_is_refused(net, x, alpha):
    with np.errstate(all="ignore"):
        heard = attempt(net.record, x)
        assume(heard is not None)
        assume(all(np.isfinite(entered).all() for entered in heard.values()))
        scales_of = attempt(ptq.smoothing, net, x, alpha)
        same = attempt(ptq.smooth, net, x, alpha)
    assert scales_of is not None
    s = scales_of["b"]
    assert s.shape == (5,)
    assert (s >= ptq.LEAST).all()
    if same is None:  # a weight would be beyond float32
        assert (
            max(s.max(), 1 / s.min()) * max(np.abs(p).max() for p in net.parameters.values()) > 1e36
        )
        return
    right, size, most = exactly(net, x)
    if most.max() < 1e30 and 1e-3 < s.min() <= s.max() < 1e3:  # no number below float32's normals
        with np.errstate(all="ignore"):
            assert (np.abs(same.forward(x) - right) <= 1e-4 * size + 1e-35).all()


OBSERVERS = {
    "min_max": ptq.observe_min_max,
    "moving average": ptq.observe_moving_average(0.1),
    "percentile": ptq.observe_percentile(90.0),
    "mse": ptq.observe_mse(8),
}


@pytest.mark.parametrize("name", OBSERVERS)
@fuzzed(len(OBSERVERS))
@given(
    networks(("normal", "special", "mixed")),
    st.lists(arrays(shapes=[(1, 4), (3, 4), (0, 4), (2, 5)]), max_size=3),
    st.sampled_from([qe.int_absmax(4), qe.int_affine(8), qe.int_affine(3, axis=0), qe.fp8()]),
)
def test_calibration_gives_scales_for_what_was_seen_or_refuses(name, net, batches, recipe):
    with np.errstate(all="ignore"):
        static = attempt(ptq.calibrate, net, batches, recipe, OBSERVERS[name])
        heard = [attempt(net.record, batch) for batch in batches]
    if static is None:
        finite = all(h is not None and all(np.isfinite(x).all() for x in h.values()) for h in heard)
        assert not finite or not sum(len(batch) for batch in batches)
        return
    assert list(static) == ["a", "b"]
    for layer, one in static.items():
        seen = np.concatenate([h[layer] for h in heard])
        assert np.isfinite(one.scale).all()
        assert (one.scale >= 0).all()
        assert one.scale.shape == ((seen.shape[1], 1) if recipe.axis == 0 else (1, 1))
        x_hat = attempt(one, seen)
        if name == "min_max" and recipe.codebook.is_integer:  # nothing clips: half a step at most
            step = np.broadcast_to(one.scale[:, 0], seen.shape)
            slack = 0.5 * step * (1 + 1e-5) + 1e-6 * np.abs(seen) + 1e-38
            assert (np.abs(double(x_hat) - double(seen)) <= slack).all()


@fuzzed()
@given(
    networks(("normal", "special", "mixed", "equal")),
    arrays(["float32", "float64", "int8"], ("normal", "special"), [(4, 4), (1, 4)]),
    st.sampled_from([qe.int_absmax(8), qe.int_absmax(4, axis=-1), qe.int_absmax(2)]),
    st.sampled_from([qe.int_affine(8), qe.int_absmax(8), qe.int_affine(4)]),
)
def test_integers_add_up_exactly_and_stay_near_the_simulation_or_are_refused(net, x, w, a):
    with np.errstate(all="ignore"):
        static = attempt(ptq.calibrate, net, [x], a)
        assume(static is not None)
        found = attempt(ptq.integer_network, net, w, static)
    if found is None:
        return
    ends = [a.codebook.min, a.codebook.max]
    rng = np.random.default_rng(0)
    for layer in found.layers.values():
        codes = rng.choice(ends, (8, layer.weights.shape[1])).astype(np.int64)
        codes[:2] = np.array(ends, np.int64)[:, None]
        right = codes.astype(object) @ layer.weights.T.astype(object) + layer.bias.astype(object)
        assert layer.sums(codes).tolist() == right.tolist()
        if layer.multiplier is not None:
            given_codes = layer(codes)
            assert given_codes.min() >= layer.low
            assert given_codes.max() <= layer.high
    with np.errstate(over="ignore"):
        scores = attempt(found.forward, x)
    assert scores.shape == (len(x), 3)
    assert not np.isnan(scores).any()


# ---------------------------------------------------------------------- training


@pytest.mark.parametrize("name", NAMED)
@fuzzed(len(NAMED))
@given(data=st.data())
def test_the_way_back_passes_where_the_staircase_climbs_and_nowhere_beyond_it(name, data):
    recipe, w = data.draw(recipes(name)), data.draw(arrays())
    found = attempt(qat.fake_quantize, w, recipe)
    q = attempt(recipe.quantize, w)
    assert (found is None) == (q is None)
    if found is None:
        return
    w_hat, pull = found
    assert w_hat.tobytes() == q.dequantize().tobytes()
    upstream = np.random.default_rng(0).standard_normal(w.shape).astype(np.float32)
    kept = upstream.copy()
    by_w, by_scale = pull(upstream)
    assert by_scale is None
    assert by_w.shape == w.shape
    assert (upstream == kept).all()
    passes = np.asarray(by_w) != 0
    assert ((by_w == upstream) | ~passes).all()
    levels = recipe.codebook.levels[recipe.codebook.codes_by_rank]
    chosen = recipe.codebook.levels[q.codes]
    at_an_end = (chosen == levels[0]) | (chosen == levels[-1])
    if recipe.encode_with == "stored":
        assert (passes | at_an_end).all(), (recipe, w)
    wrong = np.ones((*w.shape, 2), np.float32)
    assert attempt(pull, wrong) is None


@fuzzed(4)
@given(
    st.sampled_from([*NAMED]),
    st.sampled_from([adam, sgd]),
    st.sampled_from([1e-3, 1.0, 1e10, 1e30]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_finetuning_ends_with_finite_numbers_however_large_the_steps(
    name, optimizer, rate, learn_scales, activations, seed
):
    rng = np.random.default_rng(seed)
    net = initial(WIDE, rng)
    if activations:
        net = net.with_activations(qe.int_affine(4))
    x, labels = rng.standard_normal((8, 4)), rng.integers(0, 3, 8)
    options = {"batch": 4, "rate": rate, "optimizer": optimizer}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        done = attempt(
            *(qat.finetune, net, x, labels, 3, rng, NAMED[name](), learn_scales), **options
        )
        trained = attempt(train, net, x, labels, 3, rng, **options)
    assert all(np.isfinite(p).all() for p in trained.parameters.values())
    if done is None:
        assert learn_scales
        assert np.ndim(NAMED[name]().fit(net.layers["output"])[1])
        return
    for found in (done.latent, done.network):
        assert all(np.isfinite(p).all() for p in found.parameters.values())
    for layer, q in done.tensors.items():
        assert np.array_equal(done.network.layers[layer], q.dequantize())


# ---------------------------------------------------------------------- the language model


@functools.cache
def tiny_model():
    """Two blocks of 8 numbers, a context of 12: so small that all of it can be done by hand."""
    rng = np.random.default_rng(0)
    shapes = {"gate": (12, 8), "up": (12, 8), "down": (8, 12)}
    layers = {
        f"block{b}.{m}": rng.standard_normal(shapes.get(m, (8, 8))) / 2
        for b in range(2)
        for m in language_model.MATRICES
    }
    norms = [f"block{b}.{kind}_norm" for b in range(2) for kind in ("attention", "mlp")]
    gains = {norm: np.ones(8) for norm in (*norms, "final_norm")}
    tables = {name: rng.standard_normal((256, 8)) for name in ("embedding", "head")}
    return LanguageModel(layers, tables, gains, heads=2, context=12)


@fuzzed()
@given(st.binary(max_size=40), st.integers(1, 9), st.integers(1, 40))
def test_a_text_costs_the_bits_of_its_bytes_in_windows_whatever_the_batch(text, batch, cut):
    model = tiny_model()
    found = attempt(language_model.bits_per_byte, model, text, batch)
    if found is None:
        assert len(text) < 2
        return
    bits = []
    for start in range(0, len(text) - 1, 12):
        window = text[start : start + 12]
        logits = model.logits([list(window)])[0].astype(np.float64)
        following = text[start + 1 : start + 13]
        share = np.exp(logits[: len(following)])
        right = share[range(len(following)), list(following)] / share.sum(axis=1)
        bits += (-np.log2(right)).tolist()
    assert found == pytest.approx(sum(bits) / (len(text) - 1), rel=1e-5)
    window, cache = list(text[:12]), {}
    parts = [part for part in (window[:cut], window[cut:]) if part]
    logits = np.concatenate([model.logits([part], cache) for part in parts], axis=1)
    np.testing.assert_allclose(logits, model.logits([window]), atol=1e-4)
    assert attempt(model.logits, [[1], [2]], cache) is None


@fuzzed()
@given(
    st.binary(max_size=13),
    st.integers(-1, 13),
    st.sampled_from([0, 0.0, 1e-300, 0.7, 1, 50.0, math.inf, -1, math.nan]),
    st.none() | st.integers(0, 99),
)
def test_a_sample_has_as_many_bytes_as_asked_for_and_a_seed_gives_it_again(text, n, warmth, seed):
    def lots():
        return None if seed is None else np.random.default_rng(seed)

    found = attempt(language_model.sample, tiny_model(), text, n, warmth, lots())
    if found is None:
        needs_lots = not warmth >= 0 or (warmth > 0 and seed is None)
        assert not text or n < 0 or len(text) + n > 12 or needs_lots
        return
    assert isinstance(found, str)
    assert n / 4 <= len(found) <= n
    again = language_model.sample(tiny_model(), text, n, warmth, lots(), use_cache=False)
    assert again == found


# ---------------------------------------------------------------------- everything, with nonsense

JUNK = [None, True, -1, 0, 3, 2**70, 0.5, math.nan, -math.inf, "4", b"4", "", [], [1, 2], (), {}]
JUNK += [{"a": 1}, object(), len, np.float32(2), np.int8(4), np.array(3), np.zeros((0, 2))]
JUNK += [[[1.0], [2.0, 3.0]], [None, 1.0], ["a"], 1j, slice(3), Ellipsis, Fraction(1, 3), int]
JUNK += [*map(unreal, UNREAL), np.ones((2, 2)), np.arange(3), qe.E4M3, qe.NF4, range(4), {1, 2}]
junk = st.sampled_from(JUNK)


def surface():
    """Every public function and class, and the methods of what is public, by name."""
    rooms = [name for name in qe.__all__ if inspect.ismodule(getattr(qe, name))]
    for name in qe.__all__:
        thing = getattr(qe, name)
        if callable(inspect.unwrap(thing)) and not isinstance(thing, np.ndarray):
            yield name, thing
    for room in rooms:
        module = getattr(qe, room)
        for name, thing in vars(module).items():
            home = getattr(inspect.unwrap(thing), "__module__", "") == module.__name__
            if home and name[0] != "_" and inspect.isroutine(inspect.unwrap(thing)):
                yield f"{room}.{name}", thing
    for owner in (qe.E4M3, qe.NF4, qe.nf4(), qe.int_affine().quantize([[1.0, 2.0]])):
        for name, thing in inspect.getmembers(owner, inspect.ismethod):
            if name[0] != "_":
                yield f"{type(owner).__name__}.{name}", thing


SURFACE = {name: thing for name, thing in surface() if not isinstance(thing, qe.Quantizer)}
# Made for the library's own rooms, which give them what they have checked
INNER = {"Codebook.encoder", "Codebook.decoder", "QTensor", "QTensor.unpack", "layout.packed_size"}
INNER |= {name for name in SURFACE if name.endswith((".save", ".load"))}  # they take files


@pytest.mark.parametrize("name", sorted(set(SURFACE) - INNER))
@fuzzed(len(SURFACE))
@given(data=st.data())
def test_nonsense_is_refused_with_a_type_or_value_error_that_says_something(name, data):
    """What nonsense gives, where it gives something, the properties above say."""
    function = SURFACE[name]
    takes = list(inspect.signature(function).parameters.values())
    takes = [p for p in takes if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    needed = [data.draw(junk | arrays()) for p in takes if p.default is p.empty]
    optional = [p.name for p in takes if p.default is not p.empty]
    options = {}
    if optional and data.draw(st.booleans()):
        options = {data.draw(st.sampled_from(optional)): data.draw(junk)}
    attempt(function, *needed, **options)


# One argument of nonsense to each of the rooms that take models; the others make sense

NET = Network({"a": np.ones((5, 4)), "b": np.ones((3, 5))}, {"a": np.ones(5), "b": np.ones(3)})
FOUR, CLASSES = np.ones((2, 4)), np.zeros(2, int)
STATIC = ptq.calibrate(NET, [FOUR], qe.int_affine(8))
LAYER = ptq.integer_network(NET, qe.int_absmax(8), STATIC).layers["a"]
INT8 = qe.int_absmax(8)


def lots():
    return np.random.default_rng(0)


def is_real(x):
    return "complex" not in getattr(getattr(x, "dtype", None), "name", "")


def narrow(widths):
    """Whether a network of these widths would fit the memory, or there is none."""
    return (
        not isinstance(widths, np.ndarray) or widths.dtype.kind not in "iu" or (widths < 99).all()
    )


def endable(epochs):
    """Whether training for so many epochs is nonsense, or comes to an end."""
    return not (np.size(epochs) == 1 and np.asarray(epochs).dtype.kind in "iuO") or epochs in (0, 3)


def trained(**options):
    return train(NET, FOUR, CLASSES, options.pop("epochs", 1), lots(), **{"batch": 2, **options})


WITH_MODELS = {
    "Network layers": lambda j: Network({"a": j}, {"a": [0]}),
    "Network biases": lambda j: Network({"a": [[1]]}, {"a": j}),
    "Network of no mappings": lambda j: Network(j, j),
    "Network.forward": NET.forward,
    "Network.predict": NET.predict,
    "Network.record": NET.record,
    "Network.record layers": lambda j: NET.record(FOUR, j),
    "Network.loss x": lambda j: NET.loss(j, CLASSES),
    "Network.loss labels": lambda j: NET.loss(FOUR, j),
    "Network.accuracy": lambda j: NET.accuracy(j, CLASSES),
    "Network.gradients": lambda j: NET.gradients(j, CLASSES),
    "Network.gradients labels": lambda j: NET.gradients(FOUR, j),
    "Network.with_weights": lambda j: NET.with_weights(lambda w: j),
    "Network.with_weights layers": lambda j: NET.with_weights(np.round, j),
    "Network.with_activations": lambda j: NET.with_activations(lambda x: j).forward(FOUR),
    "Network.rescale_inputs": lambda j: NET.rescale_inputs({"b": j}),
    "initial": lambda j: initial(j, lots()) if narrow(j) else None,
    "held_out": held_out,
    "train epochs": lambda j: trained(epochs=j) if endable(j) else None,
    "train batch": lambda j: trained(batch=j),
    "train rate": lambda j: trained(rate=j),
    "train decay": lambda j: trained(decay=j),
    "fake_quantize w": lambda j: qat.fake_quantize(j, qe.int_absmax(4)),
    "fake_quantize recipe": lambda j: qat.fake_quantize(FOUR, j),
    "fake_quantize scale": lambda j: qat.fake_quantize(FOUR, qe.int_absmax(4), j),
    "pull": lambda j: qat.fake_quantize(FOUR, qe.int_absmax(4))[1](j),
    "finetune recipe": lambda j: qat.finetune(NET, FOUR, CLASSES, 1, lots(), j, batch=2),
    "finetune x": lambda j: qat.finetune(NET, j, CLASSES, 1, lots(), qe.nf4(), batch=2),
    "LanguageModel.forward": lambda j: tiny_model().forward(j),
    "LanguageModel.logits": lambda j: tiny_model().logits(j),
    "LanguageModel.logits cache": lambda j: tiny_model().logits([[1, 2]], j),
    "LanguageModel.record": lambda j: tiny_model().record(j),
    "bits_per_byte": lambda j: language_model.bits_per_byte(tiny_model(), j),
    "bits_per_byte batch": lambda j: language_model.bits_per_byte(tiny_model(), "abc", j),
    "sample": lambda j: language_model.sample(tiny_model(), j, 1, 0),
    "sample n": lambda j: language_model.sample(tiny_model(), "a", j, 0),
    "sample rng": lambda j: language_model.sample(tiny_model(), "a", 1, 1.0, j),
    "initial rng": lambda j: initial(WIDE, j),
    "train rng": lambda j: train(NET, FOUR, CLASSES, 1, j, batch=2),
    "sample temperature": lambda j: language_model.sample(tiny_model(), "a", 1, j, lots()),
    "plant_loud_channels layers": lambda j: ptq.plant_loud_channels(NET, j, [0], 2),
    "plant_loud_channels factor": lambda j: ptq.plant_loud_channels(NET, ["b"], [0], j),
    "observe_moving_average": ptq.observe_moving_average,
    "observe_percentile": ptq.observe_percentile,
    "observe_mse": ptq.observe_mse,
    "calibrate batch": lambda j: ptq.calibrate(NET, [j], qe.int_affine(8)),
    "calibrate batches": lambda j: ptq.calibrate(NET, j, qe.int_affine(8)),
    "calibrate recipe": lambda j: ptq.calibrate(NET, [FOUR], j),
    "calibrate layers": lambda j: ptq.calibrate(NET, [FOUR], qe.int_affine(8), layers=j),
    "quantized": lambda j: ptq.quantized(NET, layers=j, weights=np.round),
    "fixed_point": ptq.fixed_point,
    "requantize": lambda j: ptq.requantize(j, *ptq.fixed_point(0.5)),
    "IntegerLayer.sums": LAYER.sums,
    "IntegerLayer": LAYER,
    "integer_network weights": lambda j: ptq.integer_network(NET, j, STATIC),
    "integer_network activations": lambda j: ptq.integer_network(NET, qe.int_absmax(8), j),
    "Static": STATIC["a"],
    "smoothing": lambda j: ptq.smoothing(NET, j),
    "smoothing alpha": lambda j: ptq.smoothing(NET, FOUR, j),
    "best_alpha": lambda j: ptq.best_alpha(NET, FOUR, INT8, INT8, j) if is_real(j) else None,
    "SplitOutliers threshold": ptq.SplitOutliers,
    "SplitOutliers": ptq.SplitOutliers(),
    "SplitOutliers.loud": ptq.SplitOutliers().loud,
    "IntegerNetwork.forward": ptq.integer_network(NET, qe.int_absmax(8), STATIC).forward,
}


@pytest.mark.parametrize("name", WITH_MODELS)
@fuzzed(len(WITH_MODELS))
@given(junk | arrays())
@pytest.mark.filterwarnings("ignore:training met NaN or infinity")
def test_nonsense_beside_a_model_is_refused_with_a_type_or_value_error(name, nonsense):
    with np.errstate(all="ignore"):
        attempt(WITH_MODELS[name], nonsense)


@pytest.mark.parametrize("dtype", UNREAL, ids=str)
@pytest.mark.parametrize(
    "function",
    [
        *(qe.E4M3.encode, qe.FP16.round, qe.E4M3.neighbours, qe.NF4.encode, qe.nf4().quantize),
        *(qe.int_absmax(8), lambda x: qe.mse(x, x), lambda x: qe.sqnr_db([1.0, 2.0], x)),
        *(lambda x: scales.absmax(x.reshape(1, -1), qe.NF4), qe.entropy),
        *(qe.E4M3.decode, lambda x: layout.pack(x, 4), lambda x: qe.code_usage(x, 4)),
    ],
)
def test_what_is_no_real_number_is_refused_by_its_type(function, dtype):
    with pytest.raises(TypeError, match=r"real|integers"):
        function(unreal(dtype))

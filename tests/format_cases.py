"""Formats, references and hard inputs that the tests of `quantedu.formats` share."""

import float_spec as spec
import gfloat
import ml_dtypes
import numpy as np

import quantedu as qe
from quantedu.formats import FORMATS, FloatFormat

# What a user may make: every kind of special codes, ties between odd numbers (M = 0), no sign,
# no zero, biases that are not the usual one, values far outside float32 and at float64's edges
CUSTOM = (
    FloatFormat("E5M10 finite", 5, 10, specials="finite"),
    FloatFormat("E5M10 fn", 5, 10, specials="fn"),
    FloatFormat("E5M10 fnuz", 5, 10, specials="fnuz"),
    FloatFormat("FP12", 5, 6),
    FloatFormat("E3M0", 3, 0, specials="finite"),
    FloatFormat("E3M0 fnuz", 3, 0, specials="fnuz"),
    FloatFormat("E1M0", 1, 0, specials="finite"),
    FloatFormat("E1M2", 1, 2, specials="finite"),
    FloatFormat("E2M1 IEEE", 2, 1),
    FloatFormat("E4M3 without NaN", 4, 3, specials="finite"),
    FloatFormat("UE4M3", 4, 3, specials="fn", signed=False),
    FloatFormat("UE4M4 finite", 4, 4, specials="finite", signed=False),
    FloatFormat("UE5M3 IEEE", 5, 3, signed=False),
    FloatFormat("UE4M3 without zero", 4, 3, specials="fn", signed=False, subnormals=False),
    FloatFormat("E8M0 finite", 8, 0, specials="finite", signed=False, subnormals=False),
    FloatFormat("E4M3 bias 1", 4, 3, bias=1),
    FloatFormat("E4M3 bias -3", 4, 3, bias=-3, specials="fn"),
    FloatFormat("E3M2 bias 140", 3, 2, bias=140, specials="finite"),
    FloatFormat("E4M3 around 2^1008", 4, 3, bias=-1000),
    FloatFormat("E3M4 around 2^-1066", 3, 4, bias=1071),
    FloatFormat("E9M5", 9, 5),
    FloatFormat("E11M4", 11, 4),
    FloatFormat("E4M12", 4, 12),  # float16 has its range, not its precision
    FloatFormat("E7M30", 7, 30),  # and this is so with float32
)
EVERY = (*FORMATS, *CUSTOM)
SMALL = tuple(fmt for fmt in EVERY if fmt.bits <= 8)
LISTED = tuple(fmt for fmt in EVERY if fmt.bits <= 16)  # all codes can be tried

DETERMINISTIC = ("nearest_even", "nearest_away", "toward_zero", "up", "down")
RULES = [(r, o) for r in DETERMINISTIC for o in ("special", "saturate")]

ML_DTYPES = {
    qe.BF16: ml_dtypes.bfloat16,
    qe.E5M2: ml_dtypes.float8_e5m2,
    qe.E4M3: ml_dtypes.float8_e4m3fn,
    qe.E4M3_IEEE: ml_dtypes.float8_e4m3,
    qe.E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    qe.E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    qe.E4M3B11FNUZ: ml_dtypes.float8_e4m3b11fnuz,
    qe.E3M4: ml_dtypes.float8_e3m4,
    qe.E3M2: ml_dtypes.float6_e3m2fn,
    qe.E2M3: ml_dtypes.float6_e2m3fn,
    qe.E2M1: ml_dtypes.float4_e2m1fn,
    qe.E8M0: ml_dtypes.float8_e8m0fnu,
}
NUMPY = {qe.FP64: np.float64, qe.FP32: np.float32, qe.FP16: np.float16}

GFLOAT_ROUNDING = {
    "nearest_even": gfloat.RoundMode.TiesToEven,
    "nearest_away": gfloat.RoundMode.TiesToAway,
    "toward_zero": gfloat.RoundMode.TowardZero,
    "up": gfloat.RoundMode.TowardPositive,
    "down": gfloat.RoundMode.TowardNegative,
}


def gfloat_info(fmt):
    """The same format in gfloat's words."""
    all_mantissas = 2**fmt.mantissa_bits
    return gfloat.FormatInfo(
        fmt.name,
        fmt.bits,
        fmt.mantissa_bits + 1,
        bias=fmt.bias,
        is_signed=fmt.signed,
        domain=gfloat.Domain.Extended if fmt.specials == "ieee" else gfloat.Domain.Finite,
        has_nz=fmt.signed and fmt.specials != "fnuz",
        num_high_nans={"ieee": all_mantissas - 1, "fn": 1}.get(fmt.specials, 0),
        has_subnormals=fmt.subnormals,
        is_twos_complement=False,
    )


def gfloat_knows(fmt):
    """Whether gfloat means the same: with a mantissa it has a zero even without subnormals."""
    return fmt.subnormals or fmt.mantissa_bits == 0


def named(fmt):
    """A format's name as the name of a test."""
    return fmt.name.replace(" ", "_")


def hard_inputs(fmt, dtype=np.float64):
    """Every value of a format, every midpoint and what lies next to both in `dtype`; ± and 0.

    For formats of more than 16 bits, 2^12 values and their next ones stand for all.
    """
    if fmt.bits <= 16:
        codes = np.arange(spec.largest(fmt) + 1, dtype=np.uint64)
    else:
        ends = np.arange(2**10, dtype=np.uint64)
        inner = np.random.default_rng(0).integers(0, spec.largest(fmt), 2**12, dtype=np.uint64)
        codes = np.unique([*ends, *(np.uint64(spec.largest(fmt)) - ends), *inner, *(inner + 1)])
    values = fmt.decode(codes)
    with np.errstate(over="ignore", under="ignore"):
        beyond = values[-1] + np.ldexp([0.5, 1, 2], fmt.max_exponent - fmt.mantissa_bits)
        middles = values[:-1] / 2 + values[1:] / 2
        points = np.concatenate([[0.0], values / 2, values, middles, beyond])
        points = points.astype(dtype)  # exact, or one more point like the others
        below, above = np.nextafter(points, dtype(-np.inf)), np.nextafter(points, dtype(np.inf))
    points = np.concatenate([points, below, above])
    points = points[np.isfinite(points)]
    far = np.array([np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal, np.inf], dtype=dtype)
    points = np.unique(np.concatenate([points[points >= 0], far]))
    return np.concatenate([-points, points])


def accepted(fmt, x):
    """The entries of x that a format takes: a finite one without sign has nothing for x < 0."""
    return x if fmt.signed or fmt.has_nan else x[~(x < 0)]


def same_codes(fmt, got, wanted):
    """Equal, any NaN being as good as any other."""
    np.testing.assert_array_equal(np.isnan(fmt.decode(got)), np.isnan(fmt.decode(wanted)))
    np.testing.assert_array_equal(*(np.where(np.isnan(fmt.decode(c)), 0, c) for c in (got, wanted)))

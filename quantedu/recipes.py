"""The named recipes: which codebook, scale rule, block and storage make INT8, NF4 or MXFP4.

Each gives a `Quantizer`; `dataclasses.replace` makes another of it. `axis` says which values share
a scale, as in a NumPy reduction; None is all of them.
"""

import dataclasses
from typing import Any

import numpy as np

from quantedu import _checks
from quantedu.codebooks import (
    BINARY,
    DYNAMIC8,
    FP4_BITSANDBYTES,
    NF4,
    Codebook,
    format_codebook,
    integers,
    log2,
    ternary,
)
from quantedu.formats import E2M1, E2M3, E4M3, E8M0, FloatFormat
from quantedu.quantizers import Quantizer
from quantedu.scales import (
    POWER_OF_TWO_RULES,
    absmax,
    mean_abs,
    mean_abs_above,
    min_max,
    nvfp4_tensor_scale,
)


def int_absmax(bits: int = 8, axis: Any = None, block_size: int | None = None) -> Quantizer:
    """Symmetric integers: scale = max|x| / (2^(bits − 1) − 1), no zero-point.

    Parameters
    ----------
    bits : 2 to 8
    axis, block_size : who shares a scale, as for every recipe

    Examples
    --------
    >>> int_absmax(8, block_size=64)
    Quantizer(INT8, absmax, block_size=64)
    """
    return Quantizer(integers(bits), absmax, axis, block_size)


def int_affine(bits: int = 8, axis: Any = None, block_size: int | None = None) -> Quantizer:
    """Unsigned integers with a zero-point, over the range of x widened to hold 0.

    >>> int_affine(8)
    Quantizer(UINT8, min_max)
    """
    return Quantizer(integers(bits, signed=False), min_max, axis, block_size)


def fp8(fmt: FloatFormat = E4M3, axis: Any = None, block_size: int | None = None) -> Quantizer:
    """The numbers of an 8-bit float, scaled so that the largest magnitude is the largest number.

    >>> fp8()
    Quantizer(FP8 E4M3, absmax)
    """
    return Quantizer(format_codebook(fmt), absmax, axis, block_size)


def fp4(
    dialect: str = "ocp", axis: Any = None, block_size: int | None = 64, double_quant: bool = False
) -> Quantizer:
    """Four-bit floats in blocks.

    Parameters
    ----------
    dialect : "ocp", the E2M1 of the OCP specification; "bitsandbytes", that library's magnitudes,
        with its arithmetic
    double_quant : as for `nf4`

    Examples
    --------
    >>> fp4(), fp4("bitsandbytes")
    (Quantizer(FP4 E2M1, absmax, block_size=64), \
Quantizer(FP4 bitsandbytes, absmax, block_size=64, reciprocal=True))
    """
    _checks.require_choice("dialect", dialect, ("ocp", "bitsandbytes"))
    ocp = dialect == "ocp"
    book = format_codebook(E2M1) if ocp else FP4_BITSANDBYTES
    recipe = Quantizer(book, absmax, axis, block_size, reciprocal=not ocp)
    return _double_quantized(recipe) if double_quant else recipe


def nf4(block_size: int | None = 64, double_quant: bool = False, axis: Any = None) -> Quantizer:
    """NF4 in blocks, with the bytes of bitsandbytes.

    Parameters
    ----------
    block_size : values that share a scale
    double_quant : True takes the mean off the scales and quantizes them with the dynamic 8-bit
        map, a scale for 256: 8/64 + 32/(64·256) = 0.127 bits per value instead of 0.5. Codes are
        still made with the exact scales.

    Notes
    -----
    bitsandbytes multiplies by 1/max|x|, divides in a last, partial block, and takes 1e-38 for any
    max|x| below. So small a block is encoded here with its own max|x|, and is the one difference.
    With double quantization the scale of a block that is tiny beside its neighbours can come back
    as 0 or slightly below, as it does there.

    References
    ----------
    Dettmers et al., QLoRA, arXiv 2305.14314, section 3; bitsandbytes 0.50, its CPU backend.

    Examples
    --------
    >>> nf4()
    Quantizer(NF4, absmax, block_size=64, reciprocal=True)
    """
    recipe = Quantizer(NF4, absmax, axis, block_size, reciprocal=True)
    return _double_quantized(recipe) if double_quant else recipe


def _double_quantized(recipe: Quantizer) -> Quantizer:
    """QLoRA's double quantization of the scales."""
    storage = Quantizer(DYNAMIC8, absmax, block_size=256, center=np.mean, reciprocal=True)
    return dataclasses.replace(recipe, scale_storage=storage, encode_with="exact")


def mxfp8(fmt: FloatFormat = E4M3, rule: str = "floor", axis: Any = None) -> Quantizer:
    """MXFP8: blocks of 32 eight-bit floats that share a power of two.

    Parameters
    ----------
    fmt : E4M3 or E5M2
    rule : how the power is found: "floor" as in the OCP specification, or one of the alternatives
        in use: "ceil", "even", "rceil"; see `quantedu.scales.POWER_OF_TWO_RULES`
    axis : None cuts blocks from all values in C order, -1 from each row by itself

    Notes
    -----
    Scales are E8M0 and are rounded to it first: 2^-127 … 2^127. Values are divided by the stored
    scale, rounded to nearest even and saturated, and keep the sign of zero. A block of zeros is
    stored with the smallest scale, as E8M0 has no 0.

    References
    ----------
    OCP Microscaling (MX) v1.0, sections 5 and 6.3.

    Examples
    --------
    >>> mxfp8()
    Quantizer(FP8 E4M3, power_of_two, block_size=32, scale_storage='E8M0')
    """
    return _mx(format_codebook(fmt), rule, axis)


def mxfp6(fmt: FloatFormat = E2M3, rule: str = "floor", axis: Any = None) -> Quantizer:
    """MXFP6: as `mxfp8`, with E2M3 or E3M2.

    >>> mxfp6().quantize(np.ones(64)).bits_per_value    # 6 + 8/32
    6.25
    """
    return _mx(format_codebook(fmt), rule, axis)


def mxfp4(rule: str = "floor", axis: Any = None) -> Quantizer:
    """MXFP4: as `mxfp8`, with E2M1.

    >>> mxfp4()([7.0, 0.4, -0.1])    # under the floor rule 7 clips
    array([ 6. ,  0.5, -0. ])
    >>> mxfp4("rceil")([7.0, 0.4, -0.1])
    array([ 8.,  0., -0.])
    """
    return _mx(format_codebook(E2M1), rule, axis)


def mxint8(rule: str = "floor", axis: Any = None) -> Quantizer:
    """MXINT8: as `mxfp8`, with the 256 integers in units of 1/64, −2 … 1 63/64.

    >>> mxint8()([1.0, -2.0, 0.004])
    array([ 1., -2.,  0.])
    """
    return _mx(Codebook("MXINT8", integers(8).levels / 64, ties="even"), rule, axis)


def _mx(book: Codebook, rule: str, axis: Any) -> Quantizer:
    _checks.require_choice("rule", rule, tuple(POWER_OF_TWO_RULES))
    return Quantizer(book, POWER_OF_TWO_RULES[rule], axis, block_size=32, scale_storage=E8M0)


def nvfp4(axis: Any = None) -> Quantizer:
    """NVFP4: blocks of 16 E2M1 numbers under E4M3 scales, and one FP32 scale for these.

    The tensor's scale is t = max|x| / (448·6), a block's is max|x| / 6 / t rounded to the nearest
    of the normal numbers of E4M3, 2^-6 … 448. Values are divided by the product of the two.

    Parameters
    ----------
    axis : as for `mxfp8`

    Notes
    -----
    A block of zeros is stored with the scale 2^-6. Codes in the order "low_first" of `pack` are
    those of torchao; compressed-tensors keeps 1/t instead of t.

    References
    ----------
    `nvfp4_tensor.py` in torchao; NVIDIA, Introducing NVFP4.

    Examples
    --------
    >>> nvfp4()
    Quantizer(FP4 E2M1, absmax, block_size=16, scale_storage=Quantizer(FP8 E4M3 normal, absmax), \
tensor_scale=nvfp4_tensor_scale)
    """
    e4m3 = format_codebook(E4M3).levels
    normal = np.where(e4m3 >= E4M3.smallest_normal, e4m3, np.nan)  # the other codes are not made
    storage = Quantizer(Codebook("FP8 E4M3 normal", normal, ties="even"), absmax)
    recipe = Quantizer(format_codebook(E2M1), absmax, axis, block_size=16, scale_storage=storage)
    return dataclasses.replace(recipe, tensor_scale=nvfp4_tensor_scale)


def binary_weights(axis: Any = None, block_size: int | None = None) -> Quantizer:
    """One bit: the sign, times the mean magnitude, which is the best scale for it.

    References
    ----------
    Rastegari et al., XNOR-Net, arXiv 1603.05279, section 3.1.

    Examples
    --------
    >>> binary_weights()([3.0, -1.0, 0.0, 0.0])
    array([ 1., -1.,  1.,  1.])
    """
    return Quantizer(BINARY, mean_abs, axis, block_size)


def ternary_weights(
    rule: str = "twn", axis: Any = None, block_size: int | None = None
) -> Quantizer:
    """Three levels, −1, 0 and 1, by one of two published rules.

    Parameters
    ----------
    rule : "twn", 0 up to 0.7·mean|x|, and the scale is the mean magnitude of the rest (Ternary
        Weight Networks); "absmean", x / mean|x| rounded to −1, 0 or 1, and the scale is mean|x|
        (BitNet b1.58, without the epsilon that it adds against dividing by 0)
    axis, block_size : who shares a scale, as for every recipe

    References
    ----------
    Li, Zhang, Liu, arXiv 1605.04711; Ma et al., arXiv 2402.17764, section 2.

    Examples
    --------
    >>> ternary_weights()([4.0, -2.0, 1.2, 0.8]), ternary_weights("absmean")([4.0, -2.0, 1.2, 0.8])
    (array([ 3., -3.,  0.,  0.]), array([ 2., -2.,  2.,  0.]))
    """
    _checks.require_choice("rule", rule, ("twn", "absmean"))
    if rule == "absmean":
        return Quantizer(ternary(), mean_abs, axis, block_size)
    return Quantizer(ternary(0.7), mean_abs_above(0.7), axis, block_size, encode_with=mean_abs)


def log2_weights(
    bits: int = 4, zero: bool = True, axis: Any = None, block_size: int | None = None
) -> Quantizer:
    """Powers of two times the largest magnitude, nearest in the logarithm.

    >>> log2_weights(3)([4.0, -2.9, 2.8, 0.5])
    array([ 4., -4.,  2.,  0.])
    """
    return Quantizer(log2(bits, zero), absmax, axis, block_size)

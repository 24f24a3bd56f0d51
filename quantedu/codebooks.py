"""Codebooks: up to 256 levels, and the code of the nearest one.

A code is the bit pattern that is stored, and `levels[code]` is what it means. To encode is to
count the thresholds that lie below x:

    rank = number of thresholds t with x > t         codes = codes_by_rank[rank]

`Codebook._encode_definition` says this in NumPy; the fast path tabulates it and adds no rule.
INT8, E4M3 and NF4 are the same machine with other levels.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from quantedu import _checks, _tables
from quantedu.formats import FloatFormat

TIES = ("lower", "even")


@dataclass(frozen=True, eq=False)
class Codebook:
    """Levels in the order of their codes, and the rule that picks one.

    Parameters
    ----------
    name : what messages, tables and plots call it
    levels : real array [K], 1 to 256 entries, kept as float32. `levels[code]` is what a code
        means; a code whose level is NaN or infinite is never produced. Two codes may have one
        level: at zero the first serves x ≤ 0 and the second x > 0, or, where the levels are −0
        and +0, each its own sign.
    thresholds : ascending float32 array, one between each two neighbouring levels: x > t goes up.
        By default the midpoints, exactly: the largest float32 at or below the real midpoint.
    ties : what becomes of x on a midpoint, where thresholds are not given: "lower", the lower
        level, or "even", the level whose code is even

    Raises
    ------
    TypeError, ValueError
        If there are no levels, or too many; if a threshold is not where it separates its levels.

    Notes
    -----
    Codebooks compare and hash by content, and their arrays are read-only.

    Examples
    --------
    >>> thirds = Codebook("thirds", levels=[-1.0, 0.0, 1.0])
    >>> thirds.encode([-0.6, 0.5, 0.51, 9.0]), thirds.bits
    (array([0, 1, 2, 2], dtype=uint8), 2)
    """

    name: str
    levels: Any
    thresholds: Any = None
    ties: str = "lower"
    codes_by_rank: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise TypeError(f"name must be a non-empty string, not {self.name!r}")
        _checks.require_choice("ties", self.ties, TIES)
        levels = np.array(_checks.as_real(self.levels)[0], dtype=np.float32)  # a copy of our own
        if levels.ndim != 1 or not 1 <= levels.size <= 256:
            raise ValueError(
                f"{self.name}: levels must be 1 to 256 numbers in a row, not shape {levels.shape}"
            )
        codes = np.flatnonzero(np.isfinite(levels))
        if not codes.size:
            raise ValueError(f"{self.name}: at least one level must be a finite float32")
        order = np.lexsort((codes, ~np.signbit(levels[codes]), levels[codes]))  # −0 before +0
        codes = codes[order].astype(np.uint8)
        low, high = levels[codes][:-1], levels[codes][1:]
        if self.thresholds is None:
            up = (codes[1:] % 2 == 0) & (self.ties == "even")
            thresholds = _at_most(_midpoints(levels[codes], np.float64), up)
        else:
            thresholds = np.array(_checks.as_real(self.thresholds)[0], dtype=np.float32)
        if thresholds.shape != low.shape:
            raise ValueError(
                f"{self.name}: {codes.size} levels have {low.size} thresholds between them, "
                f"not {thresholds.size}"
            )
        wrong = ~((thresholds >= _below(low)) & (thresholds <= high))
        if wrong.any():
            raise ValueError(
                f"{self.name}: each threshold must lie between its two levels; "
                f"got {_checks.first_wrong(thresholds, wrong)}"
            )
        zeros = np.signbit(low) & ~np.signbit(high) & (high == low)
        thresholds = np.where(zeros, np.float32(0), thresholds) + np.float32(0)
        thresholds = np.maximum.accumulate(thresholds)  # between equal levels one may be lower
        thresholds = np.where(zeros, np.float32(-0.0), thresholds)
        arrays = {"levels": levels, "thresholds": thresholds, "codes_by_rank": codes}
        for name, array in arrays.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @functools.cached_property
    def _content(self) -> tuple:
        return self.name, self.levels.tobytes(), self.thresholds.tobytes()

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Codebook) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def __reduce__(self) -> tuple:  # pickled and copied by what it was made of: read-only again
        return Codebook, (self.name, self.levels, self.thresholds, self.ties)

    def __repr__(self) -> str:
        return (
            f"<Codebook {self.name}: {self.codes_by_rank.size} levels, {self.min:g} … {self.max:g}>"
        )

    # What follows from the levels

    @property
    def bits(self) -> int:
        """Bits that a code takes.

        >>> integers(8).bits
        8
        """
        return max(1, (len(self.levels) - 1).bit_length())

    @functools.cached_property
    def min(self) -> float:
        """The lowest level.

        >>> integers(8).min, integers(8, narrow=True).min
        (-128.0, -127.0)
        """
        return float(self.levels[self.codes_by_rank[0]])

    @functools.cached_property
    def max(self) -> float:
        """The highest level."""
        return float(self.levels[self.codes_by_rank[-1]])

    @functools.cached_property
    def is_integer(self) -> bool:
        """Whether the levels are consecutive integers, which is what a zero-point needs.

        >>> integers(4).is_integer, uniform(4).is_integer
        (True, False)
        """
        ranked = self.levels[self.codes_by_rank]
        return bool(np.all(np.diff(ranked) == 1) and np.all(ranked == np.rint(ranked)))

    # From numbers to codes

    def encode(self, x: Any) -> np.ndarray:
        """The codes of the levels nearest to x.

        Parameters
        ----------
        x : real array or scalar, any shape; turned into float32 first. Infinity gets the end level.

        Returns
        -------
        uint8 array, shape of x

        Raises
        ------
        TypeError, ValueError
            If x is not real numbers, or holds NaN: the message counts them and names the first.

        Examples
        --------
        >>> integers(8).encode([-128.5, -0.5, 0.5, 1.5, 300.0])    # two's complement, ties to even
        array([128,   0,   0,   2, 127], dtype=uint8)
        """
        x = _checks.as_real(x)[0]
        x = x.astype(np.float32) if x.dtype.kind == "V" else x
        if x.size and np.isnan(x.max()):  # the largest is NaN if any is
            nan = np.isnan(x)
            raise ValueError(
                f"{self.name} has no level for NaN; got {_checks.first_wrong(x, nan)}; "
                "replace them first"
            )
        with np.errstate(over="ignore"):
            return _tables.by_chunks(x, np.float32, np.uint8, self.encoder(x.size))

    def encoder(self, size: int) -> Callable[[np.ndarray, np.ndarray], None]:
        """The function encode(x, out) for so many values: contiguous float32 in, uint8 out.

        >>> out = np.empty(3, dtype=np.uint8)
        >>> integers(4).encoder(3)(np.float32([-9.0, 0.4, 2.6]), out)
        >>> out
        array([8, 0, 3], dtype=uint8)
        """
        lookup = _lookup(self) if size >= _tables.TABULATE_FROM else None
        if lookup is not None:
            return lookup

        def fill(x: np.ndarray, out: np.ndarray) -> None:
            out[...] = self._encode_definition(x)

        return fill

    def _encode_definition(self, x: np.ndarray) -> np.ndarray:
        """Count the thresholds below x; +0 is above the threshold between −0 and +0."""
        return self.codes_by_rank[self._rank(x)]

    def _rank(self, x: np.ndarray) -> np.ndarray:
        rank = np.searchsorted(self.thresholds, x)
        if np.any((self.thresholds == 0) & np.signbit(self.thresholds)):
            rank += (x == 0) & ~np.signbit(x)
        return rank

    # From codes to numbers

    def decode(self, codes: Any) -> np.ndarray:
        """The levels that codes stand for: `levels[codes]`.

        Parameters
        ----------
        codes : integer array, any shape, entries 0 … K − 1

        Returns
        -------
        float32 array, shape of codes

        Raises
        ------
        TypeError, ValueError
            If codes are not integers, or one is out of range.

        Examples
        --------
        >>> integers(8).decode([0, 127, 128, 255])
        array([   0.,  127., -128.,   -1.], dtype=float32)
        """
        codes = self.check_codes(codes)
        return _tables.by_chunks(codes, np.uint8, np.float32, self.decoder(codes.size))

    def decoder(self, size: int) -> Callable[[np.ndarray, np.ndarray], None]:
        """The function decode(codes, out) for so many values: uint8 in, float32 out.

        >>> out = np.empty(2, dtype=np.float32)
        >>> integers(4).decoder(2)(np.array([8, 3], dtype=np.uint8), out)
        >>> out
        array([-8.,  3.], dtype=float32)
        """
        if size >= _tables.TABULATE_FROM:
            return functools.partial(_tables.take_pairs, self._level_pairs)

        def fill(codes: np.ndarray, out: np.ndarray) -> None:
            out[...] = self.levels[codes]

        return fill

    @functools.cached_property
    def _level_pairs(self) -> np.ndarray:
        return _tables.pair_table(self.levels)

    def check_codes(self, codes: Any) -> np.ndarray:
        """The codes as an integer array, refused where one is none of this codebook's.

        >>> integers(4).check_codes([0, 15])
        array([ 0, 15])
        """
        return _checks.as_codes(codes, self.name, self.bits, len(self.levels))


def _midpoints(ranked: np.ndarray, dtype: Any) -> np.ndarray:
    ranked = ranked.astype(dtype)
    return (ranked[:-1] + ranked[1:]) / 2


def _at_most(midpoints: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The float32 thresholds that decide as real midpoints do; ties go to the upper level if `up`.

    No float32 lies between the midpoint and the largest float32 at or below it. A tie exists only
    where the two are equal.
    """
    thresholds = midpoints.astype(np.float32)
    lower = (thresholds > midpoints) | ((thresholds == midpoints) & up)
    return np.where(lower, _below(thresholds), thresholds) + np.float32(0)  # no −0


def _below(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # below the lowest float32 is −∞
        return np.nextafter(x, np.float32(-np.inf))


# The fast paths: the definitions above, tabulated


@functools.lru_cache(maxsize=64)
def _lookup(codebook: Codebook) -> Callable[[np.ndarray, np.ndarray], None] | None:
    """Encoding by a table over the upper 16 bits of a float32; None where levels crowd too much.

    The table can add one as magnitude grows. Codes that count magnitude on both sides (sign and
    magnitude, as in FP8) it gives as they are. Codes that count upwards from the lowest level
    shrink with magnitude where x is negative: there it gives them negated. Any others are found by
    their rank, which counts upwards too.
    """
    codes, ones = codebook.codes_by_rank, 2**codebook.bits - 1
    ranks = np.arange(codes.size)

    def values(bits: np.ndarray) -> np.ndarray:
        x = bits.view(np.float32)
        return np.where(np.isnan(x), np.copysign(np.float32(np.inf), x), x)  # NaN never comes

    def define(bits: np.ndarray) -> np.ndarray:
        found = numbers[codebook._rank(values(bits))]
        return np.where(negated & (bits >> 31 == 1), -found, found).astype(np.uint32) & 0xFFFF

    upper = np.arange(2**16, dtype=np.uint32) << 16
    crossed = codebook._rank(values(upper)) - codebook._rank(values(upper | 0xFFFF))
    if np.abs(crossed).max() > 1:
        return None
    numbers, negated = codes.astype(np.int64), False
    table, irregular = _tables.carry_table(define, 16, 0)
    permuted = False
    if irregular.any():
        permuted = bool(np.any((codes[0] + ranks) & ones != codes))
        numbers, negated = ranks + (0 if permuted else int(codes[0])), True
        table, _ = _tables.carry_table(define, 16, 0)

    def lookup(x: np.ndarray, out: np.ndarray) -> None:
        bits = x.view(np.uint32)
        found = table.take((bits >> 16).astype(np.intp), mode="clip")
        found += bits
        signed = found.view(np.int32)
        signed >>= 16
        if negated:
            np.abs(signed, out=signed)
        out[...] = signed
        if ones < 255:
            out &= ones
        if permuted:
            np.take(codes, out, out=out, mode="clip")

    return lookup


# The codebooks


@functools.cache
def integers(bits: int, signed: bool = True, narrow: bool = False) -> Codebook:
    """The integers of so many bits; signed ones as two's complement, ties to even.

    Parameters
    ----------
    bits : 1 to 8; signed ones from 2
    signed : False gives 0 … 2^bits − 1
    narrow : True leaves −2^(bits − 1) unused, so that the range is symmetric

    Examples
    --------
    >>> integers(4).levels
    array([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7., -8., -7., -6., -5., -4.,
           -3., -2., -1.], dtype=float32)
    >>> integers(4, signed=False).max, integers(4, narrow=True).min
    (15.0, -7.0)
    """
    _checks.require_flags(signed=signed, narrow=narrow)
    bits = _checks.integer_in("bits", bits, 1 + signed, 8)
    if narrow and not signed:
        raise ValueError("narrow=True leaves the lowest signed code unused; pass signed=True")
    levels = np.arange(2.0**bits)
    if signed:
        levels[2 ** (bits - 1) :] -= 2**bits
    if narrow:
        levels[2 ** (bits - 1)] = np.nan
    name = f"{'' if signed else 'U'}INT{bits}{' narrow' if narrow else ''}"
    return Codebook(name, levels, ties="even")


@functools.cache
def format_codebook(fmt: FloatFormat) -> Codebook:
    """The numbers of a floating-point format of up to 8 bits.

    `encode` gives the codes of `fmt.encode(x, overflow="saturate")` for float32 x, bit for bit; in
    an unsigned format a negative x gets the smallest number.

    Parameters
    ----------
    fmt : FloatFormat of up to 8 bits, all of whose numbers are float32

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> format_codebook(E2M1).encode([0.25, 0.75, 5.0, -0.0])
    array([0, 2, 6, 8], dtype=uint8)
    """
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"fmt must be a FloatFormat such as quantedu.E4M3, not {fmt!r}")
    if fmt.bits > 8 or not fmt._fits(np.dtype(np.float32)):
        raise ValueError(
            f"{fmt.name} has {fmt.bits} bits and numbers up to {fmt.max:g}; a codebook holds "
            "formats of up to 8 bits whose numbers are float32"
        )
    levels = fmt.decode(np.arange(2**fmt.bits), np.float32)
    plain = Codebook(fmt.name, levels)
    midpoints = _midpoints(levels[plain.codes_by_rank], np.float64)
    goes_up = fmt.encode(midpoints, overflow="saturate") == plain.codes_by_rank[1:]
    return Codebook(fmt.name, levels, thresholds=_at_most(midpoints, goes_up))


@functools.cache
def normal_float(bits: int = 4, symmetric: bool = False, offset: float | None = None) -> Codebook:
    """Normal-float: quantiles of the normal distribution, divided by the largest.

    Each half takes equally spaced probabilities from `offset` to 1/2 and leaves 1/2, which is the
    level 0, to a code of its own. `normal_float(4)` is NF4, bit for bit.

    Parameters
    ----------
    bits : 2 to 8
    symmetric : False gives 2^(bits − 1) positive and one fewer negative level and one 0; True one
        fewer on either side and two codes for 0, the first for x ≤ 0 and the second for x > 0
    offset : probability of the largest level, between 1/2 and 1; by default
        (1 − 1/(2·(2^bits − 1)) + 1 − 1/(2·2^bits))/2, cut after seven digits: the mean of what
        would centre the outermost of 15 and of 16 equal bins

    Notes
    -----
    The published NF4 was made with the offset cut, 0.9677083 and not 929/960, and with a float32
    `linspace`. Both have to be repeated to get its last bits. Thresholds are the float32 midpoints,
    as in bitsandbytes.

    References
    ----------
    Dettmers et al., QLoRA, arXiv 2305.14314, section 3 and appendix E; `create_normal_map` in
    bitsandbytes.

    Examples
    --------
    >>> normal_float(2).levels.tolist() == [-1.0, 0.0, normal_float(2).levels[2], 1.0]
    True
    >>> normal_float(4, symmetric=True).levels[[0, 7, 8, 15]]
    array([-1.,  0.,  0.,  1.], dtype=float32)
    """
    _checks.require_flags(symmetric=symmetric)
    bits = _checks.integer_in("bits", bits, 2, 8)
    name = f"NF{bits}{' symmetric' if symmetric else ''}"
    if offset is None:
        exact = (1 - 1 / (2 * (2**bits - 1)) + 1 - 1 / (2 * 2**bits)) / 2
        offset = np.floor(exact * 1e7) / 1e7
    else:
        name += f", offset {offset:g}"
    if not 0.5 < offset < 1:
        raise ValueError(f"offset={offset} must lie between 1/2 and 1, both excluded")
    half = 2 ** (bits - 1)
    positive = _normal_quantiles(offset, half - symmetric)
    negative = -_normal_quantiles(offset, half - 1)
    zeros = np.zeros(1 + symmetric, dtype=np.float32)
    levels = np.concatenate([negative, zeros, positive[::-1]]) / positive.max()
    return Codebook(name, levels, thresholds=_midpoints(levels, np.float32))


def _normal_quantiles(offset: float, n: int) -> np.ndarray:
    """The quantiles of n probabilities from `offset` down towards 1/2, the largest first."""
    probabilities = _linspace(offset, 0.5, n + 1)[:-1]
    return np.array([NormalDist().inv_cdf(float(p)) for p in probabilities], dtype=np.float32)


def _linspace(start: float, stop: float, n: int) -> np.ndarray:
    """Points as `torch.linspace` makes them: a float32 step, counted from the nearer end.

    Each point is rounded once, as by a fused multiply-add: float64 holds start + step·i exactly.
    """
    low, high = np.float32(start), np.float32(stop)
    step = np.float64((high - low) / np.float32(n - 1))
    i = np.arange(n)
    points = np.where(i < n // 2, low + step * i, high - step * (n - 1 - i))
    return points.astype(np.float32)


def _dynamic8() -> Codebook:
    """The dynamic 8-bit map: decimal exponents, with more fraction bits for larger numbers.

    For i = 0 … 6 the levels are ±10^(i − 6) times the middles of 2^i equal parts of [0.1, 1]; 0
    and 1 are added. All is computed in float32.

    References
    ----------
    Dettmers et al., 8-bit Optimizers via Block-wise Quantization, arXiv 2110.02861, section 1.3;
    `create_dynamic_map` in bitsandbytes.

    Examples
    --------
    >>> DYNAMIC8.levels[[0, 126, 127, 128, 255]]
    array([-9.9296874e-01, -5.5000004e-07,  0.0000000e+00,  5.5000004e-07,
            1.0000000e+00], dtype=float32)
    """
    parts = [_midpoints(_linspace(0.1, 1, 2**i + 1), np.float32) for i in range(7)]
    positive = np.concatenate([np.float32(10.0 ** (i - 6)) * x for i, x in enumerate(parts)])
    levels = np.sort(np.concatenate([-positive, positive, np.array([0, 1], dtype=np.float32)]))
    return Codebook("dynamic 8-bit", levels, thresholds=_midpoints(levels, np.float32))


def _fp4_bitsandbytes() -> Codebook:
    """The FP4 of bitsandbytes: E2M1 by shape, but other magnitudes; codes are sign and index.

    The magnitudes are 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6 and 1/4, in the order of the codes.

    References
    ----------
    `get_4bit_type("fp4")` in bitsandbytes, the magnitudes times 12.

    Examples
    --------
    >>> FP4_BITSANDBYTES.encode([0.0, -1e-9, 1e-9, 1.0, -0.25])
    array([ 0,  0,  8,  3, 15], dtype=uint8)
    """
    magnitudes = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3], dtype=np.float32) / np.float32(12)
    levels = np.concatenate([magnitudes, 0 - magnitudes])  # both zeros are +0
    return Codebook("FP4 bitsandbytes", levels, thresholds=_midpoints(np.sort(levels), np.float32))


@functools.cache
def uniform(bits: int) -> Codebook:
    """2^bits levels evenly spaced from −1 to 1, ties to the lower; zero is not among them.

    >>> uniform(2).levels
    array([-1.        , -0.33333334,  0.33333334,  1.        ], dtype=float32)
    """
    bits = _checks.integer_in("bits", bits, 1, 8)
    return Codebook(f"uniform {bits}-bit", np.linspace(-1, 1, 2**bits))


@functools.cache
def ternary(threshold: float = 0.5) -> Codebook:
    """−1, 0 and 1; what lies within ± threshold is 0. Codes are two bits of two's complement.

    Parameters
    ----------
    threshold : 0 to 1, both excluded; ± the threshold itself is 0, as in Ternary Weight Networks
        and as rounding to even has it at 1/2

    Examples
    --------
    >>> ternary().encode([-0.6, -0.5, 0.5, 0.6]), ternary(0.7).encode([0.6])
    (array([3, 0, 0, 1], dtype=uint8), array([0], dtype=uint8))
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold} must lie between 0 and 1, both excluded")
    name = "ternary" if threshold == 0.5 else f"ternary, 0 up to {threshold:g}"
    cuts = _at_most(np.array([-threshold, threshold]), np.array([True, False]))
    return Codebook(name, [0, 1, np.nan, -1], thresholds=cuts)


@functools.cache
def log2(bits: int, zero: bool = True) -> Codebook:
    """Powers of two of either sign, the largest 1; nearest means nearest in the logarithm.

    Codes are a sign bit and a count of magnitudes. Thresholds are ±√2·2^k, the middle in the log
    domain, exact for every float32.

    Parameters
    ----------
    bits : 2 to 8, or 1 without a zero
    zero : True keeps magnitude 0 for the level 0, which no logarithm reaches: there the threshold
        is half the smallest level; the code of −0 is never produced. False gives one more power of
        two; x ≥ 0 is positive, as in `BINARY`.

    References
    ----------
    Miyashita, Lee, Murmann, Convolutional Neural Networks using Logarithmic Data Representation,
    arXiv 1603.01025.

    Examples
    --------
    >>> print(log2(3).levels)
    [ 0.    0.25  0.5   1.     nan -0.25 -0.5  -1.  ]
    >>> log2(3, zero=False).decode(log2(3, zero=False).encode([0.0, 0.7, 0.71]))
    array([0.125, 0.5  , 1.   ], dtype=float32)
    """
    _checks.require_flags(zero=zero)
    bits = _checks.integer_in("bits", bits, 1 + zero, 8)
    powers = 2.0 ** np.arange(zero - 2 ** (bits - 1) + 1, 1)
    cuts = np.concatenate([[powers[0] / 2] * zero, 2**0.5 * powers[:-1]])
    positive, negative = ([0.0], [np.nan]) if zero else ([], [])
    levels = np.concatenate([positive, powers, negative, -powers])
    middle = [] if zero else [0.0]
    both = np.concatenate([-cuts[::-1], middle, cuts])
    up = np.arange(both.size) < (both.size + 1) // 2  # ties: away from −x to 0, and 0 is positive
    name = f"log2 {bits}-bit{'' if zero else ' without 0'}"
    return Codebook(name, levels, thresholds=_at_most(both, up))


def lloyd_max(
    data: Any, bits: int, span: tuple[float, float] = (-12.0, 12.0), rounds: int = 5000
) -> Codebook:
    """The levels with the least mean squared error: k-means in one dimension.

    By turns, each level moves to the mean of what is nearest to it, and the thresholds to the
    middles of the levels, until nothing moves (or `rounds` are over). No randomness: the levels
    start spread by the cube root of the density, which is best for very many of them.

    Parameters
    ----------
    data : real array of samples, any shape; or a function density(x) of float64 arrays, which need
        not be normalized
    bits : 1 to 8; samples of no more than 2^bits distinct values get just these as levels
    span : where a density counts, from lower to higher, cut in 2^16 parts

    Returns
    -------
    Codebook of up to 2^bits levels, ascending, in units of the data

    Raises
    ------
    TypeError, ValueError
        If there is no data, or it is not finite; if a density is negative or 0 everywhere, or its
        span has no width.

    Notes
    -----
    A level to which nothing is nearest moves to the value that lies furthest from all levels. For
    a density such as the normal the result is the best there is, for samples a local best.

    References
    ----------
    Lloyd, Least Squares Quantization in PCM, 1957/1982; Max, Quantizing for Minimum Distortion,
    1960.

    Examples
    --------
    >>> lloyd_max(lambda x: np.exp(-(x**2) / 2), bits=2).levels.round(4)
    array([-1.5104, -0.4528,  0.4528,  1.5104], dtype=float32)
    >>> lloyd_max([0.0, 1.0, 1.0, 5.0, 6.0, 7.0], bits=1).levels
    array([0.6666667, 6.       ], dtype=float32)
    """
    bits = _checks.integer_in("bits", bits, 1, 8)
    if callable(data):
        low, high = span
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"span={span} must be two finite numbers, the lower one first")
        edges = np.linspace(low, high, 2**16 + 1)
        x = (edges[1:] + edges[:-1]) / 2
        weight = _checks.as_real(data(x))[0].astype(np.float64) * np.ones(x.size)
    else:
        x, count = np.unique(_checks.as_real(data)[0].astype(np.float64), return_counts=True)
        weight = count.astype(np.float64)
    if not (np.isfinite([x, weight]).all() and np.all(weight >= 0) and weight.sum() > 0):
        raise ValueError("lloyd_max needs at least one sample or a density above 0, all finite")
    name, n = f"Lloyd–Max {bits}-bit", min(2**bits, np.count_nonzero(weight))
    if not callable(data) and n == x.size:
        return Codebook(name, x)
    mass, moment = (np.concatenate([[0], np.cumsum(w)]) for w in (weight, weight * x))

    def below(cuts: np.ndarray, sums: np.ndarray) -> np.ndarray:
        if callable(data):
            return np.interp(cuts, edges, sums)
        return sums[np.searchsorted(x, cuts, side="right")]

    density, bins = np.histogram(x, 64, weights=weight)  # coarse: samples are noisy in the tails
    spread = np.concatenate([[0], np.cumsum(np.cbrt(density))])
    levels: np.ndarray = np.interp((np.arange(n) + 0.5) / n * spread[-1], spread, bins)
    for _ in range(rounds):
        cuts = np.concatenate([[-np.inf], _midpoints(levels, np.float64), [np.inf]])
        inside, total = np.diff(below(cuts, mass)), np.diff(below(cuts, moment))
        moved = total[inside > 0] / inside[inside > 0]
        while moved.size < n:  # the value furthest from all levels becomes one
            near = moved[np.searchsorted(_midpoints(moved, np.float64), x)]
            furthest = np.argmax(np.abs(x - near) * (weight > 0))
            moved = np.sort(np.append(moved, x[furthest]))
        still = np.abs(moved - levels).max() <= 1e-9 * np.abs(levels).max()
        levels = moved
        if still:
            break
    return Codebook(name, levels)


INT8, INT4, UINT8, UINT4 = integers(8), integers(4), integers(8, False), integers(4, False)
NF4 = normal_float(4)
DYNAMIC8 = _dynamic8()
FP4_BITSANDBYTES = _fp4_bitsandbytes()
# 0 counts as positive, as in Courbariaux et al., arXiv 1602.02830, equation 1
BINARY = Codebook("binary", [-1, 1], thresholds=_at_most(np.zeros(1), np.ones(1, dtype=bool)))

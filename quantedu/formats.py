"""Floating-point formats: what a bit pattern means, and which pattern a number gets.

A `FloatFormat` is a record of parameters; its range, its precision and both directions of the
conversion follow from them. With sign S, exponent field E and mantissa field M of m bits,

    x = (−1)^S · 2^(E − bias) · (1 + M/2^m)      normal
    x = (−1)^S · 2^(1 − bias) · (0 + M/2^m)      E = 0: subnormal, and zero where M = 0

and the few codes that mean infinity or NaN are named by `specials`. Read the other way round, a
magnitude that is q units of 2^(e − m), e its exponent, has the code (e + bias − 1)·2^m + q: this
one line serves subnormals, normals and a carry into the next binade alike.

`_decode_definition` and `_encode_definition` say this in NumPy. The fast paths tabulate these
two and add no rule of their own.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from quantedu import _checks, _tables

SPECIALS = ("ieee", "fn", "fnuz", "finite")
ROUNDINGS = ("nearest_even", "nearest_away", "toward_zero", "up", "down", "stochastic")
OVERFLOWS = ("special", "saturate")


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format of up to 64 bits.

    Parameters
    ----------
    name : what messages, tables and plots call it
    exponent_bits : 1 to 11
    mantissa_bits : 0 to 52, the stored ones, without the hidden one
    bias : subtracted from the exponent field; by default 2^(exponent_bits − 1) − 1, one more for
        "fnuz"
    specials : which codes are not numbers
        "ieee": exponent field all ones: infinity (M = 0) and NaN (M ≠ 0)
        "fn" (finite, NaN): all ones is NaN, no infinity
        "fnuz" (finite, NaN, unsigned zero): the code of −0 is the only NaN, no infinity
        "finite": every code is a number
    signed : False drops the sign bit
    subnormals : False makes E = 0 an ordinary exponent; then there is no zero (scales only)

    Raises
    ------
    TypeError, ValueError
        If the parameters make no format whose values are all float64 numbers.

    References
    ----------
    IEEE 754-2019 section 3.4; OCP 8-bit Floating Point (OFP8) v1.0; OCP Microscaling (MX) v1.0
    section 5.3; the suffixes "fn" and "fnuz" as in `ml_dtypes`.

    Examples
    --------
    >>> FP12 = FloatFormat("FP12", exponent_bits=5, mantissa_bits=6)
    >>> FP12.bits, FP12.max
    (12, 65024.0)
    >>> import dataclasses
    >>> dataclasses.replace(E4M3, name="E4M3 without NaN", specials="finite").max
    480.0
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: Any = None  # an int from __post_init__ on
    specials: str = "ieee"
    signed: bool = True
    subnormals: bool = True

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise TypeError(f"name must be a non-empty string, not {self.name!r}")
        _checks.require_choice("specials", self.specials, SPECIALS)
        for field, low, high in (
            ("exponent_bits", 1, 11),
            ("mantissa_bits", 0, 52),
            ("bias", None, 0),
        ):
            value = getattr(self, field)
            if field == "bias" and value is None:
                value = 2 ** (self.exponent_bits - 1) - (self.specials != "fnuz")
            if not _checks.is_integer(value):
                raise TypeError(f"{self.name}: {field} must be an integer, not {value!r}")
            object.__setattr__(self, field, int(value))  # a NumPy integer would overflow
            if low is not None and not low <= value <= high:
                raise ValueError(
                    f"{self.name}: {field}={value} is outside {low} … {high}, the range in which "
                    "every value is a float64"
                )
        for field in ("signed", "subnormals"):
            if not isinstance(getattr(self, field), bool):
                raise TypeError(
                    f"{self.name}: {field} must be True or False, not {getattr(self, field)!r}"
                )
        self._refuse_nonsense()

    def _refuse_nonsense(self) -> None:
        if self.specials == "ieee" and (self.exponent_bits < 2 or self.mantissa_bits < 1):
            raise ValueError(
                f"{self.name}: specials='ieee' takes the top exponent for infinity and NaN, which "
                "needs exponent_bits >= 2 and mantissa_bits >= 1; use specials='finite' or 'fn'"
            )
        if self.specials == "fnuz" and not self.signed:
            raise ValueError(
                f"{self.name}: specials='fnuz' stores NaN in the code of −0, which an unsigned "
                "format does not have; use specials='fn'"
            )
        if not self.subnormals and self.signed:
            raise ValueError(
                f"{self.name}: subnormals=False leaves no zero, which makes sense for unsigned "
                "scale formats only; pass signed=False as well"
            )
        if self._max_code < (1 << self.mantissa_bits) * self.subnormals:
            raise ValueError(
                f"{self.name}: exponent_bits={self.exponent_bits} and mantissa_bits="
                f"{self.mantissa_bits} with specials={self.specials!r} leave no normal number"
            )
        lowest = self.min_exponent - self.mantissa_bits
        if lowest < -1074 or self.max_exponent > 1023:
            raise ValueError(
                f"{self.name}: bias={self.bias} gives values from 2^{lowest} to "
                f"2^{self.max_exponent}, beyond the float64 range 2^-1074 … 2^1023"
            )

    # What follows from the parameters

    @property
    def bits(self) -> int:
        """Bits a code takes: sign, exponent and mantissa."""
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal number.

        >>> FP32.min_exponent, FP32.max_exponent
        (-126, 127)
        """
        return 1 - self.bias if self.subnormals else -self.bias

    @property
    def max_exponent(self) -> int:
        """Exponent of the largest finite number."""
        return (self._max_code >> self.mantissa_bits) - self.bias

    @functools.cached_property
    def max(self) -> float:
        """The largest finite number.

        >>> E4M3.max, FP16.max
        (448.0, 65504.0)
        """
        return float(self._decode_definition(np.array(self._max_code)))

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number with a hidden one.

        >>> FP16.smallest_normal == 2.0**-14
        True
        """
        return 2.0**self.min_exponent

    @property
    def smallest_subnormal(self) -> float:
        """The smallest positive number; the smallest normal where there are no subnormals.

        >>> FP16.smallest_subnormal == 2.0**-24
        True
        """
        return 2.0 ** (self.min_exponent - self.mantissa_bits * self.subnormals)

    @property
    def epsilon(self) -> float:
        """Distance from 1 to the next number, 2^(−mantissa_bits), in a format that holds both.

        >>> FP16.epsilon == 2.0**-10
        True
        """
        return 2.0**-self.mantissa_bits

    @property
    def has_infinity(self) -> bool:
        """Whether some code means infinity.

        >>> E4M3.has_infinity, E4M3.has_nan, E5M2.has_infinity
        (False, True, True)
        """
        return self.specials == "ieee"

    @property
    def has_nan(self) -> bool:
        """Whether some code means NaN."""
        return self.specials != "finite"

    @property
    def code_dtype(self) -> np.dtype:
        """The smallest unsigned dtype that holds a code.

        >>> TF32.bits, TF32.code_dtype
        (19, dtype('uint32'))
        """
        return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if self.bits <= 8 * size)}")

    @property
    def _sign_bit(self) -> int:
        return 1 << (self.bits - 1) if self.signed else 0

    @property
    def _max_code(self) -> int:
        all_ones = (1 << (self.exponent_bits + self.mantissa_bits)) - 1
        if self.specials == "ieee":
            return all_ones - (1 << self.mantissa_bits)
        return all_ones - (self.specials == "fn")

    @property
    def _nan_code(self) -> int:
        if self.specials == "ieee":
            return self._max_code + 1 + (1 << (self.mantissa_bits - 1))
        return self._sign_bit if self.specials == "fnuz" else self._max_code + 1

    def _fits(self, dtype: np.dtype) -> bool:
        """Whether every value of the format is one of `dtype`, a NumPy float."""
        info = np.finfo(dtype)
        return (
            self.mantissa_bits <= info.nmant
            and self.max <= float(info.max)
            and 2.0 ** (self.min_exponent - self.mantissa_bits) >= float(info.smallest_subnormal)
        )

    # From codes to numbers

    def split(self, codes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three fields of each code.

        Parameters
        ----------
        codes : integer array, any shape, entries 0 … 2^bits − 1

        Returns
        -------
        sign, exponent, mantissa : int64 arrays of the same shape; the fields as stored, so the
            exponent still has the bias in it. The sign of an unsigned format is 0.

        Raises
        ------
        TypeError, ValueError
            If codes are not integers, or one is out of range.

        Examples
        --------
        >>> [int(field) for field in FP16.split(0xC000)]    # −2 = (−1)^1 · 2^(16 − 15) · 1.0
        [1, 16, 0]
        """
        codes = self._check_codes(codes).astype(np.uint64)
        sign = codes >> (self.bits - 1) if self.signed else np.zeros_like(codes)
        exponent = (codes >> self.mantissa_bits) & ((1 << self.exponent_bits) - 1)
        mantissa = codes & ((1 << self.mantissa_bits) - 1)
        return (
            sign.astype(np.int64)[()],
            exponent.astype(np.int64)[()],
            mantissa.astype(np.int64)[()],
        )

    def decode(self, codes: Any, dtype: Any = np.float64) -> np.ndarray:
        """The numbers that codes stand for.

        Parameters
        ----------
        codes : integer array, any shape, entries 0 … 2^bits − 1
        dtype : np.float64, or a smaller NumPy float that holds every value of the format

        Returns
        -------
        array of `dtype`, shape of `codes`; exact

        Raises
        ------
        TypeError, ValueError
            If codes are not integers, one is out of range, or `dtype` cannot hold the format.

        Examples
        --------
        >>> E2M1.decode(range(8))
        array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. ])
        >>> E4M3.decode([0x7E, 0x7F, 0x80])
        array([448.,  nan,  -0.])
        """
        codes = self._check_codes(codes)
        dtype = np.dtype(dtype)
        if dtype not in (np.float16, np.float32, np.float64):
            raise TypeError(f"dtype must be np.float64, np.float32 or np.float16, not {dtype}")
        if not self._fits(dtype):
            raise ValueError(
                f"{dtype} does not hold every value of {self.name}; decode to np.float64"
            )
        if self in _NATIVE and _NATIVE[self] == dtype:  # a view keeps signalling NaNs too
            return codes.astype(self.code_dtype).view(dtype)[()]
        if codes.size < _tables.TABULATE_FROM or self.bits > 16:
            return _tables.by_chunks(
                codes, np.uint64, dtype, _tables.filled_by(self._decode_definition)
            )
        table = _decode_table(self, dtype)
        if table.dtype == np.complex64:
            return _tables.by_chunks(
                codes, np.uint8, dtype, functools.partial(_tables.take_pairs, table)
            )
        return _tables.by_chunks(codes, np.intp, dtype, _tables.filled_by(table.take))

    def _decode_definition(self, codes: np.ndarray) -> np.ndarray:
        """Put the fields into (−1)^S · 2^(E − bias) · (1 + M/2^m), and mind the exceptions."""
        sign, exponent, mantissa = self.split(codes)
        hidden = (exponent > 0) | (not self.subnormals)
        scale = np.where(hidden, exponent, 1) - self.bias - self.mantissa_bits
        units = np.float64(mantissa + hidden * 2**self.mantissa_bits)
        with np.errstate(over="ignore"):  # the top exponent of FP64, replaced below
            x = np.ldexp(units, scale.astype(np.int32))
        x = np.where(sign == 1, -x, x)
        magnitude = (exponent << self.mantissa_bits) | mantissa
        if self.specials == "ieee":
            infinite = np.where(sign == 1, -np.inf, np.inf)
            payload = mantissa << (52 - self.mantissa_bits)
            nan = (infinite.view(np.int64) | payload).view(np.float64)
            return np.where(magnitude > self._max_code, np.where(mantissa > 0, nan, infinite), x)
        if self.specials == "fnuz":
            return np.where(codes == self._sign_bit, np.nan, x)
        return np.where(magnitude > self._max_code, np.where(sign == 1, -np.nan, np.nan), x)

    # From numbers to codes

    def encode(
        self,
        x: Any,
        rounding: str = "nearest_even",
        overflow: str = "special",
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """The codes of the numbers of the format that x rounds to.

        Rounds once, from the precision that x comes in. With `mantissa_bits` = 0, where all
        numbers but zero have the significand 1, a tie under "nearest_even" goes to the larger
        magnitude (IEEE 754-2019 section 4.3.1).

        Parameters
        ----------
        x : real array or scalar, any shape: floats up to float64, integers, `ml_dtypes` types
        rounding : "nearest_even" (ties to the even mantissa), "nearest_away" (ties away from
            zero), "toward_zero", "up" (toward +∞), "down" (toward −∞), or "stochastic" (up with
            the probability that makes the mean right)
        overflow : what becomes of numbers that round beyond ±max
            "special": infinity if the format has it, else NaN; where the rounding direction points
            back to ±max, that (IEEE 754-2019 section 7.4)
            "saturate": ±max, for infinity too
            Formats with neither infinity nor NaN saturate either way.
        rng : np.random.Generator, required by "stochastic"

        Returns
        -------
        array of `code_dtype`, shape of x. In an unsigned format a negative number becomes NaN; in
        one without zero (E8M0) so does zero, but under "saturate" zero becomes the smallest
        number.

        Raises
        ------
        TypeError
            If x is not real numbers, or `rng` is needed and not there.
        ValueError
            If a name is unknown; if NaN (or, unsigned, a negative number) meets a format without
            NaN; if an integer beyond 2^53 or an extended float is no float64 and would be rounded
            twice.

        Examples
        --------
        >>> E4M3.encode([1.0, 448.0, 464.1, -0.0])
        array([ 56, 126, 127, 128], dtype=uint8)
        >>> E4M3.encode(1e9, overflow="saturate")
        np.uint8(126)
        """
        _checks.require_choice("rounding", rounding, ROUNDINGS)
        _checks.require_choice("overflow", overflow, OVERFLOWS)
        if rounding == "stochastic" and not isinstance(rng, np.random.Generator):
            raise TypeError(
                f"rounding='stochastic' needs rng=np.random.default_rng(seed), not {rng!r}"
            )
        x, carrier = _checks.as_real(x)
        self._refuse_what_has_no_code(x)
        if self in _NATIVE and _NATIVE[self] == carrier and overflow == "special":
            return x.astype(carrier).view(self.code_dtype)[()]
        if rounding != "stochastic" and carrier == np.float32 and x.size >= _tables.TABULATE_FROM:
            lookup = _lookup(self, rounding, overflow)
            if lookup is not None:
                return _tables.by_chunks(x, np.float32, self.code_dtype, lookup)
        plain = (rounding, overflow) == (
            "nearest_even",
            "special",
        ) and x.size >= _tables.TABULATE_FROM
        if self == FP16 and plain:  # NumPy's own cast is the same rounding, and quicker
            return _tables.by_chunks(x, carrier, self.code_dtype, _cast_to_half)
        definition = functools.partial(
            self._encode_definition, rounding=rounding, overflow=overflow, rng=rng
        )
        return _tables.by_chunks(x, np.float64, self.code_dtype, _tables.filled_by(definition))

    def _encode_definition(
        self, x: np.ndarray, rounding: str, overflow: str, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Count in units of the last place, round the count, read off the code; from float64."""
        negative = np.signbit(x)
        magnitude = np.where(np.isfinite(x), np.abs(x), 0.0)
        # frexp's fraction lies in [1/2, 1), so its exponent is one above ours
        exponent = np.where(magnitude > 0, np.frexp(magnitude)[1] - 1, self.min_exponent)
        exponent = np.maximum(exponent, self.min_exponent)
        count = np.ldexp(magnitude, self.mantissa_bits - exponent)  # exact, unless it underflows:
        count = np.maximum(count, np.where(magnitude > 0, 2.0**-1074, 0.0))  # "up" still sees it
        count = _round_count(count, negative, rounding, rng)
        code = ((exponent + self.bias - 1).astype(np.int64) << self.mantissa_bits) + np.int64(count)
        code = self._apply_exceptions(code, x, rounding, overflow).astype(np.uint64)
        if self.specials == "fnuz":
            negative &= code != 0
        return code | (negative.astype(np.uint64) << np.uint64(self.bits - 1)) * self.signed

    def _apply_exceptions(
        self, code: np.ndarray, x: np.ndarray, rounding: str, overflow: str
    ) -> np.ndarray:
        """Codes of |x| from codes that would be right if the exponent had no bounds."""
        saturate = overflow == "saturate" or not self.has_nan
        # the directions that never leave ±max, nor reach up to the smallest number
        inward = np.where(np.signbit(x), rounding == "up", rounding == "down")
        inward |= rounding == "toward_zero"
        nan = np.isnan(x)
        if not self.signed:
            nan |= x < 0
        if not self.subnormals:  # there is no zero: what is below the smallest number has code < 0
            nan |= (code < 0) & ((x == 0) | inward) & np.isfinite(x) & (not saturate)
            code = np.maximum(code, 0)
        if saturate:
            code = np.where(np.isinf(x), self._max_code, np.minimum(code, self._max_code))
        else:
            beyond = code > self._max_code
            code = np.where(beyond & inward, self._max_code, code)
            beyond = (beyond & ~inward) | np.isinf(x)
            code = np.where(beyond, self._max_code + 1, code)  # infinity, if the format has it
            nan |= beyond & (not self.has_infinity)
        nan_code: Any = np.int64(self._nan_code)
        if self.specials == "ieee":  # a NaN keeps its sign and the leading bits of its payload
            payload = (x.view(np.int64) & (2**52 - 1)) >> (52 - self.mantissa_bits)
            kept = np.isnan(x) & (payload > 0)
            nan_code = np.where(kept, self._max_code + 1 + payload, nan_code)
        return np.where(nan, nan_code, code)

    def round(
        self,
        x: Any,
        rounding: str = "nearest_even",
        overflow: str = "special",
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """The numbers of the format that x rounds to: encode, then decode.

        Parameters and errors are those of `encode`.

        Returns
        -------
        float array, shape of x; float32 where x came in float32 or narrower and float32 holds the
        format, else float64

        Examples
        --------
        >>> BF16.round(10**6), FP16.round(10**6)
        (np.float64(999424.0), np.float64(inf))
        >>> E2M1.round(np.float32([0.2, 0.3, 2.4, 100]))
        array([0. , 0.5, 2. , 6. ], dtype=float32)
        """
        codes = self.encode(x, rounding, overflow, rng)
        carrier = _checks.as_real(x)[1]
        return self.decode(codes, carrier if self._fits(carrier) else np.float64)

    # Looking at a format

    def values(self) -> np.ndarray:
        """What every code means, in the order of the codes; float64 [2^bits].

        Raises
        ------
        ValueError
            If the format has more than 16 bits.

        Examples
        --------
        >>> E2M1.values()[8:]
        array([-0. , -0.5, -1. , -1.5, -2. , -3. , -4. , -6. ])
        """
        if self.bits > 16:
            raise ValueError(
                f"{self.name} has 2^{self.bits} codes; values() lists formats of up to 16 bits, "
                "decode(codes) serves a part of them"
            )
        return self.decode(np.arange(2**self.bits))

    def classify(self, codes: Any) -> np.ndarray:
        """The class of each code: "zero", "subnormal", "normal", "infinity" or "NaN".

        Parameters
        ----------
        codes : integer array, any shape, entries 0 … 2^bits − 1

        Returns
        -------
        string array, shape of codes

        Examples
        --------
        >>> E5M2.classify([0x00, 0x01, 0x04, 0x7C, 0x7D])
        array(['zero', 'subnormal', 'normal', 'infinity', 'NaN'], dtype='<U9')
        """
        x = np.abs(self.decode(codes))
        tests = [np.isnan(x), np.isinf(x), x == 0, x < self.smallest_normal]
        return np.select(tests, ["NaN", "infinity", "zero", "subnormal"], "normal")[()]

    def neighbours(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """The nearest numbers of the format strictly below and strictly above x.

        Parameters
        ----------
        x : real array or scalar, any shape

        Returns
        -------
        below, above : float64 arrays, shape of x; NaN where there is none. Infinity counts as a
            neighbour in formats that have it.

        Examples
        --------
        >>> E2M1.neighbours([0.0, 2.2, 6.0])
        (array([-0.5,  2. ,  4. ]), array([0.5, 3. , nan]))
        """
        x = np.asarray(_checks.as_real(x)[0], dtype=np.float64)
        least = -np.inf if self.signed else 0.0 if self.subnormals else 2.0**-1074
        with np.errstate(all="ignore"):  # beside the largest is infinity; signalling NaNs
            lower, upper = (np.maximum(np.nextafter(x, end), least) for end in (-np.inf, np.inf))
            below, above = self.round(lower, "down"), self.round(upper, "up")
            below, above = np.where(below < x, below, np.nan), np.where(above > x, above, np.nan)
        return below + 0.0, above + 0.0  # no −0

    def explain(self, code: Any) -> str:
        """One code read aloud: its fields, the formula with the numbers in it, the exact value.

        Parameters
        ----------
        code : integer, 0 … 2^bits − 1

        Examples
        --------
        >>> print(FP16.explain(0xC100))
        FP16 0xC100 = 1 10000 0100000000
        x = (−1)^1 · 2^(16 − 15) · (1 + 256/1024)
          = −1 · 2^1 · 1.25
          = -2.5
        >>> print(E4M3.explain(0x7F))
        FP8 E4M3 0x7F = 0 1111 111
        all ones: NaN
        """
        code = self._check_codes(code)
        if code.ndim:
            raise ValueError(f"explain takes one code, not an array of shape {code.shape}")
        sign, exponent, mantissa = (int(field) for field in self.split(code))
        heading = f"{self.name} 0x{int(code):0{-(-self.bits // 4)}X} = {self._spaced(int(code))}"
        kind, x = str(self.classify(code)), float(self.decode(code))
        if kind in ("NaN", "infinity"):
            where = {
                "ieee": f"E all ones, M {'=' if kind == 'infinity' else '≠'} 0",
                "fn": "all ones",
                "fnuz": "the code that −0 would have",
            }[self.specials]
            return f"{heading}\n{where}: {kind if kind == 'NaN' else f'{x:+}'}"
        hidden = int(kind != "subnormal" and kind != "zero")
        field = exponent if hidden or not self.subnormals else 1
        power, units = field - self.bias, 2**self.mantissa_bits
        sign_factor = (f"(−1)^{sign} · ", "−1 · " if sign else "+1 · ") if self.signed else ("", "")
        fraction = f"({hidden} + {mantissa}/{units})"
        note = "" if hidden else f"   E = 0: {'zero' if x == 0 else 'subnormal, no hidden one'}"
        return "\n".join(
            [
                heading,
                f"x = {sign_factor[0]}2^({field} − {self.bias}) · {fraction}{note}",
                f"  = {sign_factor[1]}2^{power} · {_exact(hidden + mantissa / units)}",
                f"  = {_exact(x)}",
            ]
        )

    def _spaced(self, code: int) -> str:
        """The bits of a code, its fields apart."""
        bits, m = f"{code:0{self.bits}b}", self.mantissa_bits
        fields = (bits[: self.signed], bits[self.signed : self.bits - m], bits[self.bits - m :])
        return " ".join(field for field in fields if field)

    # At the door

    def _check_codes(self, codes: Any) -> np.ndarray:
        return _checks.as_codes(codes, self.name, self.bits, 2**self.bits)

    def _refuse_what_has_no_code(self, x: np.ndarray) -> None:
        if self.has_nan or x.size == 0:
            return
        x = x.astype(np.float32) if x.dtype.type.__module__ == "ml_dtypes" else x
        with np.errstate(invalid="ignore"):  # signalling NaNs
            least = x.min()  # NaN if there is one
        if np.isnan(least) or (least < 0 and not self.signed):
            wrong, what = np.isnan(x), "NaN"
            if not wrong.any():
                wrong, what = x < 0, "negative numbers"
            raise ValueError(
                f"{self.name} has no code for {what}; got {_checks.first_wrong(x, wrong)}; "
                "replace them first, or choose a format with NaN"
            )


def _round_count(
    count: np.ndarray, negative: np.ndarray, rounding: str, rng: np.random.Generator | None
) -> np.ndarray:
    """Round magnitudes, counted in units of the last place, to whole units."""
    if rounding == "nearest_even":
        return np.rint(count)
    floor = np.floor(count)
    rest = count - floor  # exact
    if rounding == "nearest_away":
        return floor + (rest >= 0.5)
    if rounding == "up":
        return floor + ((rest > 0) & ~negative)
    if rounding == "down":
        return floor + ((rest > 0) & negative)
    if rounding == "stochastic":
        assert rng is not None
        return floor + (rng.random(count.shape) < rest)
    return floor  # toward zero


def _exact(x: float) -> str:
    """Every digit of x, or, where these are more than a line, the nearest decimal and n·2^k."""
    digits = format(Decimal(x), "f")
    if len(digits) <= 60:
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    numerator, denominator = x.as_integer_ratio()
    zeros = (numerator & -numerator).bit_length() - 1
    power = zeros - (denominator.bit_length() - 1)
    return f"{numerator >> zeros}·2^{power} ≈ {x!r}"


# The fast paths: the definitions above, tabulated


@functools.lru_cache(maxsize=64)
def _decode_table(fmt: FloatFormat, dtype: np.dtype) -> np.ndarray:
    """The value of every code; for a byte to float32, of every pair of codes, as complex64."""
    with np.errstate(invalid="ignore"):
        values = fmt._decode_definition(np.arange(2**fmt.bits, dtype=np.uint64)).astype(dtype)
    return _tables.pair_table(values) if fmt.bits <= 8 and dtype == np.float32 else values


def _cast_to_half(x: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(over="ignore", under="ignore"):
        out[...] = x.astype(np.float16).view(np.uint16)
    nan = np.isnan(x)  # the payloads of these are ours
    if nan.any():
        out[nan] = FP16._encode_definition(x[nan].astype(np.float64), "nearest_even", "special")


@functools.lru_cache(maxsize=64)
def _lookup(
    fmt: FloatFormat, rounding: str, overflow: str
) -> Callable[[np.ndarray, np.ndarray], None] | None:
    """Encoding of float32 by a table over their upper 16 bits; None if the format is too fine.

    Where the table does not serve (infinity beside NaN, −0 without a code) its entry gives a mark,
    and marked numbers go through the definition.
    """
    if fmt.bits > 16 or fmt.mantissa_bits > 7:
        return None
    shift = 32 - 8 * fmt.code_dtype.itemsize
    mark = fmt._nan_code if fmt.has_nan else 2 ** (32 - shift) - 1

    def define(bits: np.ndarray) -> np.ndarray:
        x = bits.view(np.float32)
        x = x if fmt.has_nan else np.where(np.isnan(x), np.float32(0), x)  # refused at the door
        with np.errstate(invalid="ignore"):
            return fmt._encode_definition(x.astype(np.float64), rounding, overflow).astype("u4")

    table = _tables.carry_table(define, shift, mark)[0]

    def lookup(x: np.ndarray, out: np.ndarray) -> None:
        bits = x.view(np.uint32)
        codes = table.take((bits >> 16).astype(np.intp), mode="clip")
        codes += bits
        codes >>= shift
        out[...] = codes
        marked = out == mark
        if marked.any():
            x = x[marked].astype(np.float64)
            out[marked] = fmt._encode_definition(x, rounding, overflow)

    return lookup


FP64 = FloatFormat("FP64", exponent_bits=11, mantissa_bits=52)
FP32 = FloatFormat("FP32", exponent_bits=8, mantissa_bits=23)
TF32 = FloatFormat("TF32", exponent_bits=8, mantissa_bits=10)  # 19 bits, kept in a 32-bit word
BF16 = FloatFormat("BF16", exponent_bits=8, mantissa_bits=7)
FP16 = FloatFormat("FP16", exponent_bits=5, mantissa_bits=10)
E5M2 = FloatFormat("FP8 E5M2", exponent_bits=5, mantissa_bits=2)
E4M3 = FloatFormat("FP8 E4M3", exponent_bits=4, mantissa_bits=3, specials="fn")
E4M3_IEEE = FloatFormat("FP8 E4M3 IEEE", exponent_bits=4, mantissa_bits=3)
E4M3FNUZ = FloatFormat("FP8 E4M3FNUZ", exponent_bits=4, mantissa_bits=3, specials="fnuz")
E5M2FNUZ = FloatFormat("FP8 E5M2FNUZ", exponent_bits=5, mantissa_bits=2, specials="fnuz")
E4M3B11FNUZ = FloatFormat("FP8 E4M3B11FNUZ", 4, 3, bias=11, specials="fnuz")
E3M4 = FloatFormat("FP8 E3M4", exponent_bits=3, mantissa_bits=4)
E3M2 = FloatFormat("FP6 E3M2", exponent_bits=3, mantissa_bits=2, specials="finite")
E2M3 = FloatFormat("FP6 E2M3", exponent_bits=2, mantissa_bits=3, specials="finite")
E2M1 = FP4 = FloatFormat("FP4 E2M1", exponent_bits=2, mantissa_bits=1, specials="finite")
E8M0 = FloatFormat("E8M0", 8, 0, specials="fn", signed=False, subnormals=False)

FORMATS = (
    *(FP64, FP32, TF32, BF16, FP16),
    *(E5M2, E4M3, E4M3_IEEE, E4M3FNUZ, E5M2FNUZ, E4M3B11FNUZ, E3M4),
    *(E3M2, E2M3, E2M1, E8M0),
)

# The formats that NumPy has itself: their codes are a view of the array
_NATIVE = {FP64: np.float64, FP32: np.float32, FP16: np.float16}

"""The exercises of chapter 01, bits to numbers."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise, short
from quantedu.formats import E4M3FNUZ, FP16, FloatFormat


def _each(arguments: Iterable[Any]) -> list[tuple]:
    return [(argument,) for argument in arguments]


def _in_hex(digits: int) -> Callable[[Any], str]:
    """How the chapter writes codes, 0x7C00 or 0x7F; anything else as it is."""

    def show(value: Any) -> str:
        is_code = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return f"0x{value:0{digits}X}" if is_code and value >= 0 else short(value)

    return show


# 1


def _power_of_two_spec(k: int) -> int:
    """Look through all positive codes for the one that means 2^k."""
    return int(np.flatnonzero(FP16.values()[:0x7C00] == 2.0**k)[0])


encode_power_of_two = Exercise(
    name="encode_power_of_two",
    spec=_power_of_two_spec,
    cases=lambda rng: _each([0, 1, -1, 15, -14, -15, -24, *range(-24, 16)]),
    hints=(
        "A power of two is 1.000… · 2^k. What does that make of M, and which E gives 2^(E − 15)?",
        "E = k + 15 goes into bits 10 to 14: shift it. That is right down to k = −14, where E = 1.",
        "Below that E = 0, and the number is M units of 2^-24. M = 1 is 2^-24; what is 2^-23?",
    ),
    model="""
    def encode_power_of_two(k):
        if k >= -14:
            return (k + 15) << 10  # normal: the hidden one is all there is, M = 0
        return 1 << (k + 24)  # subnormal: M counts units of 2^-24
    """,
)


# 2


def _last_integer_spec(mantissa_bits: int) -> int:
    """Count upward until an integer does not survive."""
    fmt = FloatFormat("wide", exponent_bits=8, mantissa_bits=mantissa_bits)
    n = 0
    while fmt.round(n + 1) == n + 1:
        n += 1
    return n


last_integer = Exercise(
    name="last_integer",
    spec=_last_integer_spec,
    cases=lambda rng: _each([3, 2, 1, 5, 8, 10]),
    hints=(
        "With the hidden one, how many binary digits does a number have? What is the largest "
        "integer that can be written with so many?",
        "Three mantissa bits are four digits: up to 1111₂ = 15 all is well. And 16 = 10000₂ has "
        "five digits; but is its last digit needed? And that of 17?",
    ),
    model="""
    def last_integer(mantissa_bits):
        digits = mantissa_bits + 1  # the hidden one counts
        return 2**digits  # itself a power of two, so it fits; one more needs digits + 1 digits
    """,
)


# 3


def _next_up_spec(code: int) -> int:
    """Take the smallest of all numbers above this one."""
    values = FP16.values()
    if np.isnan(values[code]) or values[code] == np.inf:
        return code
    above = np.flatnonzero(values > values[code])
    return int(above[np.argmin(values[above])])


def _same_number(expected: int, got: Any) -> bool:
    """Two codes that mean the same: either zero, any NaN."""
    if isinstance(got, np.ndarray) and got.ndim == 0:
        got = got[()]
    if isinstance(got, bool) or not isinstance(got, (int, np.integer)) or not 0 <= got < 2**16:
        return False
    return bool(np.array_equal(FP16.decode(expected), FP16.decode(int(got)), equal_nan=True))


_SEAMS = [0x3C00, 0x03FF, 0x7BFF, 0x0000, 0x8000, 0xBC00, 0x8001, 0xFC00, 0x7C00, 0x7E00, 0xFE00]

next_up = Exercise(
    name="next_up",
    spec=_next_up_spec,
    cases=lambda rng: _each([*_SEAMS, *(int(code) for code in rng.integers(0, 2**16, 200))]),
    hints=(
        "Among positive codes, up is + 1. Negative codes hold a magnitude, and up means a smaller "
        "magnitude.",
        "Four cases: NaN (E all ones, M ≠ 0) and +infinity stay; a zero of either sign gives 1; "
        "sign 0 gives code + 1; sign 1 gives code − 1.",
    ),
    model="""
    def next_up(code):
        magnitude = code & 0x7FFF
        if magnitude > 0x7C00 or code == 0x7C00:  # NaN, +infinity
            return code
        if magnitude == 0:  # +0 and -0 have the same number above them
            return 1
        return code - 1 if code & 0x8000 else code + 1
    """,
    agree=_same_number,
    show=_in_hex(4),
)


# 4


def _sort_key_spec(codes: np.ndarray) -> np.ndarray:
    """Rank each number among those that occur."""
    return np.unique(FP16.decode(codes), return_inverse=True)[1].reshape(codes.shape)


def _same_order(ranks: np.ndarray, got: Any) -> bool:
    """Whether the keys are integers that go up where the ranks do."""
    got = np.asarray(got)
    if got.shape != ranks.shape or got.dtype.kind not in "iu":
        return False
    highest = [int(got[ranks == rank].max()) for rank in range(ranks.max() + 1)]
    lowest = [int(got[ranks == rank].min()) for rank in range(ranks.max() + 1)]
    return all(below < above for below, above in zip(highest, lowest[1:]))


def _sort_key_cases(rng: np.random.Generator) -> list[tuple]:
    few = [0x3C00, 0xBC00, 0x4000, 0xC000], [0x0000, 0x8000, 0x0001, 0x8001, 0x7C00, 0xFC00]
    numbers = np.flatnonzero(~np.isnan(FP16.values()))
    many = [rng.choice(numbers, size=200) for _ in range(5)]
    return _each(np.array(codes, dtype=np.uint16) for codes in (*few, *many))


sort_key = Exercise(
    name="sort_key",
    spec=_sort_key_spec,
    cases=_sort_key_cases,
    hints=(
        "Sign 0: the code itself already sorts. Sign 1: the code without its sign bit is a "
        "magnitude; what must happen to it for larger magnitudes to come first?",
        "Use magnitude = codes & 0x7FFF, and minus it where the sign is set. Mind the dtype: "
        "uint16 has no negative numbers, so convert first, codes.astype(np.int32).",
    ),
    model="""
    import numpy as np

    def sort_key(codes):
        codes = codes.astype(np.int32)
        magnitude = codes & 0x7FFF
        return np.where(codes & 0x8000, -magnitude, magnitude)
    """,
    agree=_same_order,
)


# 5


def _decode_fnuz_spec(code: int) -> float:
    """The definition, in exact fractions."""
    if code == 0x80:
        return float("nan")
    sign, exponent, mantissa = (int(field) for field in E4M3FNUZ.split(code))
    hidden = 1 if exponent else 0
    x = Fraction(2) ** (max(exponent, 1) - 8) * (hidden + Fraction(mantissa, 8))
    return float(-x if sign else x)


decode_fnuz = Exercise(
    name="decode_fnuz",
    spec=_decode_fnuz_spec,
    cases=lambda rng: _each([0x40, 0xC0, 0x08, 0x07, 0x01, 0x00, 0x7F, 0xFF, 0x80, *range(256)]),
    hints=(
        "Fields first: S = code >> 7, E = (code >> 3) & 0b1111, M = code & 0b111. Then the two "
        "formulas, for E = 0 and for E > 0, with bias 8.",
        "There is no exception at the top: E = 15 is an exponent like any other. The one exception "
        "is code 0x80: return float('nan').",
    ),
    model="""
    def decode_fnuz(code):
        if code == 0x80:
            return float("nan")
        S, E, M = code >> 7, (code >> 3) & 0b1111, code & 0b111
        x = 2.0 ** (E - 8) * (1 + M / 8) if E > 0 else 2.0 ** (1 - 8) * (M / 8)
        return -x if S else x
    """,
    show=_in_hex(2),
)

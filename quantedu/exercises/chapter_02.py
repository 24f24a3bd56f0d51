"""Exercises of chapter 02, which format for which job."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise, close
from quantedu.formats import BF16, FloatFormat


def _float32(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def _largest_finite_spec(exponent_bits: int, mantissa_bits: int) -> float:
    """Go down from the code of infinity by one."""
    fmt = FloatFormat("IEEE", exponent_bits, mantissa_bits)
    infinity = (2**exponent_bits - 1) << mantissa_bits
    return float(fmt.decode(infinity - 1))


def _largest_finite_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(5, 10), (5, 2), (8, 7), (8, 23), (4, 3), (3, 4), (2, 1), (8, 10), (6, 9)]


largest_finite = Exercise(
    "largest_finite",
    _largest_finite_spec,
    _largest_finite_cases,
    hints=(
        "The exponent field of all ones means infinity, so the largest number has the field one "
        "below it, and a mantissa of all ones.",
        "With e exponent bits the bias is 2^(e−1) − 1 and the largest field 2^e − 2: what is left "
        "when you subtract the one from the other?",
        "The power of two is 2^(2^(e−1) − 1); the mantissa of all ones makes it 2 − 2^−m times "
        "as large.",
    ),
    model="""
    def largest_finite(exponent_bits, mantissa_bits):
        bias = 2 ** (exponent_bits - 1) - 1
        largest_exponent = (2**exponent_bits - 2) - bias
        return (2 - 2.0**-mantissa_bits) * 2.0**largest_exponent
    """,
)


def _round_to_bf16_spec(x: np.ndarray) -> np.ndarray:
    """Take the nearest of all numbers of BF16, one by one; infinity stands where 2^128 would."""
    codes = np.arange(0x7F81)  # from 0 up to infinity
    grid = np.append(BF16.decode(codes[:-1]), 2.0**128)
    result = []
    for value in x.astype(np.float64).ravel():
        distance = np.abs(grid - min(abs(value), 2.0**128))
        nearest = codes[distance == distance.min()]
        code = next(c for c in nearest if c % 2 == 0) if len(nearest) == 2 else nearest[0]
        result.append(np.copysign(BF16.decode(code), value))
    return np.array(result, dtype=np.float32).reshape(x.shape)


def _round_to_bf16_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (_float32([1.0, -2.5, 0.0, -0.0]),)
    yield (_float32([1 / 3, 0.1, 1.005, -1.003]),)
    yield (_float32([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, -1 - 3 * 2**-8]),)  # ties
    yield (_float32([10**6, 255.7, 3e38, 3.4e38, np.inf, -np.inf]),)
    yield (_float32([1e-40, -1e-45, 2**-126]),)
    yield (rng.standard_normal((4, 8)).astype(np.float32),)


round_to_bf16 = Exercise(
    "round_to_bf16",
    _round_to_bf16_spec,
    _round_to_bf16_cases,
    hints=(
        "x.view(np.uint32) shows the bits of a float32 array. The upper 16 are those of a BF16 "
        "number; cutting off the lower 16 is `bits & 0xFFFF0000`, rounding toward zero.",
        "Adding 0x8000 before cutting carries into the upper half exactly when the lower half is "
        "at least one half: ties go away from zero. That is nearly it.",
        "Add 0x7FFF plus the lowest bit that stays, (bits >> 16) & 1: then a tie carries only "
        "where that bit is 1. A carry out of the mantissa raises the exponent, as it should.",
    ),
    model="""
    import numpy as np

    def round_to_bf16(x):
        bits = x.view(np.uint32)
        lowest_kept = (bits >> 16) & 1
        rounded = (bits + 0x7FFF + lowest_kept) & 0xFFFF0000
        return rounded.astype(np.uint32).view(np.float32)
    """,
)


def _stochastic_round_spec(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    result = []
    for value, draw in zip(x, u, strict=True):
        below = value // 1
        result.append(below + 1 if draw < value - below else below)
    return np.array(result)


def _stochastic_round_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.0, 0.2, 0.25, 0.9])
    yield np.array([3.0, -2.0, 0.0]), np.array([0.0, 0.0, 0.5])
    yield np.array([-0.25, -0.25, -2.75, -2.75]), np.array([0.1, 0.8, 0.1, 0.8])
    yield rng.uniform(-4, 4, 20), rng.random(20)


stochastic_round = Exercise(
    "stochastic_round",
    _stochastic_round_spec,
    _stochastic_round_cases,
    hints=(
        "np.floor gives the integer below, for negative numbers too. How far above it is x?",
        "That distance is the probability of going up; u is below it with just that probability.",
        "below = np.floor(x), then add 1 wherever u < x - below. True counts as 1.",
    ),
    model="""
    import numpy as np

    def stochastic_round(x, u):
        below = np.floor(x)
        return below + (u < x - below)
    """,
    agree=close,
)


def _design_format_spec(largest: float, relative_error: float) -> tuple[int, int]:
    """Widen the mantissa until it is fine enough, then the exponent until it reaches."""
    fine = (m for m in range(1, 24) if FloatFormat("IEEE", 8, m).epsilon / 2 <= relative_error)
    mantissa_bits = next(fine)
    far = (e for e in range(2, 9) if FloatFormat("IEEE", e, mantissa_bits).max >= largest)
    return next(far), mantissa_bits


def _design_format_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(100, 0.05), (1000, 0.01), (65504, 2**-11), (65505, 2**-11), (240, 1 / 16)]
    yield from [(241, 1 / 16), (3e38, 1 / 256), (5, 0.3), (6, 1 / 4)]
    for _ in range(8):
        yield round(float(10 ** rng.uniform(0, 30))), float(f"{10 ** rng.uniform(-6, -1):.1g}")


design_format = Exercise(
    "design_format",
    _design_format_spec,
    _design_format_cases,
    hints=(
        "The two demands part: the relative error asks for mantissa bits only, the largest number "
        "for exponent bits (and hardly for mantissa bits).",
        "m bits give the relative error 2^−(m+1) at most. Count m up from 1 until that is small "
        "enough.",
        "Then count the exponent bits up from 2 until largest_finite(e, m) of the first exercise "
        "is at least `largest`. Both comparisons may be equal.",
    ),
    model="""
    def design_format(largest, relative_error):
        exponent_bits, mantissa_bits = 2, 1
        while 2.0 ** -(mantissa_bits + 1) > relative_error:
            mantissa_bits += 1
        while (2 - 2.0**-mantissa_bits) * 2.0 ** (2 ** (exponent_bits - 1) - 1) < largest:
            exponent_bits += 1
        return exponent_bits, mantissa_bits
    """,
)


def _steady_sum_spec(x: np.ndarray) -> np.float16:
    """Add in a far finer format."""
    return np.float16(np.sum(x, dtype=np.float64))


def _steady_sum_cases(rng: np.random.Generator) -> Iterator[tuple]:
    for n in (1, 2, 3, 7, 1000, 10_000):
        yield (rng.random(n).astype(np.float16),)
    yield (np.full(4097, 0.5, dtype=np.float16),)


def _within_one_percent_in_float16(expected: float, got: Any) -> bool:
    is_float16 = getattr(got, "dtype", None) == np.float16 and np.ndim(got) == 0
    return bool(is_float16 and abs(float(got) - expected) <= 0.01 * abs(expected))


steady_sum = Exercise(
    "steady_sum",
    _steady_sum_spec,
    _steady_sum_cases,
    hints=(
        "The addends vanish because the total is so much larger than they are. Could you add "
        "numbers of about the same size to each other?",
        "Add neighbours: x[0::2] + x[1::2] is half as long, and has the same sum. Repeat until "
        "one number is left. An odd length needs a zero at the end.",
        "Or carry along what each addition loses (Kahan): y = value − lost; new = total + y; "
        "lost = (new − total) − y; total = new.",
    ),
    model="""
    import numpy as np

    def steady_sum(x):
        while len(x) > 1:
            if len(x) % 2:
                x = np.append(x, np.float16(0))
            x = x[0::2] + x[1::2]
        return x[0]
    """,
    agree=_within_one_percent_in_float16,
)

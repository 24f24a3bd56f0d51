"""Exercises of chapter 03, round, scale and zero-point."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise, close, same


def _quantize_int8_spec(x: np.ndarray) -> tuple[np.ndarray, float]:
    """One number after the other."""
    scale = max((abs(value) for value in x.tolist()), default=0.0) / 127
    codes = [round(value / scale) if scale else 0 for value in x.tolist()]
    return np.array(codes, dtype=np.int8), scale


def _quantize_int8_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (np.array([1.0, -0.5, 0.25]),)
    yield (np.array([-12.7, 0.06, 0.17, 3.0]),)  # the largest magnitude is negative
    yield (np.array([127.0, 0.5, 1.5, 2.5, -0.5, -1.5]),)  # ties
    yield (np.zeros(4),)
    for _ in range(6):
        yield (rng.standard_normal(20) * 10.0 ** rng.integers(-6, 6),)


def _codes_and_scale(expected: Any, got: Any) -> bool:
    if not (isinstance(got, tuple) and len(got) == 2):
        return False
    codes, scale = got
    is_int8 = getattr(codes, "dtype", None) == np.int8
    return is_int8 and same(expected[0], codes) and close(expected[1], scale)


quantize_int8 = Exercise(
    "quantize_int8",
    _quantize_int8_spec,
    _quantize_int8_cases,
    hints=(
        "The scale is the largest magnitude divided by 127. Which number of x has the largest "
        "magnitude? It may be negative.",
        "np.rint rounds, ties to even, and gives floats; .astype(np.int8) makes the codes. A "
        "cast without np.rint cuts the fraction off.",
        "Where the scale is 0, divide by 1 instead: every code is 0 then. The result is a tuple, "
        "return codes, scale.",
    ),
    model="""
    import numpy as np

    def quantize_int8(x):
        scale = np.abs(x).max() / 127
        codes = np.rint(x / (scale or 1)).astype(np.int8)
        return codes, scale
    """,
    agree=_codes_and_scale,
)


def _affine_spec(x: np.ndarray, bits: int) -> tuple[float, int]:
    """Widen the range to hold 0; the zero-point is how many whole steps lie below 0."""
    low, high = min([0.0, *x.tolist()]), max([0.0, *x.tolist()])
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale) if scale else 0


def _affine_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([-1.0, 2.0]), 4
    yield np.array([-0.5, 0.0, 3.4]), 8
    yield np.array([10.5, 12.0, 14.0]), 4
    yield np.array([-14.0, -12.0, -10.5]), 4
    yield np.array([3.0, 3.0]), 8
    yield np.zeros(3), 8
    for bits in (2, 4, 8):
        yield rng.uniform(-1, 3, 20), bits
        yield rng.uniform(5, 6, 20), bits
        yield rng.uniform(-6, -5, 20), bits


def _scale_and_zero_point(expected: Any, got: Any) -> bool:
    if not (isinstance(got, tuple) and len(got) == 2):
        return False
    return close(expected[0], got[0]) and same(expected[1], got[1])


affine = Exercise(
    "affine",
    _affine_spec,
    _affine_cases,
    hints=(
        "Before anything else widen the range: low = min(x.min(), 0), high = max(x.max(), 0).",
        "There are 2^bits − 1 steps between the lowest and the highest code, so that is what the "
        "width of the range is divided by.",
        "low must become the code 0, so the zero-point is rint(−low/scale), as an int. With "
        "scale 0 there is nothing to divide: return 0.0, 0.",
    ),
    model="""
    import numpy as np

    def affine(x, bits):
        low, high = min(x.min(), 0), max(x.max(), 0)
        if high == low:
            return 0.0, 0
        scale = (high - low) / (2**bits - 1)
        return scale, int(np.rint(-low / scale))
    """,
    agree=_scale_and_zero_point,
)


def _integer_dot_spec(q: np.ndarray, zero_point: int, p: np.ndarray) -> int:
    """In Python's own integers, which do not wrap around."""
    return sum((a - zero_point) * b for a, b in zip(q.tolist(), p.tolist(), strict=True))


def _integer_dot_cases(rng: np.random.Generator) -> Iterator[tuple]:
    for q, zero_point, p in (
        ([1, 2], 0, [3, -1]),
        ([5, 5, 0], 5, [7, -7, 1]),
        ([255, 0], 128, [127, -127]),
        ([255] * 300, 0, [127] * 300),  # beyond 16 bits
    ):
        yield np.array(q, dtype=np.uint8), zero_point, np.array(p, dtype=np.int8)
    for n in (8, 64, 1000):
        codes, weights = rng.integers(0, 256, n), rng.integers(-127, 128, n)
        yield codes.astype(np.uint8), int(rng.integers(256)), weights.astype(np.int8)


integer_dot = Exercise(
    "integer_dot",
    _integer_dot_spec,
    _integer_dot_cases,
    hints=(
        "uint8 minus an int stays uint8 in NumPy: 3 − 5 becomes 254. And the sum needs more room "
        "than a code does.",
        "Make both wider before anything else: q.astype(np.int32), p.astype(np.int32).",
        "np.dot(q.astype(np.int32) - zero_point, p.astype(np.int32)). Hardware does it in another "
        "order, Σ q·p − z·Σ p: the second sum does not depend on q and is computed once.",
    ),
    model="""
    import numpy as np

    def integer_dot(q, zero_point, p):
        q, p = q.astype(np.int32), p.astype(np.int32)
        return np.dot(q, p) - zero_point * p.sum()
    """,
)


def _errors_of_clips(x: np.ndarray, bits: int) -> list[float]:
    """Mean squared error for k = 1 … 100."""
    highest = 2 ** (bits - 1) - 1
    whole = float(np.abs(x).max()) / highest
    errors = []
    for k in range(1, 101):
        scale = whole * k / 100
        codes = np.clip(np.rint(x / scale), -highest, highest)
        errors.append(float(np.mean((scale * codes - x) ** 2)))
    return errors


def _best_clip_spec(x: np.ndarray, bits: int) -> int:
    errors = _errors_of_clips(x, bits)
    return max(k for k in range(1, 101) if errors[k - 1] == min(errors))


def _best_clip_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([7.0, -3.0, 1.0]), 4  # all on the levels: nothing to gain
    yield np.array([1.0, -0.9, 0.8, -1.0, 3.1, 0.9, 1.1]), 3
    for bits in (2, 3, 4, 6):
        for x in (rng.standard_normal(300), rng.random(300), rng.standard_t(3, 300)):
            least, second = sorted(_errors_of_clips(x, bits))[:2]
            if not math.isclose(least, second, rel_tol=1e-6):  # not decided by the last digits
                yield x, bits


best_clip = Exercise(
    "best_clip",
    _best_clip_spec,
    _best_clip_cases,
    hints=(
        "A loop over k: scale, codes, x̂, mean squared error. The highest code is 2^(bits−1) − 1.",
        "np.clip(np.rint(x / scale), -highest, highest) keeps the codes in range; without it "
        "nothing is clipped, and the smallest scale would always win.",
        "Go from k = 100 down and replace the best only where the error is smaller: then the "
        "largest of equal ones stays.",
    ),
    model="""
    import numpy as np

    def best_clip(x, bits):
        highest = 2 ** (bits - 1) - 1

        def error(k):
            scale = k / 100 * np.abs(x).max() / highest
            codes = np.clip(np.rint(x / scale), -highest, highest)
            return np.mean((scale * codes - x) ** 2)

        return min(range(100, 0, -1), key=error)
    """,
)

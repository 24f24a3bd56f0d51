"""Exercises of chapter 06, where zero goes in a map of sixteen levels."""

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise


def _close(expected: Any, got: Any) -> bool:
    """The same numbers in the same places, up to what float32 would round."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=1e-6)
    except (TypeError, ValueError):
        return False


def _split_spec(bits: int, way: str) -> list[int]:
    """Hand the codes out one by one: first to zero, then to the two sides by turns."""
    zeros = {"symmetric": 2, "asymmetric": 1, "no zero": 0}[way]
    counts = [0, zeros, 0]
    for i in range(2**bits - zeros):
        counts[2 if i % 2 == 0 else 0] += 1
    return counts


def _split_cases(rng: np.random.Generator) -> Iterator[tuple]:
    for bits in (4, 2, 3, 8):
        for way in ("symmetric", "asymmetric", "no zero"):
            yield bits, way


split = Exercise(
    "split",
    _split_spec,
    _split_cases,
    hints=(
        "How many codes does zero get in each of the three ways? The rest is shared between the "
        "two sides.",
        "The rest is 2**bits minus 2, 1 or 0. If it is odd, one side gets one more: NF4's way is "
        "to give it to the positive side.",
        "negative = rest // 2 and positive = rest - negative serve all three.",
    ),
    model="""
    def split(bits, way):
        zeros = {"symmetric": 2, "asymmetric": 1, "no zero": 0}[way]
        rest = 2**bits - zeros
        return [rest // 2, zeros, rest - rest // 2]
    """,
)


def _zero_less_levels_spec(bits: int) -> np.ndarray:
    """The middle by area of each of 2^bits equal strips, one after the other."""
    n = 2**bits
    points = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
    return np.array([point / max(points) for point in points])


def _zero_less_levels_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(1,), (2,), (4,), (3,), (8,)]


zero_less_levels = Exercise(
    "zero_less_levels",
    _zero_less_levels_spec,
    _zero_less_levels_cases,
    hints=(
        "2**bits strips of equal area. At which areas to the left do their middles lie?",
        "At (0 + 1/2) / n, (1 + 1/2) / n, (2 + 1/2) / n and so on, with n = 2**bits.",
        "points = quantile((np.arange(n) + 0.5) / n), divided by the largest.",
    ),
    model="""
    import numpy as np
    from scipy.special import ndtri as quantile

    def zero_less_levels(bits):
        points = quantile((np.arange(2**bits) + 0.5) / 2**bits)
        return points / points[-1]
    """,
    agree=_close,
)


def _levels_in_use_spec(codes: np.ndarray, levels: np.ndarray) -> int:
    """Go through the codes, and note each number that was not met before; −0 is 0."""
    met: list[float] = []
    for code in codes:
        if not any(float(levels[code]) == number for number in met):
            met.append(float(levels[code]))
    return len(met)


def _levels_in_use_cases(rng: np.random.Generator) -> Iterator[tuple]:
    two_zeros = np.array([-1.0, 0.0, 0.0, 1.0])
    signed_zeros = np.array([0.0, 1.0, -0.0, -1.0])
    yield np.array([0, 3, 3, 0]), two_zeros
    yield np.array([1, 2, 2, 1]), two_zeros
    yield np.array([0, 2, 3, 1, 1]), signed_zeros
    yield np.array([2, 2]), signed_zeros
    yield rng.integers(0, 16, 300), np.concatenate([np.arange(8.0), -np.arange(8.0)])
    yield rng.integers(4, 12, 300), np.arange(16.0)


levels_in_use = Exercise(
    "levels_in_use",
    _levels_in_use_spec,
    _levels_in_use_cases,
    hints=(
        "Two codes may mean the same number. What do you have to count, codes or numbers?",
        "levels[codes] are the numbers. np.unique gives each one once.",
        "−0 equals 0, and np.unique counts them once too.",
    ),
    model="""
    import numpy as np

    def levels_in_use(codes, levels):
        return len(np.unique(levels[codes]))
    """,
)


def _affine_levels_spec(low: float, high: float, bits: int) -> np.ndarray:
    """One code after the other, over the range widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1)
    zero_point = round(-low / scale)
    return np.array([scale * (code - zero_point) for code in range(2**bits)])


def _affine_levels_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (-1.0, 2.0, 2)
    yield (-1.0, 1.2, 2)  # evenly spaced from -1 to 1.2 has no 0
    yield from [(0.0, 1.5, 4), (-1.0, 1.2, 4), (-0.28, 3.4, 4)]
    yield from [(2.0, 3.0, 4), (-3.0, -2.5, 3)]
    for _ in range(4):
        yield float(-rng.random()), float(rng.random()), 4


affine_levels = Exercise(
    "affine_levels",
    _affine_levels_spec,
    _affine_levels_cases,
    hints=(
        "Chapter 03 has all of it: the range, the scale, the zero-point. Code q means "
        "scale · (q − zero_point).",
        "A range of positive numbers only has to be widened down to 0 first, one of negative "
        "numbers only up to 0: else no code would mean 0.",
        "scale = (high - low) / (2**bits - 1), zero_point = round(-low / scale), and then "
        "scale * (np.arange(2**bits) - zero_point).",
    ),
    model="""
    import numpy as np

    def affine_levels(low, high, bits):
        low, high = min(low, 0), max(high, 0)
        scale = (high - low) / (2**bits - 1)
        zero_point = round(-low / scale)
        return scale * (np.arange(2**bits) - zero_point)
    """,
    agree=_close,
)

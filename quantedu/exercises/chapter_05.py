"""Exercises of chapter 05, where NF4's sixteen numbers come from."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise, close, same_integers

_NORMAL = NormalDist()


def _close_to_float32(expected: Any, got: Any) -> bool:
    """Equal up to a few float32 steps: the accidents of the published table are allowed."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=2e-6)
    except (TypeError, ValueError):
        return False


def _offset_for_spec(bits: int) -> float:
    """Half a strip from the end, for as many strips as codes and for one fewer; their mean."""
    counts = [2**bits - 1, 2**bits]
    return float(sum(1 - Fraction(1, 2 * n) for n in counts) / 2)


def _offset_for_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(4,), (3,), (2,), (5,), (8,)]


offset_for = Exercise(
    "offset_for",
    _offset_for_spec,
    _offset_for_cases,
    hints=(
        "The 15 and the 16 of NF4 come from its 4 bits. Which is which?",
        "A number of 4 bits has 2**4 codes, and one of them is the zero.",
        "With n strips the middle of the last lies at 1 - 1 / (2 * n). Take n = 2**bits - 1 and "
        "n = 2**bits, and the mean of the two.",
    ),
    model="""
    def offset_for(bits):
        return (1 - 1 / (2 * (2**bits - 1)) + 1 - 1 / (2 * 2**bits)) / 2
    """,
    agree=close,
)


def _normal_levels_spec(bits: int) -> np.ndarray:
    """One probability after the other, from the offset down to 1/2."""
    offset, half = _offset_for_spec(bits), 2 ** (bits - 1)
    levels = [0.0]
    for sign, n in ((1, half), (-1, half - 1)):
        for i in range(n):
            levels.append(sign * _NORMAL.inv_cdf(offset - i * (offset - 0.5) / n))
    return np.array(sorted(levels)) / max(levels)


def _normal_levels_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(2,), (3,), (4,), (5,), (8,)]


normal_levels = Exercise(
    "normal_levels",
    _normal_levels_spec,
    _normal_levels_cases,
    hints=(
        "normal_float(offset) of this chapter is the case bits = 4. Which of its numbers come "
        "from the 4?",
        "The 9 and the 8 are 2**(bits - 1) + 1 and 2**(bits - 1); the offset is that of the first "
        "exercise.",
        "right = quantile(np.linspace(offset, 0.5, half + 1)[:-1]) with half = 2**(bits - 1), "
        "left with half in the place of half + 1; then a zero, sort, divide by the largest.",
    ),
    model="""
    import numpy as np
    from scipy.special import ndtri as quantile

    def normal_levels(bits):
        offset = (1 - 1 / (2 * (2**bits - 1)) + 1 - 1 / (2 * 2**bits)) / 2
        half = 2 ** (bits - 1)
        right = quantile(np.linspace(offset, 0.5, half + 1)[:-1])
        left = -quantile(np.linspace(offset, 0.5, half)[:-1])
        levels = np.sort(np.concatenate([left, [0], right]))
        return levels / levels.max()
    """,
    agree=_close_to_float32,
)


def _symmetric_levels_spec(offset: float) -> np.ndarray:
    """Seven on either side, two zeros between them."""
    right = [_NORMAL.inv_cdf(offset - i * (offset - 0.5) / 7) for i in range(7)]
    return np.array([-q for q in right] + [0.0, 0.0] + right[::-1]) / right[0]


def _symmetric_levels_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(929 / 960,), (0.9,), (0.999,), (0.75,)]


symmetric_levels = Exercise(
    "symmetric_levels",
    _symmetric_levels_spec,
    _symmetric_levels_cases,
    hints=(
        "Make one half only, the one with seven numbers. The other half is its mirror image.",
        "right = quantile(np.linspace(offset, 0.5, 8)[:-1]) has seven numbers, the largest first.",
        "np.concatenate([-right, [0, 0], right[::-1]]) / right[0]",
    ),
    model="""
    import numpy as np
    from scipy.special import ndtri as quantile

    def symmetric_levels(offset):
        right = quantile(np.linspace(offset, 0.5, 8)[:-1])
        return np.concatenate([-right, [0, 0], right[::-1]]) / right[0]
    """,
    agree=_close_to_float32,
)


def _block_codes_spec(block: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Look at every level; the first of the nearest is the lower one."""
    absmax = max(abs(float(x)) for x in block)
    codes = []
    for x in block:
        u = float(x) / absmax if absmax else 0.0
        distance = [abs(u - float(level)) for level in levels]
        codes.append(distance.index(min(distance)))
    return np.array(codes)


def _block_codes_cases(rng: np.random.Generator) -> Iterator[tuple]:
    coarse = np.array([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])
    yield np.array([1.0, -1.0, 0.0, 0.5]), coarse
    yield np.array([-8.0, 0.5, 4.0, -4.0, 1.9]), coarse
    yield np.array([4.0, 0.5, 1.5, 3.0, -1.0, -3.0]), coarse  # all but the first in the middle
    yield np.zeros(4), coarse
    nf4 = _normal_levels_spec(4)
    yield rng.standard_normal(64), nf4
    yield np.append(rng.standard_normal(63) / 100, -3.0), nf4


block_codes = Exercise(
    "block_codes",
    _block_codes_spec,
    _block_codes_cases,
    hints=(
        "Three steps: the block's largest magnitude, the division, the nearest level. What does "
        "the division do with a block of nothing but zeros?",
        "np.searchsorted(midpoints, u) counts the midpoints below u, and a u on a midpoint goes "
        "to the lower level.",
        "If the largest magnitude is 0, divide by 1 instead: np.abs(block).max() or 1.",
    ),
    model="""
    import numpy as np

    def block_codes(block, levels):
        scale = np.abs(block).max() or 1
        midpoints = (levels[1:] + levels[:-1]) / 2
        return np.searchsorted(midpoints, block / scale)
    """,
    agree=same_integers,
)


def _code_shares_spec(levels: np.ndarray, absmax: float) -> np.ndarray:
    """From threshold to threshold, one area at a time."""
    shares, below = [], 0.0
    for low, high in pairwise(levels):
        up_to_here = _NORMAL.cdf(float(low + high) / 2 * absmax)
        shares.append(up_to_here - below)
        below = up_to_here
    return np.array([*shares, 1 - below])


def _code_shares_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([-1.0, 1.0]), 2.0
    yield np.array([-1.0, 0.0, 1.0]), 2.0
    yield np.array([-1.0, -0.2, 0.0, 0.5, 1.0]), 1.5
    nf4 = _normal_levels_spec(4)
    yield from [(nf4, 1.85), (nf4, 2.55), (nf4, 3.8)]


def _close_shares(expected: Any, got: Any) -> bool:
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=1e-9)
    except (TypeError, ValueError):
        return False


code_shares = Exercise(
    "code_shares",
    _code_shares_spec,
    _code_shares_cases,
    hints=(
        "A code gets all that lies between the midpoint on its left and the midpoint on its "
        "right. Areas know how much that is.",
        "The midpoints are those of the levels times absmax, in σ. To the left of the first code "
        "and to the right of the last there is no midpoint, there is the rest of the curve.",
        "Areas up to the midpoints, with a 0 before and a 1 behind: np.diff gives the shares.",
    ),
    model="""
    import numpy as np
    from scipy.special import ndtr as area

    def code_shares(levels, absmax):
        midpoints = (levels[1:] + levels[:-1]) / 2 * absmax
        return np.diff(np.concatenate([[0], area(midpoints), [1]]))
    """,
    agree=_close_shares,
)

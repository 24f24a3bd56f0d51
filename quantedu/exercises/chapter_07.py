"""Exercises of chapter 07, how low we can go."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from quantedu.exercises.exercise import Exercise, close


def _best_scale_spec(w: np.ndarray, levels: np.ndarray) -> float:
    """Σ w·b / Σ b², summed one pair at a time; 0 where nothing is left."""
    above = below = 0.0
    for value, level in zip(w, levels, strict=True):
        above += float(value) * float(level)
        below += float(level) ** 2
    return above / below if below else 0.0


def _best_scale_cases(rng: np.random.Generator) -> Iterator[tuple]:
    w = np.array([0.9, -0.4, 0.3, -0.2])
    yield w, np.sign(w)
    yield w, np.array([1.0, 0.0, 0.0, 0.0])
    yield w, np.array([1.0, -0.5, 0.25, -0.25])
    yield np.array([1.0, 2.0, 3.0]), np.array([-1.0, 1.0, 1.0])
    yield w, np.zeros(4)
    x = rng.standard_normal(64)
    yield x, np.rint(np.clip(x, -1, 1))


best_scale = Exercise(
    "best_scale",
    _best_scale_spec,
    _best_scale_cases,
    hints=(
        "Write the squared error as a parabola in the scale, as the chapter did for signs. What "
        "stands in the place of n, and what in the place of the sum of magnitudes?",
        "The error is the sum of w² − 2·scale·(w·b) + scale²·b². Its lowest point is where the "
        "derivative is 0. And if all levels are 0, any scale will do: take 0.",
        "np.sum(w * levels) / np.sum(levels**2), unless the second sum is 0.",
    ),
    model="""
    import numpy as np

    def best_scale(w, levels):
        squares = np.sum(levels**2)
        return np.sum(w * levels) / squares if squares else 0.0
    """,
    agree=close,
)


def _twn_spec(w: np.ndarray) -> np.ndarray:
    """The mean magnitude; what exceeds 0.7 of it; the mean of that; one weight at a time."""
    magnitudes = [abs(float(value)) for value in w]
    cut = 0.7 * sum(magnitudes) / len(magnitudes)
    kept = [m for m in magnitudes if m > cut]
    scale = sum(kept) / len(kept) if kept else 0.0
    return np.array([(scale if v > 0 else -scale) if abs(v) > cut else 0.0 for v in w])


def _twn_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (np.array([4.0, -2.0, 1.0, -0.2]),)
    yield (np.array([4.0, -2.0, 1.45, -0.55]),)  # the cut lies below half the scale
    yield (np.array([-1.0, -1.0, 3.0, 0.0, 0.0]),)
    yield (np.zeros(3),)
    yield (rng.standard_normal(50),)
    yield (rng.laplace(size=50) * 1e-3,)


ternary = Exercise(
    "ternary",
    _twn_spec,
    _twn_cases,
    hints=(
        "Three steps: the cut, which weights exceed it, the scale of those.",
        "The cut is 0.7 times the mean magnitude of all weights, the scale is the mean magnitude "
        "of those beyond the cut alone. Mind the mean of nothing, where all weights are 0.",
        "large = np.abs(w) > 0.7 * np.abs(w).mean(), then np.sign(w) * large * scale, with "
        "scale = np.abs(w[large]).mean() if large.any() else 0.0.",
    ),
    model="""
    import numpy as np

    def ternary(w):
        large = np.abs(w) > 0.7 * np.abs(w).mean()
        scale = np.abs(w[large]).mean() if large.any() else 0.0
        return np.sign(w) * large * scale
    """,
    agree=close,
)


def _nearest_power_spec(w: np.ndarray, lowest: int) -> np.ndarray:
    """Go up from the lowest power while |w| is beyond √2 times it; compared as squares, exactly."""
    found = []
    for value in w:
        magnitude, power = abs(Fraction(float(value))), Fraction(1, 2**-lowest)
        while power < 1 and magnitude**2 > 2 * power**2:
            power *= 2
        found.append(float(power if value > 0 else -power))
    return np.array(found)


def _nearest_power_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([1.0, 0.5, -0.25]), -6
    yield np.array([0.7, 0.72, -0.7, -0.72]), -6  # the middle lies at 0.7071, not at 0.75
    yield np.array([0.3, -0.36, 0.002, 3.0]), -3
    yield rng.uniform(-1, 1, 60), -6
    yield np.exp(rng.uniform(-8, 1, 60)), -7


nearest_power = Exercise(
    "nearest_power",
    _nearest_power_spec,
    _nearest_power_cases,
    hints=(
        "Nearest in the logarithm: which function turns a power of two into its exponent?",
        "Round log2 of the magnitude, keep the exponent between lowest and 0, and give the "
        "number its sign back.",
        "k = np.clip(np.rint(np.log2(np.abs(w))), lowest, 0), then np.sign(w) * 2.0**k.",
    ),
    model="""
    import numpy as np

    def nearest_power(w, lowest):
        k = np.clip(np.rint(np.log2(np.abs(w))), lowest, 0)
        return np.sign(w) * 2.0**k
    """,
    agree=close,
)


def _lloyd_round_spec(x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Each value goes to its nearest level, each level to the mean of its values."""
    own: list[list[float]] = [[] for _ in levels]
    for value in x:
        distance = [abs(float(value) - float(level)) for level in levels]
        own[distance.index(min(distance))].append(float(value))
    moved = [sum(values) / len(values) if values else None for values in own]
    return np.array([old if new is None else new for old, new in zip(levels, moved, strict=True)])


def _lloyd_round_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([0.0, 1.0, 1.5, 5.0, 6.0, 10.0]), np.array([0.0, 6.0])
    yield np.array([-1.0, -0.8, 0.3, 0.4, 0.6]), np.array([-1.0, 0.0, 1.0])
    yield np.array([1.0, 2.0, 4.0]), np.array([1.5, 3.9, 50.0])  # nothing is nearest to 50
    x = rng.standard_normal(200)
    yield x, np.array([-1.5, -0.5, 0.5, 1.5])
    yield x**3, np.linspace(-4, 4, 8)


lloyd_round = Exercise(
    "lloyd_round",
    _lloyd_round_spec,
    _lloyd_round_cases,
    hints=(
        "Two half steps: which level is nearest to each value, and then, for each level, the mean "
        "of the values that chose it.",
        "codes = np.abs(x[:, None] - levels).argmin(axis=1) is the first half. In the second, "
        "what is the mean of no values?",
        "For each k: x[codes == k].mean() if there is a code k, else levels[k].",
    ),
    model="""
    import numpy as np

    def lloyd_round(x, levels):
        codes = np.abs(x[:, None] - levels).argmin(axis=1)
        chosen = [x[codes == k] for k in range(len(levels))]
        pairs = zip(chosen, levels)
        return np.array([c.mean() if c.size else old for c, old in pairs])
    """,
    agree=close,
)


def _pack_trits_spec(trits: np.ndarray) -> np.ndarray:
    """Five digits of base 3 a byte, the first one counting ones."""
    found = []
    for start in range(0, len(trits), 5):
        byte, worth = 0, 1
        for trit in trits[start : start + 5]:
            byte += (int(trit) + 1) * worth
            worth *= 3
        found.append(byte)
    return np.array(found, dtype=np.uint8)


def _pack_trits_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (np.array([-1, -1, -1, -1, -1]),)
    yield (np.array([1, -1, -1, -1, -1]),)
    yield (np.array([-1, 0, 1, 0, 1]),)
    yield (np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),)
    yield (rng.integers(-1, 2, 60),)


pack_trits = Exercise(
    "pack_trits",
    _pack_trits_spec,
    _pack_trits_cases,
    hints=(
        "As decimal digits make a number, so do digits of base 3. First make −1, 0, 1 into "
        "digits 0, 1, 2.",
        "The first of five is worth 1, the second 3, then 9, 27 and 81: the largest sum is 242, "
        "which a byte can hold.",
        "(trits + 1).reshape(-1, 5) @ 3 ** np.arange(5)",
    ),
    model="""
    import numpy as np

    def pack_trits(trits):
        return ((trits + 1).reshape(-1, 5) @ 3 ** np.arange(5)).astype(np.uint8)
    """,
)

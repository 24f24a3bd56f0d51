"""Exercises of chapter 08, quantization after training."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise


def _near(expected: Any, got: Any) -> bool:
    """Equal up to the rounding of float32 arithmetic."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=1e-5, atol=1e-7)
    except (TypeError, ValueError):
        return False


def _moving_range_spec(batches: list, constant: float) -> tuple[float, float]:
    """The first batch as it is; then, batch by batch, a part of the way."""
    low, high = float(min(batches[0])), float(max(batches[0]))
    for batch in batches[1:]:
        low += constant * (float(min(batch)) - low)
        high += constant * (float(max(batch)) - high)
    return low, high


def _moving_range_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield [np.array([1.0, 3.0])], 0.5
    yield [np.array([0.0, 4.0]), np.array([2.0, 8.0])], 0.5
    yield [np.array([0.0, 4.0]), np.array([-1.0, 2.0, 0.5]), np.array([3.0, 40.0])], 0.1
    yield [rng.standard_normal(9) for _ in range(30)], 0.01


moving_range = Exercise(
    "moving_range",
    _moving_range_spec,
    _moving_range_cases,
    hints=(
        "Keep two numbers, low and high. What are they after the first batch, before anything "
        "has moved?",
        "Only the later batches move them: low goes towards the batch's smallest value by "
        "`constant` of the distance, high towards its largest.",
        "for batch in batches[1:]: low += constant * (batch.min() - low), and likewise high.",
    ),
    model="""
    def moving_range(batches, constant):
        low, high = batches[0].min(), batches[0].max()
        for batch in batches[1:]:
            low += constant * (batch.min() - low)
            high += constant * (batch.max() - high)
        return low, high
    """,
    agree=_near,
)


def _best_threshold_spec(x: np.ndarray, bits: int, thresholds: np.ndarray) -> float:
    """Every threshold, every value, every level."""
    errors = []
    for t in thresholds:
        levels = [float(t) * k / (2**bits - 1) for k in range(2**bits)]
        errors.append(sum(min((float(v) - level) ** 2 for level in levels) for v in x))
    return float(thresholds[errors.index(min(errors))])


def _best_threshold_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.2]), 1, np.array([0.5, 1.0, 1.2])
    yield np.array([0.5, 3.0]), 1, np.array([1.0, 2.0, 3.0])
    yield np.array([0.1, 0.2, 0.3, 0.4, 8.0]), 2, np.linspace(0.4, 8, 20)
    for bits in (2, 3, 4):
        yield rng.exponential(size=200), bits, np.linspace(0.5, 5, 19)


best_threshold = Exercise(
    "best_threshold",
    _best_threshold_spec,
    _best_threshold_cases,
    hints=(
        "For one threshold t the levels are t·k/(2^bits − 1), k = 0 … 2^bits − 1, and a value "
        "goes to the nearest. Values beyond t have no choice but the last.",
        "scale = t / (2**bits - 1), then np.clip(np.rint(x / scale), 0, 2**bits - 1) * scale is "
        "what comes back.",
        "Compute np.sum((x_hat - x) ** 2) for each threshold and take thresholds[np.argmin(…)].",
    ),
    model="""
    import numpy as np

    def best_threshold(x, bits, thresholds):
        errors = []
        for t in thresholds:
            scale = t / (2**bits - 1)
            x_hat = scale * np.clip(np.rint(x / scale), 0, 2**bits - 1)
            errors.append(np.sum((x_hat - x) ** 2))
        return thresholds[np.argmin(errors)]
    """,
    agree=_near,
)


def _fixed_point_spec(factor: float) -> tuple[int, int]:
    """Double until the next doubling would leave 31 bits; exact fractions all the way."""
    exact, shift = Fraction(factor), 0
    while round(exact * 2 ** (shift + 1)) < 2**31:
        shift += 1
    return round(exact * 2**shift), shift


def _fixed_point_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(0.5,), (0.75,), (0.375,), (1 / 3,), (0.001,), (3.0,), (1 - 2.0**-40,)]
    for exponent in rng.uniform(-20, 3, 8):
        yield (float(2**exponent),)


fixed_point = Exercise(
    "fixed_point",
    _fixed_point_spec,
    _fixed_point_cases,
    hints=(
        "You look for the largest shift at which factor · 2^shift, rounded, is still below 2^31. "
        "0.5 needs 31 of them: 2^30, since one more would be 2^31.",
        "np.frexp(factor) gives m and e with factor = m · 2^e and m from 0.5 up to 1. Then "
        "m · 2^31 is at most 2^31, and the shift is 31 − e.",
        "One trap is left: m = 0.99999999999 rounds to 2^31, which int32 does not have. Then "
        "return 2**30 and one shift less.",
    ),
    model="""
    import math

    def fixed_point(factor):
        m, e = math.frexp(factor)
        multiplier, shift = round(m * 2**31), 31 - e
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift - 1
        return multiplier, shift
    """,
)


def _integer_layer_spec(
    codes: np.ndarray,
    zero_in: int,
    weights: np.ndarray,
    bias: np.ndarray,
    multiplier: int,
    shift: int,
    zero_out: int,
) -> np.ndarray:
    """Neuron by neuron in Python's integers, which have no largest."""
    found = []
    for row, start in zip(weights.tolist(), bias.tolist(), strict=True):
        total = start + sum(p * (q - zero_in) for p, q in zip(row, codes.tolist(), strict=True))
        code = zero_out + (total * multiplier + 2 ** (shift - 1)) // 2**shift
        found.append(min(max(code, zero_out), 255))
    return np.array(found)


def _integer_layer_cases(rng: np.random.Generator) -> Iterator[tuple]:
    half = (2**30, 31)
    yield (
        np.array([2, 3], np.uint8),
        0,
        np.array([[1, 1], [1, -1]], np.int8),
        np.array([0, 4], np.int32),
        *half,
        0,
    )
    yield (
        np.array([200, 200], np.uint8),
        0,
        np.array([[1, 0], [1, 1]], np.int8),
        np.array([0, 0], np.int32),
        *half,
        0,
    )
    yield (
        np.array([12, 10], np.uint8),
        10,
        np.array([[5, 100]], np.int8),
        np.array([2], np.int32),
        *half,
        0,
    )
    yield (
        np.array([0, 9], np.uint8),
        0,
        np.array([[1, 1], [1, -1]], np.int8),
        np.array([0, 0], np.int32),
        *half,
        7,
    )
    yield (
        np.array([255, 255], np.uint8),
        0,
        np.array([[127, 127]], np.int8),
        np.array([0], np.int32),
        *half,
        0,
    )
    for zero_in, zero_out in ((0, 0), (13, 0), (128, 40)):
        codes = rng.integers(0, 256, 64).astype(np.uint8)
        weights = rng.integers(-127, 128, (8, 64)).astype(np.int8)
        bias = rng.integers(-20_000, 20_000, 8).astype(np.int32)
        yield codes, zero_in, weights, bias, 1_500_000_000, 39, zero_out


integer_layer = Exercise(
    "integer_layer",
    _integer_layer_spec,
    _integer_layer_cases,
    hints=(
        "Σ weights · (codes − zero_in) + bias, then times multiplier, shifted, plus zero_out, and "
        "kept within zero_out … 255. In which type does NumPy add up uint8 times int8?",
        "Make the codes int64 before anything else: codes.astype(np.int64) - zero_in. Then no "
        "sum and no product can wrap.",
        "(sums * multiplier + (1 << (shift - 1))) >> shift rounds to the nearest; then add "
        "zero_out and np.clip(…, zero_out, 255), in which the ReLU is contained.",
    ),
    model="""
    import numpy as np

    def integer_layer(codes, zero_in, weights, bias, multiplier, shift, zero_out):
        sums = weights.astype(np.int64) @ (codes.astype(np.int64) - zero_in) + bias
        scaled = (sums * multiplier + (1 << (shift - 1))) >> shift
        return np.clip(scaled + zero_out, zero_out, 255)
    """,
)

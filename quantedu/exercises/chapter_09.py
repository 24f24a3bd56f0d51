"""Exercises of chapter 09, quantization in training."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise, close


def _straight_through_spec(
    w: np.ndarray, gradient: np.ndarray, scale: float, low: int, high: int
) -> np.ndarray:
    """A weight passes its gradient if its integer, not yet clamped, is one of the grid."""
    passed = []
    for one, g in zip(w.tolist(), gradient.tolist()):
        passed.append(g if low - 0.5 <= one / scale <= high + 0.5 else 0.0)
    return np.array(passed)


def _grid_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([-5.25, -1.0, 0.25, 1.25, 3.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 1.0, -2, 1
    yield np.array([-5.0, -1.0, 0.25, 1.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2.0, -2, 1
    yield np.array([0.75, -0.75, 0.3, 0.1]), np.array([-1.0, 1.0, -1.0, 1.0]), 0.5, 0, 3
    yield rng.standard_normal(64), rng.standard_normal(64), 0.25, -4, 3


straight_through = Exercise(
    "straight_through",
    _straight_through_spec,
    _grid_cases,
    hints=(
        "Where does the staircase climb, and where has it reached its end?",
        "The places that round to the last level belong to the climb: half a step beyond it. "
        "Count in steps, which is w / scale.",
        "inside = (w / scale >= low - 0.5) & (w / scale <= high + 0.5), and the gradient times "
        "that.",
    ),
    model="""
    def straight_through(w, gradient, scale, low, high):
        inside = (w / scale >= low - 0.5) & (w / scale <= high + 0.5)
        return gradient * inside
    """,
    agree=close,
)


def _step_size_gradient_spec(
    w: np.ndarray, gradient: np.ndarray, scale: float, low: int, high: int
) -> float:
    """Equation 3 of arXiv 1902.08153, weight by weight, and the factor of its section 2.2."""
    total = 0.0
    for one, g in zip(w.tolist(), gradient.tolist()):
        v = one / scale
        total += g * (low if v <= low else high if v >= high else round(v) - v)
    return total / (len(w) * high) ** 0.5


def _close_sum(expected: Any, got: Any) -> bool:
    try:
        return np.shape(got) == () and bool(np.isclose(got, expected, rtol=1e-9, atol=1e-12))
    except TypeError:
        return False


step_size_gradient = Exercise(
    "step_size_gradient",
    _step_size_gradient_spec,
    _grid_cases,
    hints=(
        "If the scale grows a little, what becomes of scale · round(w / scale)? Two things happen "
        "between the ends, one beyond them.",
        "Beyond the ends ŵ is low · scale or high · scale, so its derivative is low or high. "
        "Between them it is round(v) − v, with v = w / scale.",
        "np.where(v <= low, low, np.where(v >= high, high, np.rint(v) - v)), times the gradient, "
        "summed up, over np.sqrt(w.size * high).",
    ),
    model="""
    import numpy as np

    def step_size_gradient(w, gradient, scale, low, high):
        v = w / scale
        inner = np.where(v >= high, high, np.rint(v) - v)
        by_scale = np.where(v <= low, low, inner)
        return (gradient * by_scale).sum() / np.sqrt(w.size * high)
    """,
    agree=_close_sum,
)


def _is_quantized_spec(w: np.ndarray, bits: int) -> bool:
    """Row by row, the different values counted in a set."""
    return all(len(set(row)) <= 2**bits for row in w.tolist())


def _is_quantized_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([[0.5, -0.5, 0.5, 0.5], [2.0, 2.0, -2.0, 2.0]]), 1
    yield np.array([[0.5, -0.5, 0.25, 0.5], [2.0, 2.0, -2.0, 2.0]]), 1
    yield np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 2.0, 3.0]]), 1
    yield np.array([[0.5, 0.5, 0.5], [1.0, 2.0, 3.0]]), 1  # two values a row, but on average
    w = rng.standard_normal((6, 64))
    yield np.rint(2 * w).clip(-4, 3) * rng.uniform(0.5, 2, (6, 1)), 3
    yield np.rint(2 * w).clip(-4, 4), 3
    yield w, 4
    yield w, 6  # 64 weights in a row never take more than 2^6 values


is_quantized = Exercise(
    "is_quantized",
    _is_quantized_spec,
    _is_quantized_cases,
    hints=(
        "How many different values can a row have, if each of its weights is a code of so many "
        "bits?",
        "Different rows have different scales. Count in each row by itself: np.unique(row).size.",
        "all(np.unique(row).size <= 2**bits for row in w)",
    ),
    model="""
    import numpy as np

    def is_quantized(w, bits):
        return all(np.unique(row).size <= 2**bits for row in w)
    """,
)


def _one_step_spec(w: np.ndarray, x: np.ndarray, y: float, rate: float) -> np.ndarray:
    """The neuron sees signs; the weights behind them move."""
    alpha = sum(abs(one) for one in w.tolist()) / len(w)
    signs = [1.0 if one > 0 else -1.0 for one in w.tolist()]
    output = sum(alpha * sign * value for sign, value in zip(signs, x.tolist()))
    return np.array([one - rate * 2 * (output - y) * v for one, v in zip(w.tolist(), x.tolist())])


def _one_step_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([1.0, -3.0]), np.array([1.0, 1.0]), 1.0, 0.25
    yield np.array([0.5, -1.5, 4.0]), np.array([1.0, 2.0, 0.0]), -1.0, 0.125
    yield rng.standard_normal(8), rng.standard_normal(8), 0.5, 0.1


def _close_step(expected: Any, got: Any) -> bool:
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=1e-9)
    except (TypeError, ValueError):
        return False


one_step = Exercise(
    "one_step",
    _one_step_spec,
    _one_step_cases,
    hints=(
        "Two sets of weights take part. Which of them makes the output, and which is moved?",
        "w_hat = np.abs(w).mean() * np.where(w > 0, 1, -1) makes the output; the gradient by w_hat "
        "is 2 · (output − y) · x.",
        "return w - rate * 2 * (w_hat @ x - y) * x",
    ),
    model="""
    import numpy as np

    def one_step(w, x, y, rate):
        w_hat = np.abs(w).mean() * np.where(w > 0, 1, -1)
        return w - rate * 2 * (w_hat @ x - y) * x
    """,
    agree=_close_step,
)

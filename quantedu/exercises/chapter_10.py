"""Exercises of chapter 10, loud channels and who absorbs them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from quantedu.exercises.exercise import Exercise


def _used_codes_spec(x: np.ndarray) -> np.ndarray:
    """Quantize value by value, and keep a set of codes for each channel."""
    scale = max(abs(float(value)) for value in x.ravel()) / 127
    used: list[set[int]] = [set() for _ in range(x.shape[1])]
    for token in x:
        for codes, value in zip(used, token, strict=True):
            codes.add(round(float(value) / scale))
    return np.array([len(codes) for codes in used])


def _used_codes_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield (np.array([[1.0, -4.0, 256.0, -0.5], [-0.75, 3.0, -256.0, 1.0]]),)
    yield (np.array([[127.0, 1.0], [-127.0, -1.0], [127.0, 1.2]]),)  # a code used twice
    for loudness in (1, 16, 100):
        x = rng.standard_normal((200, 6))
        x[:, 2] *= loudness
        yield (x,)


def _same_counts(expected: Any, got: Any) -> bool:
    try:
        return np.array_equal(np.asarray(got, dtype=np.float64), expected)
    except (TypeError, ValueError):
        return False


used_codes = Exercise(
    "used_codes",
    _used_codes_spec,
    _used_codes_cases,
    hints=(
        "One scale for all of x: the largest magnitude of the whole array, divided by 127.",
        "codes = np.rint(x / scale) has the shape of x. What is left is to count, in each column, "
        "how many different numbers stand there.",
        "len(np.unique(column)) counts them; the columns of an array are the rows of codes.T.",
    ),
    model="""
    import numpy as np

    def used_codes(x):
        codes = np.rint(x / (np.abs(x).max() / 127))
        return np.array([len(np.unique(column)) for column in codes.T])
    """,
    agree=_same_counts,
)


def _smoothing_scales_spec(x: np.ndarray, matrices: list, alpha: float) -> np.ndarray:
    """One channel after the other, one number after the other."""
    found = []
    for j in range(x.shape[1]):
        loudest = max(abs(float(token[j])) for token in x)
        heaviest = max(abs(float(row[j])) for w in matrices for row in w)
        found.append(loudest**alpha / heaviest ** (1 - alpha) if loudest > 0 else 1.0)
    return np.array(found)


def _smoothing_scales_cases(rng: np.random.Generator) -> Iterator[tuple]:
    x = np.array([[1.0, -4.0, 256.0, -0.5], [-0.75, 3.0, -256.0, 1.0]])
    w = np.array([[1.0, -1.0, 0.015625, -1.0]])
    yield x, [w], 0.5
    yield x, [w], 0.75
    yield x, [w, np.array([[0.5, 9.0, 0.0, 0.25], [0.0, -16.0, 1.0, 0.0]])], 0.5  # two readers
    yield np.array([[0.0, 2.0], [0.0, -8.0]]), [np.array([[1.0, 2.0]])], 0.5  # a silent channel
    for alpha in (0.0, 0.3, 1.0):
        x = rng.standard_normal((20, 5)) * np.array([1, 50, 1, 0.1, 1])
        yield x, [rng.standard_normal((3, 5)) for _ in range(3)], alpha


def _nearly(expected: Any, got: Any) -> bool:
    """Equal up to the rounding of float32 arithmetic, in shape and finiteness too."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=1e-5, atol=1e-9)
    except (TypeError, ValueError):
        return False


smoothing_scales = Exercise(
    "smoothing_scales",
    _smoothing_scales_spec,
    _smoothing_scales_cases,
    hints=(
        "max|X_j| is the largest magnitude of channel j over all tokens: one axis of x goes away. "
        "So does one axis of each matrix, whose rows are outputs and whose columns are channels.",
        "All matrices read the same X/s, so they share one s: take the larger of their maxima, "
        "channel by channel. np.concatenate(matrices) puts their rows below one another.",
        "A channel that was silent has max|X_j| = 0. Nothing is known of it: np.where gives it 1.",
    ),
    model="""
    import numpy as np

    def smoothing_scales(x, matrices, alpha):
        loudest = np.abs(x).max(axis=0)
        heaviest = np.abs(np.concatenate(matrices)).max(axis=0)
        return np.where(loudest > 0, loudest**alpha / heaviest ** (1 - alpha), 1)
    """,
    agree=_nearly,
)


def _fold_spec(gain: np.ndarray, matrices: list, s: np.ndarray) -> tuple:
    """Take one number of the gain, and one weight of each matrix, after the other."""
    new_gain = np.array([g / divisor for g, divisor in zip(gain, s, strict=True)])
    scaled = [
        np.array([[weight * s[j] for j, weight in enumerate(row)] for row in w]) for w in matrices
    ]
    return new_gain, scaled


def _fold_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([1.0, 64.0]), [np.array([[2.0, 0.5], [1.0, 0.25]])], np.array([1.0, 8.0])
    yield np.array([2.0, 3.0, 5.0]), [np.eye(3), np.ones((3, 3))], np.array([0.5, 2.0, 4.0])
    for n in (1, 3):
        matrices = [rng.standard_normal((4, 4)) for _ in range(n)]
        yield rng.uniform(0.5, 2, 4), matrices, rng.uniform(0.1, 10, 4)


def _same_fold(expected: Any, got: Any) -> bool:
    """A gain, and as many matrices as there were."""
    try:
        (gain, matrices), (new_gain, scaled) = expected, got
        return (
            _nearly(gain, new_gain)
            and len(scaled) == len(matrices)
            and all(_nearly(w, new) for w, new in zip(matrices, scaled, strict=True))
        )
    except (TypeError, ValueError):
        return False


fold = Exercise(
    "fold",
    _fold_spec,
    _fold_cases,
    hints=(
        "What enters the matrices is normalized · gain. It shall come out divided by s.",
        "The matrices get it divided, and have to give the same y. Rows are outputs, columns are "
        "channels: which of them meets s_j?",
        "w * s multiplies the columns, since NumPy lines up last axes. Return the gain, and a list "
        "of all the matrices.",
    ),
    model="""
    def fold(gain, matrices, s):
        return gain / s, [w * s for w in matrices]
    """,
    agree=_same_fold,
)


def _split_product_spec(x: np.ndarray, w: np.ndarray, threshold: float) -> np.ndarray:
    """Number by number: quiet channels in integers, loud ones as they are."""
    n_in = x.shape[1]
    loud = [any(abs(token[j]) >= threshold for token in x) for j in range(n_in)]
    quiet = [j for j in range(n_in) if not loud[j]]
    y = np.zeros((len(x), len(w)))
    for t, token in enumerate(x):
        for o, row in enumerate(w):
            x_scale = max((abs(token[j]) for j in quiet), default=0) / 127 or 1
            w_scale = max((abs(row[j]) for j in quiet), default=0) / 127 or 1
            total = sum(round(token[j] / x_scale) * round(row[j] / w_scale) for j in quiet)
            exact = sum(token[j] * row[j] for j in range(n_in) if loud[j])
            y[t, o] = total * x_scale * w_scale + exact
    return y


def _split_product_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([[1.0, 3.0, 8.0], [2.0, 0.5, -9.0]]), np.array([[1.0, 0.5, 2.0]]), 6.0
    x = np.array([[1.0, -4.0, 256.0, -0.5], [-0.75, 3.0, 0.1, 1.0]])
    w = np.array([[1.0, -1.0, 0.015625, -1.0], [0.25, 0.5, 4.0, 0.125]])
    yield x, w, 6.0
    yield x, w, 4.0  # exactly the threshold is loud
    yield x, w, 1000.0  # nobody is loud
    yield np.array([[7.0, 0.0, 3.0], [0.0, 0.0, 0.0]]), np.array([[0.5, 2.0, 1.0]]), 6.0
    yield np.array([[7.0, -8.0]]), np.array([[0.5, 2.0]]), 6.0  # everybody is
    x = rng.standard_normal((6, 8))
    x[:, 3] *= 40
    yield x, rng.standard_normal((5, 8)), 6.0


def _close_enough(expected: Any, got: Any) -> bool:
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=1e-5, atol=1e-6)
    except (TypeError, ValueError):
        return False


split_product = Exercise(
    "split_product",
    _split_product_spec,
    _split_product_cases,
    hints=(
        "Which columns are loud? loud = (np.abs(x) >= threshold).any(axis=0). Then x[:, loud] and "
        "x[:, ~loud] are two inputs, w[:, loud] and w[:, ~loud] their weights, and y is a sum.",
        "Both scales are found without the loud columns, one for each row of x and of w. In "
        "(codes of x) @ (codes of w).T every product of one output has the same two scales.",
        "A row of zeros has scale 0: divide by 1 instead. An empty part needs no special care if "
        "the maximum starts somewhere: np.abs(part).max(axis=1, keepdims=True, initial=0).",
    ),
    model="""
    import numpy as np

    def split_product(x, w, threshold):
        loud = (np.abs(x) >= threshold).any(axis=0)

        def int8(part):
            scale = np.abs(part).max(axis=1, keepdims=True, initial=0) / 127
            scale = np.where(scale == 0, 1, scale)
            return np.rint(part / scale), scale

        x_codes, x_scale = int8(x[:, ~loud])
        w_codes, w_scale = int8(w[:, ~loud])
        return (x_codes @ w_codes.T) * x_scale * w_scale.T + x[:, loud] @ w[:, loud].T
    """,
    agree=_close_enough,
)


def _choose_alpha_spec(x: np.ndarray, w: np.ndarray, bits: int, alphas: list) -> float:
    """Smooth, quantize both, multiply, compare with the exact product; keep the best."""

    def rounded(a: np.ndarray) -> np.ndarray:
        scale = np.abs(a).max() / (2 ** (bits - 1) - 1)
        return np.rint(a / scale) * scale

    best, least = alphas[0], np.inf
    for alpha in alphas:
        s = np.abs(x).max(axis=0) ** alpha / np.abs(w).max(axis=0) ** (1 - alpha)
        error = float(np.sum((rounded(x / s) @ rounded(w * s).T - x @ w.T) ** 2))
        if error < least:
            best, least = alpha, error
    return best


def _choose_alpha_cases(rng: np.random.Generator) -> Iterator[tuple]:
    x, w = np.array([[-8.0, 4, 48, -3], [-7, -6, -40, 8]]), np.array([[-7.0, 8, 1, -8]])
    yield x, w, 4, [0.0, 0.5, 1.0]  # 1; judged by x alone it would be 0.5
    alphas = [0.0, 0.25, 0.5, 0.75, 1.0]
    for bits, x_loud, w_loud in ((8, 64, 1), (4, 64, 1), (4, 1, 30), (8, 1, 1), (4, 300, 4)):
        x, w = rng.standard_normal((64, 12)), rng.standard_normal((16, 12))
        x[:, 3] *= x_loud
        w[:, 7] *= w_loud
        yield x, w, bits, alphas


choose_alpha = Exercise(
    "choose_alpha",
    _choose_alpha_spec,
    _choose_alpha_cases,
    hints=(
        "Try them all. For each: s, then x/s and w·s, both quantized with one scale for the whole "
        "array, and their product against the exact one.",
        "def rounded(a): the scale is np.abs(a).max() / (2 ** (bits - 1) - 1), and what comes back "
        "is np.rint(a / scale) * scale.",
        "min(alphas, key=error), with error(alpha) the sum of squared differences of the products. "
        "Not of x: half the rounding is in the weights.",
    ),
    model="""
    import numpy as np

    def choose_alpha(x, w, bits, alphas):
        def rounded(a):
            scale = np.abs(a).max() / (2 ** (bits - 1) - 1)
            return np.rint(a / scale) * scale

        def error(alpha):
            s = np.abs(x).max(axis=0) ** alpha / np.abs(w).max(axis=0) ** (1 - alpha)
            return np.sum((rounded(x / s) @ rounded(w * s).T - x @ w.T) ** 2)

        return min(alphas, key=error)
    """,
    agree=_nearly,
)

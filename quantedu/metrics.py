"""Error and cost, measured: what quantization lost, and how its codes are used.

Sums are made in float64 over pieces that fit the cache, so that an array of any size takes no
memory of its own.
"""

from collections.abc import Iterator
from math import hypot, inf, log10, sqrt
from typing import Any

import numpy as np

from quantedu import _checks, _tables


def mse(x: Any, x_hat: Any) -> float:
    """Mean squared error, mean((x − x̂)²).

    Parameters
    ----------
    x, x_hat : real arrays of one shape, at least one entry

    Returns
    -------
    float, in squared units of x; infinite or NaN where an entry is

    Raises
    ------
    TypeError, ValueError
        If these are no real numbers, or no float64 holds one; if the shapes differ, or there is
        nothing to average.

    Examples
    --------
    >>> mse([1.0, 2.0], [1.0, 2.5])
    0.125
    """
    with _quiet():
        return sum(float(np.dot(d, d)) for _, d in _pieces(x, x_hat)) / np.size(x)


def sqnr_db(x: Any, x_hat: Any) -> float:
    """Signal-to-quantization-noise ratio in decibels, 10·log10(Σx² / Σ(x − x̂)²).

    Returns
    -------
    float; infinity where nothing was lost, minus infinity where x is 0 and x̂ is not

    Raises
    ------
    TypeError, ValueError
        As `mse`.

    Examples
    --------
    >>> round(sqnr_db([3.0, 4.0], [3.0, 4.5]), 6)    # 25 / 0.25 = 100 times the noise
    20.0
    """
    signal = noise = 0.0
    with _quiet():
        for values, error in _pieces(x, x_hat):
            signal, noise = hypot(signal, _norm(values)), hypot(noise, _norm(error))
    if noise == 0:
        return inf
    return 20 * (log10(signal) - log10(noise)) if signal else -inf


def max_error(x: Any, x_hat: Any) -> float:
    """Largest error, max|x − x̂|; parameters and errors as `mse`.

    >>> max_error([1.0, 2.0], [1.25, 1.5])
    0.5
    """
    with _quiet():  # np.max keeps NaN, max would not
        return float(np.max([np.abs(error).max() for _, error in _pieces(x, x_hat)]))


def mean_abs_error(x: Any, x_hat: Any) -> float:
    """Mean absolute error, mean|x − x̂|; parameters and errors as `mse`.

    >>> mean_abs_error([1.0, 2.0], [1.25, 1.5])
    0.375
    """
    with _quiet():
        return sum(float(np.abs(error).sum()) for _, error in _pieces(x, x_hat)) / np.size(x)


def code_usage(codes: Any, n_codes: int) -> np.ndarray:
    """How often each code occurs.

    Parameters
    ----------
    codes : integer array, any shape, entries 0 … n_codes − 1
    n_codes : number of codes there could be

    Returns
    -------
    int64 array [n_codes]; its sum is codes.size

    Raises
    ------
    TypeError, ValueError
        If codes are not integers, or one is out of range; if there are no n_codes.

    Examples
    --------
    >>> code_usage([0, 3, 3], n_codes=4)
    array([1, 0, 0, 2])
    """
    n_codes = _checks.integer_in("n_codes", n_codes, 1)
    flat = _checks.as_codes(codes, "this codebook", (n_codes - 1).bit_length(), n_codes).reshape(-1)
    usage = np.zeros(n_codes, dtype=np.int64)
    for start in range(0, flat.size, _tables.CHUNK):
        piece = flat[start : start + _tables.CHUNK].astype(np.intp)
        usage += np.bincount(piece, minlength=n_codes)
    return usage


def entropy(usage: Any) -> float:
    """Bits that a code carries on average, −Σ p·log2(p): what an ideal compressor would keep.

    Parameters
    ----------
    usage : array [n_codes], counts or probabilities, as from `code_usage`

    Returns
    -------
    float, 0 … log2(n_codes)

    Raises
    ------
    TypeError, ValueError
        If these are no real numbers; if an entry is negative or not finite, or all are 0.

    References
    ----------
    Shannon, A Mathematical Theory of Communication, 1948, section 6.

    Examples
    --------
    >>> entropy([1, 1, 1, 1]), entropy([8, 0, 0, 0])
    (2.0, 0.0)
    """
    usage = _checks.as_real(usage)[0].astype(np.float64)
    with _quiet():  # refused below
        total = usage.sum()
    if not (np.isfinite(total) and total > 0 and (usage >= 0).all()):
        raise ValueError(
            "usage must be counts or probabilities: none negative, at least one above 0"
        )
    p = usage[usage > 0] / total
    return float(np.sum(p * np.log2(1 / p)))


def _quiet() -> np.errstate:
    """Without warnings: what infinity, NaN and numbers near the largest give, the result says."""
    return np.errstate(over="ignore", invalid="ignore")


def _norm(x: np.ndarray) -> float:
    """√Σx² of float64 x, also where x² is no longer, or not yet, a float64."""
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.dot(x, x))
        if 1e-280 < square < inf:
            return sqrt(square)
        peak = float(np.abs(x).max())
        return peak * sqrt(float(np.sum((x / peak) ** 2))) if 0 < peak < inf else peak


def _pieces(x: Any, x_hat: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The values and the errors x − x̂ in float64, a cache-full at a time."""
    x, x_hat = _checks.as_real(x)[0], _checks.as_real(x_hat)[0]
    if x.shape != x_hat.shape:
        raise ValueError(f"x has shape {x.shape}, x_hat {x_hat.shape}; they must be the same")
    if not x.size:
        raise ValueError(f"x of shape {x.shape} has no entries, so there is no error to give")
    iterator = np.nditer(  # type: ignore[call-overload]  # the stubs misspell "contig"
        [x, x_hat],
        flags=["external_loop", "buffered"],
        op_flags=[["readonly", "contig"], ["readonly", "contig"]],
        op_dtypes=[np.float64, np.float64],
        casting="unsafe",
        buffersize=_tables.CHUNK,
    )
    with iterator:
        for values, recovered in iterator:
            yield values.reshape(-1), (values - recovered).reshape(-1)

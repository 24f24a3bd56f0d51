"""What every door asks of its input; the refusals say what came, what was expected, what to do."""

import sys
from typing import Any

import numpy as np


def is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def integer_in(what: str, value: Any, low: int, high: int | None = None) -> int:
    """The value as a Python integer: a NumPy integer would overflow."""
    if not (is_integer(value) and low <= value and (high is None or value <= high)):
        span = f"from {low} on" if high is None else f"from {low} to {high}"
        raise ValueError(f"{what} must be an integer {span}, not {value!r}")
    return int(value)


def require_choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"unknown {what} {value!r}; choose one of {', '.join(choices)}")


def require_flags(**given: Any) -> None:
    """Refuse what is neither True nor False: it is counted with."""
    for name, value in given.items():
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, not {value!r}")


def require_rng(rng: Any, method: str) -> None:
    """Refuse a seed where the generator that it makes is asked for."""
    if not hasattr(rng, method):
        raise TypeError(f"rng must be a generator: np.random.default_rng(0), say, not {rng!r}")


def first_wrong(values: np.ndarray, wrong: np.ndarray) -> str:
    """How many entries are wrong, and the first of them with its position."""
    if values.ndim == 0:
        return str(values)
    where = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    position = where[0] if len(where) == 1 else where
    return f"{np.count_nonzero(wrong)} of {values.size}, the first {values[where]!s} at {position}"


def as_codes(codes: Any, whose: str, bits: int, n_codes: int) -> np.ndarray:
    """Codes as an array of integers, refused where one is not 0 … n_codes − 1."""
    codes = np.asarray(codes)
    if codes.size == 0 and codes.dtype.kind == "f":  # np.asarray([]) is an array of floats
        codes = codes.astype(np.uint8)
    if codes.dtype.kind not in "iu":
        raise TypeError(
            f"codes must be integers 0 … 2^{bits} − 1, not {codes.dtype}; "
            f"encode(x) makes codes from numbers"
        )
    fit_anyway = codes.dtype.kind == "u" and np.iinfo(codes.dtype).max < n_codes
    if codes.size and not fit_anyway and (codes.min() < 0 or codes.max() >= n_codes):
        wrong = (codes < 0) | (codes > n_codes - 1)
        raise ValueError(f"codes of {whose} are 0 … {n_codes - 1}; got {first_wrong(codes, wrong)}")
    return codes


def as_real(x: Any) -> tuple[np.ndarray, np.dtype]:
    """An array of x, and the dtype (float32 or float64) that holds each of its entries exactly."""
    if "numpy.ma" in sys.modules and np.ma.is_masked(x):  # to import it takes its time
        raise ValueError("x has masked entries; x.filled(0), say, tells what they count as")
    x = np.asarray(x)
    kind, size = x.dtype.kind, x.dtype.itemsize
    if x.dtype.type.__module__ == "ml_dtypes" and "complex" not in x.dtype.name:
        return x, np.dtype(np.float32)
    if kind not in "biuf":
        raise TypeError(f"x must hold real numbers of up to 64 bits, not {x.dtype}")
    if kind == "f" and size > 8:
        with np.errstate(over="ignore"):
            double = x.astype(np.float64)
        wrong = (double != x) & ~np.isnan(x)
        x = double if not wrong.any() else x
    elif kind in "iu" and size == 8:
        magnitude = np.abs(x).astype(np.uint64)  # |−2^63| wraps to 2^63, as it should
        lowest_one = magnitude & np.negative(magnitude)
        wrong = magnitude // np.maximum(lowest_one, 1) > 2**53
    else:
        wrong = np.zeros(1, dtype=bool)
    if wrong.any():
        raise ValueError(
            f"x must hold numbers that float64 can hold, or they would be rounded twice; "
            f"got {first_wrong(x, wrong)}; convert x to float64 if that is meant"
        )
    return x, np.dtype(np.float32 if size <= (4 if kind == "f" else 2) else np.float64)


def require_finite(x: np.ndarray) -> None:
    """Refuse NaN and infinity; the largest and the smallest entry are NaN if any entry is."""
    if not x.size:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        x = x.astype(np.float32) if x.dtype.kind == "V" else x  # ml_dtypes
        if np.isfinite(np.array([x.max(), x.min()]).astype(np.float32)).all():
            return
        wrong = ~np.isfinite(x.astype(np.float32))
    raise ValueError(
        f"x must be finite float32 numbers; got {first_wrong(x, wrong)}; replace them first"
    )

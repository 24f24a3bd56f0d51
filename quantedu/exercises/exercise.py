"""What an exercise is: a slow and obvious specification, inputs to try, hints, a solution."""

import copy
import functools
import inspect
import math
import numbers
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What `Exercise.check` says; a notebook shows it.

    Attributes
    ----------
    state : "not attempted", "wrong" or "right"
    message : what to look at next
    picture : PNG bytes that show where a wrong answer goes wrong, or None
    """

    state: str
    message: str
    picture: bytes | None = None

    def __repr__(self) -> str:
        sign = {"not attempted": "○", "wrong": "✗", "right": "✓"}[self.state]
        return _wrapped(f"{sign} {self.state}: {self.message}")

    def _repr_png_(self) -> bytes | None:
        return self.picture


def _wrapped(text: str) -> str:
    """In lines of 79, what a window of 800 px shows: JupyterLab would break them within words."""
    wrap = textwrap.TextWrapper(79, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(wrap.fill, text.splitlines()))


@dataclass(frozen=True)
class _Text:
    """A hint or a solution: text that a notebook shows as it stands."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Exercise:
    """A task whose answer is a function, checked against a specification.

    Parameters
    ----------
    name : of the function to write
    spec : the right answer, slow and obvious; never raises on a case
    cases : function of an `rng`, gives the tuples of arguments to try, the simplest first
    hints : from a nudge to nearly the answer
    model : source text of a solution that defines `name`
    agree : whether an answer's result is right; by default equal as numbers, NaN equal to NaN,
        −0 different from 0, sequences entry by entry
    picture : function of (arguments, expected, got), gives PNG bytes that show what went wrong
    show : how an argument or a result is written in the verdict; by default `short`

    Examples
    --------
    >>> double = Exercise("double", lambda x: 2 * x, lambda rng: [(1,), (3,)], ("Add.",), "…")
    >>> double.check(lambda x: x + x)
    ✓ right: double agrees with the specification on all 2 inputs tried
    >>> double.check(lambda x: x + 1)
    ✗ wrong: double(3) should be 6, but your function gives 4
    >>> double.check(lambda x: ...)
    ○ not attempted: write double, then run this cell again
    """

    name: str
    spec: Callable[..., Any]
    cases: Callable[[np.random.Generator], Iterable[tuple]]
    hints: tuple[str, ...]
    model: str
    agree: Callable[[Any, Any], bool] | None = None
    picture: Callable[[tuple, Any, Any], bytes] | None = None
    show: Callable[[Any], str] | None = None

    def check(self, answer: Callable[..., Any]) -> Verdict:
        """Try an answer on every case; the first that disagrees is shown.

        NumPy's warnings about 0/0 and the like are kept back: the verdict has words for NaN.

        Parameters
        ----------
        answer : function of the arguments that the exercise names; whatever it gives or raises,
            the verdict has a word for it

        Returns
        -------
        Verdict

        Raises
        ------
        TypeError
            If the answer is no function: called already, say.
        """
        if not callable(answer):
            raise TypeError(
                f"check takes the function itself: check({self.name}), not {_shown(short, answer)}"
            )
        tried, aside, show = 0, "", functools.partial(_shown, self.show or short)
        for arguments in self.cases(np.random.default_rng(0)):
            given = [show(argument) for argument in arguments]
            if len(given) > 2:  # of more than two, nobody knows which is which
                names = inspect.signature(self.spec).parameters
                given = [f"{name}={text}" for name, text in zip(names, given)]
            call = f"{self.name}({', '.join(given)})"
            expected = self.spec(*copy.deepcopy(arguments))
            try:
                with np.errstate(all="warn"), warnings.catch_warnings(record=True) as heard:
                    warnings.simplefilter("always", RuntimeWarning)  # 0/0, the mean of nothing
                    got = _readable(answer(*copy.deepcopy(arguments)))
            except NotImplementedError:
                got = ...
            except (Exception, SystemExit) as error:
                said = _shown(str, error)
                return Verdict("wrong", f"{call} raises {type(error).__name__}: {said}")
            if got is ... or (got is None and tried == 0):
                forgot = "" if got is ... else " (it returns None: is a return missing?)"
                return Verdict(
                    "not attempted", f"write {self.name}, then run this cell again{forgot}"
                )
            if not self._agrees(expected, got):
                message = f"{call} should be {show(expected)}, but your function gives {show(got)}"
                message += _apart(expected, got)
                return Verdict("wrong", message, self._drawn(arguments, expected, got))
            if any("encountered in cast" in str(warning.message) for warning in heard):
                aside = (
                    "; but on the way it makes integers of NaN or infinity, and if one of them "
                    "counts, another machine gives another number"
                )
            tried += 1
        return Verdict(
            "right",
            f"{self.name} agrees with the specification on all {tried} inputs tried{aside}",
        )

    def _agrees(self, expected: Any, got: Any) -> bool:
        """Whether an answer's result is right; what no comparison is made for, is not."""
        try:
            with np.errstate(all="ignore"):
                return not _odd(expected, got) and bool((self.agree or same)(expected, got))
        except Exception:
            return False

    def _drawn(self, arguments: tuple, expected: Any, got: Any) -> bytes | None:
        """The picture of what went wrong; None where there is nothing that could be drawn."""
        try:
            return self.picture(arguments, expected, got) if self.picture else None
        except Exception:
            return None

    def hint(self, number: int = 1) -> _Text:
        """The first hint, or a later one."""
        if not (isinstance(number, int) and 1 <= number <= len(self.hints)):
            raise ValueError(f"{self.name} has hints 1 … {len(self.hints)}, not {number}")
        more = f"\n(hint({number + 1}) says more)" if number < len(self.hints) else ""
        return _Text(_wrapped(textwrap.dedent(self.hints[number - 1]).strip()) + more)

    def solution(self) -> _Text:
        """One way to write it."""
        return _Text(textwrap.dedent(self.model).strip())


def same(expected: Any, got: Any) -> bool:
    """Equal as numbers or text: NaN equals NaN, −0 differs from 0, shapes are the same."""
    if isinstance(expected, str):
        return isinstance(got, str) and expected == got
    try:
        expected, got = np.asarray(expected), np.asarray(got)
        if expected.shape != got.shape or got.dtype.kind not in "biuf":
            return False
        equal = np.array_equal(expected, got, equal_nan=expected.dtype.kind == "f")
        signs = np.signbit(expected) == np.signbit(got)
        return bool(equal and (signs | np.isnan(expected)).all())
    except (TypeError, ValueError):
        return False


def same_integers(expected: Any, got: Any) -> bool:
    """Equal, and integers: codes pick levels, `levels[codes]`, and floats cannot do that."""
    return same(expected, got) and np.asarray(got).dtype.kind in "iu"


def close(expected: Any, got: Any) -> bool:
    """Equal up to the rounding of float64 arithmetic, for answers that may add in another order."""
    try:
        got = np.asarray(got)
        return bool(
            got.shape == np.shape(expected)
            and got.dtype.kind in "biuf"
            and np.allclose(got, expected, rtol=1e-9, atol=0, equal_nan=True)
        )
    except (TypeError, ValueError):
        return False


def _readable(got: Any) -> Any:
    """An answer's result; as the float it means where it is of `ml_dtypes`, or a fraction."""
    if isinstance(got, numbers.Real) and np.asarray(got).dtype == object:  # or a long integer
        return float(got)
    dtype = getattr(got, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind == "V" and dtype.names is None:
        return got.astype(np.float32)
    return got


def _odd(expected: Any, got: Any) -> str:
    """What of an answer is no real number though numbers are expected, in words; else nothing."""
    if isinstance(expected, str) or got is None:
        return ""
    if isinstance(got, (list, tuple)):
        wanted = expected if isinstance(expected, (list, tuple)) else [None] * len(got)
        found = (_odd(e, g) for e, g in zip(wanted, got))
        return next((words for words in found if words), "")
    kind = got.dtype.kind if isinstance(got, (np.ndarray, np.generic)) else ""
    if isinstance(got, (str, bytes)) or kind in ("U", "S"):
        return "text, not numbers"
    if isinstance(got, complex) or kind == "c":
        return "complex, not real"
    if kind in ("O", "V", "M", "m"):
        return f"an array of {got.dtype}, not of numbers"
    if hasattr(got, "__next__"):
        return "a generator; make it a list or an array"
    return ""


def _apart(expected: Any, got: Any) -> str:
    """In brackets, what the two printed results do not say by themselves."""
    try:
        words = _odd(expected, got) or ("is a return missing?" if got is None else "")
        if not words and not isinstance(expected, (str, tuple)):
            words = _apart_as_arrays(np.asarray(expected), np.asarray(got))
        return f" ({words})" if words else ""
    except Exception:
        return ""


def _apart_as_arrays(want: np.ndarray, have: np.ndarray) -> str:
    if want.shape != have.shape:
        return f"shape {have.shape}, not {want.shape}" if want.ndim else "one number is asked for"
    if want.dtype.kind in "iu" and have.dtype.kind == "f" and np.array_equal(want, have):
        return "the numbers are right, but floats cannot index an array: .astype(int)"
    lost, alike = np.isnan(have) & ~np.isnan(want), short(want[()]) == short(have[()])
    if alike and want.dtype != have.dtype:
        return f"of type {have.dtype}, not {want.dtype}"
    if want.size > 12 or (want.ndim and alike):  # printed are the ends, and eight digits
        with np.errstate(all="ignore"):
            distance = np.abs(want - have.astype(np.float64))
        distance = np.where(np.isnan(distance), np.where(lost, np.inf, 0), distance)
        at = np.unravel_index(np.argmax(distance), want.shape)
        place = ", ".join(str(i) for i in at)
        return f"furthest apart at [{place}]: {short(want[at])} and {short(have[at])}"
    return "NaN is what 0/0 gives, and the mean of nothing" if lost.any() else ""


def _shown(write: Callable[[Any], str], value: Any) -> str:
    """What `write` makes of a value, cut where it is long; a word where it cannot be written."""
    try:
        text = write(value)
    except Exception:
        text = f"a {type(value).__name__} that cannot be printed"
    return text if len(text) <= 600 else f"{text[:400]} … {text[-100:]}"


def short(value: Any) -> str:
    """A value as a verdict writes it: long arrays cut, numbers without their type.

    >>> short((np.float32(0.5), np.arange(3)))
    '(0.5, [0, 1, 2])'
    """
    if isinstance(value, np.ndarray):
        text = np.array2string(value, separator=", ", threshold=12, edgeitems=4)
        return re.sub(r"\s+(?=[,\]])|(?<=\[)\s+", "", re.sub(r"\s+", " ", text))
    if isinstance(value, (float, np.floating)):
        return "nan" if math.isnan(value) else repr(float(value))
    if isinstance(value, np.generic):
        return repr(value.item())
    if type(value) in (list, tuple) and any(isinstance(v, np.generic | np.ndarray) for v in value):
        ends = "[]" if type(value) is list else "()"
        return f"{ends[0]}{', '.join(map(short, value))}{ends[1]}"
    return repr(value)

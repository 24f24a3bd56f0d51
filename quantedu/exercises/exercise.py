"""What an exercise is: a slow and obvious specification, inputs to try, hints, a solution."""

import math
import textwrap
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
        return f"{sign} {self.state}: {self.message}"

    def _repr_png_(self) -> bytes | None:
        return self.picture


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

        Parameters
        ----------
        answer : function of the arguments that the exercise names

        Returns
        -------
        Verdict
        """
        if not callable(answer):
            raise TypeError(f"check takes the function itself: check({self.name}), not {answer!r}")
        agree, show = self.agree or same, self.show or short
        tried = 0
        for arguments in self.cases(np.random.default_rng(0)):
            call = f"{self.name}({', '.join(map(show, arguments))})"
            expected = self.spec(*(_copy(a) for a in arguments))
            try:
                got = answer(*(_copy(a) for a in arguments))
            except NotImplementedError:
                got = ...
            except Exception as error:
                return Verdict("wrong", f"{call} raises {type(error).__name__}: {error}")
            if got is ... or (got is None and tried == 0):
                forgot = "" if got is ... else " (it returns None: is a return missing?)"
                return Verdict(
                    "not attempted", f"write {self.name}, then run this cell again{forgot}"
                )
            if not agree(expected, got):
                wanted, given = show(expected), show(got)
                message = f"{call} should be {wanted}, but your function gives {given}"
                if wanted == given:
                    message += _difference(expected, got)
                picture = self.picture(arguments, expected, got) if self.picture else None
                return Verdict("wrong", message, picture)
            tried += 1
        return Verdict(
            "right", f"{self.name} agrees with the specification on all {tried} inputs tried"
        )

    def hint(self, number: int = 1) -> _Text:
        """The first hint, or a later one."""
        if not 1 <= number <= len(self.hints):
            raise ValueError(f"{self.name} has hints 1 … {len(self.hints)}, not {number}")
        more = f"\n(hint({number + 1}) says more)" if number < len(self.hints) else ""
        return _Text(textwrap.dedent(self.hints[number - 1]).strip() + more)

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


def close(expected: Any, got: Any) -> bool:
    """Equal up to the rounding of float64 arithmetic, for answers that may add in another order."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(
            got, expected, rtol=1e-9, atol=0, equal_nan=True
        )
    except (TypeError, ValueError):
        return False


def _copy(argument: Any) -> Any:
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _difference(expected: Any, got: Any) -> str:
    """What sets two results apart that are written alike: their type, or an entry."""
    kinds = [getattr(value, "dtype", None) or type(value).__name__ for value in (got, expected)]
    if kinds[0] != kinds[1]:
        return " (of type {}, not {})".format(*kinds)
    if np.ndim(got) and np.shape(got) == np.shape(expected):
        for place in np.argwhere(np.asarray(got) != np.asarray(expected)):
            values = (short(np.asarray(array)[tuple(place)]) for array in (got, expected))
            return " (entry {}: {}, not {})".format(place.tolist(), *values)
    return ""


def short(value: Any) -> str:
    """A value as a verdict writes it: long arrays cut, numbers without their type.

    >>> short((np.float32(0.5), np.arange(3)))
    '(0.5, array([0, 1, 2]))'
    """
    if isinstance(value, np.ndarray):
        return np.array2string(value, separator=", ", threshold=12, edgeitems=4)
    if isinstance(value, (float, np.floating)):
        return "nan" if math.isnan(value) else repr(float(value))
    if isinstance(value, np.generic):
        return repr(value.item())
    if type(value) in (list, tuple) and any(isinstance(v, np.generic) for v in value):
        return repr(type(value)(v.item() if isinstance(v, np.generic) else v for v in value))
    return repr(value)

"""The interactives: the bit inspector and the prediction box.

Python owns every number. A widget's synced trait `view` holds what is to be drawn, as text and
positions; the JavaScript in static/ draws it and sends back what the user did, which arrives at the
method `_do_…` of that name. What cannot be done is said beside the field and changes nothing.
Where there is no kernel, a notebook shows the widget's text and its still picture from `plots`.
"""

import base64
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets as t

from quantedu import plots
from quantedu.formats import FORMATS, FP16, FloatFormat

_STATIC = Path(__file__).parent / "static"


def _script(name: str) -> str:
    return "".join((_STATIC / file).read_text(encoding="utf-8") for file in ("dom.js", name))


class _Interactive(anywidget.AnyWidget):
    """What the widgets share: the view, the messages, the text and picture without a kernel."""

    _css = (_STATIC / "widgets.css").read_text(encoding="utf-8")
    view = t.Dict().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(self._answer)

    def _answer(self, _: Any, message: dict, buffers: Any) -> None:
        """Do what the user asked for, or say why not."""
        content = {key: value for key, value in message.items() if key != "do"}
        try:
            getattr(self, f"_do_{message['do']}")(**content)
        except (ValueError, t.TraitError) as error:
            self.view = {**self.view, "error": str(error)}

    def _do_hurry(self) -> None:
        """Nothing: that it was sent is all there is to it (see `tell` in dom.js)."""

    def _still(self) -> dict[str, str]:
        """What is shown without a kernel, beside the text of `repr`: data by MIME type."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({"text/plain": repr(self)}, {})
        return {**data, **self._still()}, metadata


def _png(axes: Any) -> dict[str, str]:
    return {"image/png": base64.b64encode(plots.to_png(axes)).decode()}


# The bit inspector


class _Number(NamedTuple):
    """What the inspector shows: a code, and the number it was to be where that is known."""

    fmt: FloatFormat
    code: int
    wanted: Fraction | float | None = None  # a float where it is ±0, infinite or NaN
    typed: str = ""


class BitInspector(_Interactive):
    """One number of a format, bit by bit: click, paint or type, and see what it means.

    Parameters
    ----------
    fmt : FloatFormat, up to 64 bits
    value : what to show first: text as it would be typed, or a number, which counts as it prints

    Attributes
    ----------
    fmt : FloatFormat; a new one keeps the number that was typed, else the present value
    code : int, 0 … 2^bits − 1
    typed : text; empty where the code was set otherwise. A decimal, a fraction "1/3", a power of
        two "2^-14", "-0", "inf" or "nan" is rounded to the nearest number of the format, once and
        exactly; hexadecimal "0x3C00" and binary "0b11" are codes
    value : float64, what the code means; setting it is typing it
    view : dict, what the browser draws; observe it to follow every change

    Raises
    ------
    TypeError, ValueError
        If `fmt` is no FloatFormat, `value` no number, or one that the format has no code for (NaN,
        or less than zero). An attribute raises TraitError for that, and nothing changes.

    Examples
    --------
    >>> inspector = BitInspector(FP16, "1/3")
    >>> inspector
    FP16 0x3555 = 0 01101 0101010101
    x = (−1)^0 · 2^(13 − 15) · (1 + 341/1024)
      = +1 · 2^-2 · 1.3330078125
      = 0.333251953125
    normal; next below 0.3330078125, next above 0.33349609375
    1/3 is stored with an error of −8.14·10^-5 (−0.0244 %)
    >>> inspector.code ^= 1 << 15
    >>> float(inspector.value)
    -0.333251953125
    """

    _esm = _script("bits.js")
    fmt = t.Instance(FloatFormat)
    code = t.Any()
    typed = t.Unicode()

    def __init__(self, fmt: FloatFormat = FP16, value: Any = "0.1") -> None:
        if not isinstance(fmt, FloatFormat):
            raise TypeError(f"fmt must be a FloatFormat such as qe.FP16, not {fmt!r}")
        shown = _read(fmt, value)
        super().__init__()
        self._formats = list(FORMATS)
        self._become(shown)

    @property
    def value(self) -> Any:
        """What the code means, float64."""
        return self.fmt.decode(self.code)

    @value.setter
    def value(self, value: Any) -> None:
        self.typed = str(value)

    def _become(self, shown: _Number) -> None:
        """The one place where the state changes: all of it at once."""
        if shown.fmt not in self._formats:
            self._formats.append(shown.fmt)
        self._shown = shown
        with self.hold_trait_notifications():
            self.fmt, self.code, self.typed = shown.fmt, shown.code, shown.typed
            self.view = _inspected(shown, self._formats)

    def _proposed(self, name: str, value: Any) -> _Number:
        """What setting one trait leads to; ValueError says why it cannot be."""
        shown = self._shown
        if value is getattr(shown, name):  # set by `_become`
            return shown
        if name == "fmt":
            return _converted(shown, value)
        if name == "typed":
            return _read(shown.fmt, value)
        return _Number(shown.fmt, _checked(shown.fmt, value))

    @t.validate("fmt", "code", "typed")
    def _at_the_door(self, proposal: Any) -> Any:
        name = proposal.trait.name
        try:
            return getattr(self._proposed(name, proposal.value), name)
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.observe("fmt", "code", "typed")
    def _follow(self, change: Any) -> None:
        if change.new != getattr(self._shown, change.name):
            self._become(self._proposed(change.name, change.new))

    def _do_set(self, bits: list[int], on: bool) -> None:
        mask = sum(1 << bit for bit in set(bits))
        self._become(_Number(self.fmt, self.code | mask if on else self.code & ~mask))

    def _do_flip(self, bit: int) -> None:
        self._become(_Number(self.fmt, self.code ^ (1 << bit)))

    def _do_step(self, to: str) -> None:
        below, above = self.fmt.neighbours(self.value)
        self._become(_Number(self.fmt, int(self.fmt.encode(below if to == "below" else above))))

    def _do_type(self, text: str) -> None:
        self._become(_read(self.fmt, text))

    def _do_format(self, index: int) -> None:
        self._become(_converted(self._shown, self._formats[index]))

    def __repr__(self) -> str:
        view = self.view
        beside = ", ".join(f"next {side} {view[side] or 'none'}" for side in ("below", "above"))
        said = [self.fmt.explain(self.code), f"{view['kind']}; {beside}", view["rounding"]]
        return "\n".join(filter(None, said))

    def _still(self) -> dict[str, str]:
        return _png(plots.bits(self.fmt, self.code))


def _read(fmt: FloatFormat, text: Any) -> _Number:
    """What a text stands for in a format: a code, or a number that is rounded to one."""
    text = str(text).strip()
    code = re.fullmatch(r"0([xb])([\w ]*)", text.lower())
    if code is None:
        wanted = _number(text)
        return _Number(fmt, _nearest(fmt, wanted), wanted, text)
    base, digits = (16, "0 to 9 and A to F") if code[1] == "x" else (2, "0 and 1")
    try:
        number = int(re.sub("[_ ]", "", code[2]), base)
    except ValueError:
        raise ValueError(f"{_short(text)} is no code: 0{code[1]} takes digits {digits}") from None
    return _Number(fmt, _checked(fmt, number), None, text)


def _checked(fmt: FloatFormat, code: Any) -> int:
    if not isinstance(code, (int, np.integer)) or isinstance(code, bool):
        raise ValueError(f"a code is an integer, not {code!r}; to set a number, set value")
    code = int(code)
    if not 0 <= code < 2**fmt.bits:
        text = f"{'-' * (code < 0)}0x{abs(code):X}"
        raise ValueError(
            f"{_short(text)} is no code of {fmt.name}, "
            f"whose {fmt.bits} bits hold 0x0 to 0x{2**fmt.bits - 1:X}"
        )
    return code


def _number(text: str) -> Fraction | float:
    """The exact number that a text stands for; a float for ±0, infinity and NaN."""
    plain = text.strip().lower().replace("−", "-")
    if re.fullmatch(r"[+-]?(inf|infinity|∞|nan)", plain):
        return float(plain.replace("∞", "inf"))
    power = re.fullmatch(r"([+-]?)2(?:\^|\*\*)\(?([+-]?\d{1,4})\)?", plain)
    if power:
        return Fraction(2) ** int(power[2]) * (-1 if power[1] == "-" else 1)
    pattern = r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?)"
    try:
        exact = Fraction(plain if re.fullmatch(pattern, plain) and len(plain) < 2000 else "")
    except ZeroDivisionError:
        raise ValueError(f"{_short(text)} divides by zero; for infinity type inf") from None
    except ValueError:
        what = f"“{_short(text)}” cannot be read as a number" if text else "there is no number"
        known = "type one such as 0.1, 1e-3, 1/3, 2^-14, -0, inf or nan"
        raise ValueError(f"{what}; {known}") from None
    return exact or (-0.0 if plain.startswith("-") else 0.0)


def _nearest(fmt: FloatFormat, wanted: Fraction | float) -> int:
    """The code of the nearest number, ties to the even mantissa: rounded once, exactly."""
    if not fmt.has_nan and _is_nan(wanted):
        raise ValueError(f"{fmt.name} has no NaN: each of its codes is a number")
    if wanted < 0 and not fmt.signed:
        raise ValueError(f"{fmt.name} has no sign: it holds nothing below zero")
    if isinstance(wanted, float):
        return int(fmt.encode(wanted))
    size = abs(wanted)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    ulp = Fraction(2) ** (max(exponent, fmt.min_exponent) - fmt.mantissa_bits)
    units = round(size / ulp)  # ties to even
    if not fmt.subnormals:
        units = max(units, 1)  # there is no zero to round to
    try:
        x = float(units * ulp)  # exact: it has no more bits than the format
    except OverflowError:
        x = math.inf
    return int(fmt.encode(x if wanted > 0 else -x))


def _is_nan(x: Fraction | float) -> bool:
    return isinstance(x, float) and math.isnan(x)  # a Fraction may be too large for math


def _is_finite(x: Fraction | float) -> bool:
    return isinstance(x, Fraction) or math.isfinite(x)


def _converted(shown: _Number, fmt: FloatFormat) -> _Number:
    """The same number in another format: the wanted one, not what the first made of it."""
    wanted, typed = shown.wanted, shown.typed
    if wanted is None:
        value = float(shown.fmt.decode(shown.code))
        wanted = Fraction(value) if value and math.isfinite(value) else value
        typed = _plain(value)
    return _Number(fmt, _nearest(fmt, wanted), wanted, typed)


def _inspected(shown: _Number, formats: list[FloatFormat]) -> dict[str, Any]:
    """What the browser draws: text, bits and positions."""
    fmt, code = shown.fmt, shown.code
    value = float(fmt.decode(code))
    heading, *formula, last = fmt.explain(code).split("\n")
    reason, _, result = last.rpartition(": ")  # of infinity and NaN
    names = ("sign", "exponent", "mantissa")
    counts = (int(fmt.signed), fmt.exponent_bits, fmt.mantissa_bits)
    present = [(*field,) for field in zip(names, counts, fmt.split(code)) if field[1]]
    below, above = (float(x) for x in fmt.neighbours(value))
    return {
        "formats": [one.name for one in formats],
        "format": formats.index(fmt),
        "aloud": f"{fmt.name}: {', '.join(f'{count} {name}' for name, count, _ in present)} bits",
        "fields": [
            {"name": name, "letter": name[0].upper(), "bits": bits, "held": str(held)}
            for (name, _, held), bits in zip(present, heading.rpartition("= ")[2].split())
        ],
        "text": shown.typed or _plain(value),
        "error": "",
        "formula": formula or [reason],
        "value": result.removeprefix("  = "),
        "kind": str(fmt.classify(code)),
        "hex": f"0x{code:0{-(-fmt.bits // 4)}X}",
        "below": "" if math.isnan(below) else _plain(below),
        "above": "" if math.isnan(above) else _plain(above),
        "places": [_place(x, below, above) for x in (value, shown.wanted)],
        "rounding": _rounding(shown, value),
    }


def _place(x: Any, below: float, above: float) -> float | None:
    """Where x lies between two numbers, from 0 to 1; what is outside is drawn at the end."""
    if x is None or not (_is_finite(x) and _is_finite(below) and _is_finite(above)):
        return None
    place = (Fraction(x) - Fraction(below)) / (Fraction(above) - Fraction(below))
    return float(min(max(place, Fraction(0)), Fraction(1)))


def _rounding(shown: _Number, value: float) -> str:
    """One sentence on what became of the number that was typed."""
    fmt, wanted, typed = shown.fmt, shown.wanted, _short(shown.typed)
    if wanted is None or _is_nan(wanted):
        return ""
    if wanted == value:
        lost = wanted == 0 and math.copysign(1, wanted) != math.copysign(1, value)
        return f"{fmt.name} has no −0: it becomes 0" if lost else f"{typed} is stored exactly"
    limit = f"the largest number of {fmt.name} is {_plain(fmt.max)}"
    if not (_is_finite(wanted) and _is_finite(value)):
        if wanted == 0:
            return f"{fmt.name} has no zero: it becomes NaN"
        without = "" if fmt.has_infinity else ", and there is no infinity"
        return f"{limit}{without}: {typed} becomes {_plain(value).replace('nan', 'NaN')}"
    error, size = Fraction(value) - Fraction(wanted), abs(Fraction(wanted))
    relative, beyond = _few(100 * error / size), f"; {limit}" if size > fmt.max else ""
    return f"{typed} is stored with an error of {_few(error)} ({relative} %){beyond}"


def _few(x: Fraction) -> str:
    """A number in three digits."""
    size = abs(Decimal(x.numerator) / Decimal(x.denominator))
    digits, power = f"{size:.2e}".split("e")
    return "−" * (x < 0) + (f"{size:.3g}" if -4 < int(power) < 6 else f"{digits}·10^{int(power)}")


def _plain(x: float) -> str:
    return repr(x).removesuffix(".0")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:24]} … {text[-12:]}"


# The prediction box

_asked: dict[str, "Prediction"] = {}


def predict(question: str, options: Iterable[str] | None = None, unit: str = "") -> "Prediction":
    """A question to answer before the cells below it run; `compare` shows later what was predicted.

    Asked again in the same kernel, a question keeps its answer. Text between backticks is shown as
    code.

    Parameters
    ----------
    question : text
    options : the answers to choose from; None asks for a number
    unit : shown behind the number

    Returns
    -------
    Prediction

    Raises
    ------
    TypeError, ValueError
        If question, options or unit are not text, or options are fewer than two or repeat.

    Examples
    --------
    >>> guess = predict("What is 10**6 in FP16?", ["1000000", "999424", "inf"])
    >>> guess
    Predict: What is 10**6 in FP16?
      ( ) 1000000
      ( ) 999424
      ( ) inf
    >>> guess.compare("inf", because="FP16 ends at 65504.")
    You predicted: no prediction yet
    Answer: inf
    FP16 ends at 65504.
    """
    chosen = () if options is None else tuple(options)
    if isinstance(options, str) or not all(isinstance(x, str) for x in (question, unit, *chosen)):
        raise TypeError("question and unit must be text, options a list of texts")
    if options is not None and len(set(chosen)) != max(len(chosen), 2):
        raise ValueError(f"options must be at least two, all different, not {list(chosen)}")
    known = _asked.get(question)
    if known is not None and (known.options, known.unit) == (chosen, unit):
        return known
    if known is not None:
        known.close()
    _asked[question] = Prediction(question, chosen, unit)
    return _asked[question]


class Prediction(_Interactive):
    """What `predict` gives: the question, and what was predicted.

    Attributes
    ----------
    predicted : text, one of `options`, or a number as `BitInspector` reads it; empty at first

    Examples
    --------
    >>> guess = predict("How many codes have 4 bits?", unit="codes")
    >>> guess.predicted = "16"
    >>> guess
    Predict: How many codes have 4 bits?
      16 codes
    >>> isinstance(guess, Prediction)
    True
    """

    _esm = _script("predict.js")
    predicted = t.Unicode()

    def __init__(self, question: str, options: tuple[str, ...], unit: str) -> None:
        self.question, self.options, self.unit = question, options, unit
        self._comparison: _Comparison | None = None
        super().__init__()
        self._follow()

    @t.validate("predicted")
    def _at_the_door(self, proposal: Any) -> str:
        text = proposal.value.strip()
        if text and self.options and text not in self.options:
            raise t.TraitError(f"{text!r} is none of the options: {', '.join(self.options)}")
        try:
            if text and not self.options:
                _number(text)
        except ValueError as error:
            raise t.TraitError(str(error)) from None
        return text

    @t.observe("predicted")
    def _follow(self, change: Any = None) -> None:
        self.view = {
            "question": self.question,
            "options": list(self.options),
            "unit": self.unit,
            "predicted": self.predicted,
            "said": "Kept for later." if self.predicted else "Guess first; nothing is graded.",
            "error": "",
        }
        if self._comparison is not None:
            self._comparison.show(self)

    def _do_predict(self, text: str) -> None:
        self.predicted = text
        self._follow()

    def compare(self, answer: Any, because: str = "") -> "_Comparison":
        """The prediction beside the answer; it follows a prediction that is made later.

        Parameters
        ----------
        answer : one of the options; for a number, the number or text
        because : the reason, in a sentence

        Raises
        ------
        ValueError
            If the answer is none of the options.
        """
        if self.options and answer not in self.options:
            raise ValueError(f"the answer {answer!r} is none of the options {list(self.options)}")
        if self._comparison is None or self._comparison.comm is None:  # never made, or closed
            self._comparison = _Comparison()
        self._comparison.answer, self._comparison.because = str(answer), because
        self._comparison.show(self)
        return self._comparison

    def close(self) -> None:
        """Take the box and its comparison off the page, and forget what was predicted.

        >>> guess = predict("Is it closed?", ["yes", "no"])
        >>> guess.predicted = "yes"
        >>> guess.close()
        >>> predict("Is it closed?", ["yes", "no"]).predicted
        ''
        """
        if _asked.get(self.question) is self:
            del _asked[self.question]
        if self._comparison is not None:
            self._comparison.close()
        super().close()

    def __repr__(self) -> str:
        marks = [f"({'•' if o == self.predicted else ' '}) {o}" for o in self.options]
        blank = f"{self.predicted or '____'} {self.unit}".rstrip()
        return "\n  ".join([f"Predict: {self.question}", *(marks or [blank])])

    def _still(self) -> dict[str, str]:
        marks = [f"- {'●' if o == self.predicted else '○'} {o}" for o in self.options]
        blank = f"{self.predicted or '…'} {self.unit}".rstrip()
        lines = [f"**Predict** {self.question}", "", *(marks or [blank])]
        return {"text/markdown": "\n".join(lines)}


class _Comparison(_Interactive):
    """What `Prediction.compare` gives."""

    _esm = _script("predict.js")
    answer = because = ""

    def show(self, box: Prediction) -> None:
        mine, answer = (f"{text} {box.unit}".rstrip() for text in (box.predicted, self.answer))
        rows = [["You predicted", mine if box.predicted else "no prediction yet"]]
        self.view = {"rows": [*rows, ["Answer", answer]], "because": self.because}

    def __repr__(self) -> str:
        lines = [f"{name}: {text}" for name, text in self.view["rows"]]
        return "\n".join(filter(None, [*lines, self.because]))

    def _still(self) -> dict[str, str]:
        rows = " · ".join(f"{name}: **{text}**" for name, text in self.view["rows"])
        return {"text/markdown": "\n\n".join(filter(None, [rows, self.because]))}

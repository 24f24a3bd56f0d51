"""The pictures of the course: functions that draw into Axes and give them back.

With `ax=None` they make a figure of notebook width, which the notebook shows; else they draw into
the Axes given. Colours are Okabe and Ito's (Color Universal Design, 2008), which colour-blind
readers can tell apart, and never the only sign: fields carry letters, classes and formats shapes of
their own. What is drawn can be read back: artists carry the name of what they show as their `gid`.
Titles stand at the left: `ax.set_title(text, loc="left")` replaces one.
"""

import functools
import io
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.markers import TICKDOWN, TICKUP
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from quantedu.formats import FORMATS, TF32, FloatFormat

FIELD_COLORS = {"sign": "#CC79A7", "exponent": "#E69F00", "mantissa": "#56B4E9"}
CLASSES = {  # color and marker; normal numbers stand on the line, subnormal ones hang from it
    "zero": ("#000000", "o"),
    "subnormal": ("#D55E00", TICKDOWN),
    "normal": ("#0072B2", TICKUP),
    "infinity": ("#009E73", ">"),
    "NaN": ("#CC79A7", "X"),
}
ORIGINAL, QUANTIZED, ERROR = "#8C8C8C", "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#D8D8D8"
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
LINE_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MONOSPACE = "DejaVu Sans Mono"  # comes with Matplotlib, like the next
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.edgecolor": "#666666",
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
    "figure.constrained_layout.use": True,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "white"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}

Formats = FloatFormat | Iterable[FloatFormat]
P = ParamSpec("P")
R = TypeVar("R")


def _styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in our style, whatever the notebook's is, and leave that as it was."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


# How bits are laid out


@_styled
def bit_layout(formats: Formats = FORMATS, ax: Axes | None = None) -> Axes:
    """Sign, exponent and mantissa of formats, to scale: one row a format.

    Parameters
    ----------
    formats : FloatFormat, or several
    ax : Axes to draw into; None makes a figure

    Returns
    -------
    Axes; the `gid` of a bar is the format's name and the field

    Raises
    ------
    TypeError, ValueError
        If `formats` are not formats, or none; if `ax` is no Axes.

    Examples
    --------
    >>> from quantedu.formats import BF16, FP16
    >>> to_png(bit_layout([FP16, BF16]))[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    ax = _axes(ax, (8.5, 0.8 + 0.3 * len(formats)))
    longest = max(32 if fmt == TF32 else fmt.bits for fmt in formats)
    for row, fmt in enumerate(formats):
        _draw_fields(ax, fmt, row, _width(ax) / (1.1 * longest))
        end, word = fmt.bits, ""
        if fmt == TF32:
            ax.barh(row, 32 - end, 0.76, end, fill=False, edgecolor=ORIGINAL, hatch="....", lw=0.8)
            end, word = 32, ", kept in a 32-bit word"
        free = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps the grid off the text
        _beside(ax, f"{fmt.bits} bits{word}", end, row, bbox=free)
    ax.set(title="Where the bits go: sign S, exponent E, mantissa M", xlabel="bits")
    ax.set(xlim=(0, 1.1 * longest), ylim=(len(formats) - 0.45, -0.55))
    ax.set_xticks([word for word in (0, 4, 8, 16, 32, 64) if word <= longest])
    ax.set_yticks(range(len(formats)), [fmt.name for fmt in formats])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=FAINT)
    ax.set_axisbelow(True)
    return ax


@_styled
def bits(fmt: FloatFormat, code: Any, ax: Axes | None = None) -> Axes:
    """The bits of one code, in boxes by field, with the formula and the exact value underneath.

    Parameters
    ----------
    fmt : FloatFormat
    code : integer, 0 … 2^bits − 1
    ax : Axes to draw into; None makes a figure

    Returns
    -------
    Axes; the text below the boxes is that of `fmt.explain(code)`

    Raises
    ------
    TypeError, ValueError
        If `fmt` is no format, `code` none of its codes, or `ax` no Axes.

    Examples
    --------
    >>> from quantedu.formats import FP16
    >>> to_png(bits(FP16, 0xC100))[1:4]
    b'PNG'
    """
    _require_format(fmt)
    heading, *formula = fmt.explain(code).split("\n")
    kind = str(fmt.classify(code))
    digits = f"{int(code):0{fmt.bits}b}"
    per_row = 16 if fmt.bits <= 16 else 32
    rows = -(-fmt.bits // per_row)
    ax = _axes(ax, (8.5, 0.55 + 0.82 * rows + 0.17 * len(formula)))
    for (name, start, count), value in zip(_fields(fmt), fmt.split(code)):
        for index in range(start, start + count):
            number = fmt.bits - 1 - index
            _draw_bit(ax, index % per_row, -2.15 * (index // per_row), name, digits[index], number)
        for row in range(rows):
            left = max(start - row * per_row, 0)
            right = min(start + count - row * per_row, per_row)
            if left >= right:
                continue
            y = -2.15 * row - 0.18
            ax.plot([left + 0.07, right - 0.07], [y, y], color=FIELD_COLORS[name], lw=2.5)
            label = f"{name} {name[0].upper()}" if right - left > 4 else name[0].upper()
            ends_here = start + count <= (row + 1) * per_row
            label += f" = {value}" if ends_here else ", continued below"
            ax.text((left + right) / 2, y - 0.15, label, ha="center", va="top", fontsize=8)
    y = 1.3 - 2.15 * rows
    ax.text(0.05, y, "\n".join(formula), va="top", size=8.5, family=MONOSPACE, linespacing=1.4)
    what = f"is a {kind} number" if kind in ("normal", "subnormal") else f"is {kind}"
    ax.set_title(f"{heading.split(' = ')[0]} {what}")
    ax.set(xlim=(0, per_row), ylim=(y - 0.5 * len(formula) - 0.15, 1.4))
    ax.axis("off")
    return ax


def _draw_bit(ax: Axes, x: float, y: float, field: str, digit: str, number: int) -> None:
    """One box: pale for 0, full for 1, with the bit's number above it."""
    color = FIELD_COLORS[field]
    fill = color if digit == "1" else _tint(color)
    ax.add_patch(plt.Rectangle((x + 0.05, y), 0.9, 1, facecolor=fill, edgecolor=color, gid=field))
    weight = "bold" if digit == "1" else "normal"
    ax.text(x + 0.5, y + 0.48, digit, ha="center", va="center", fontsize=11, weight=weight)
    ax.text(x + 0.5, y + 1.2, str(number), ha="center", va="center", fontsize=6.5, color="#555555")


def _fields(fmt: FloatFormat) -> list[tuple[str, int, int]]:
    """Name, first place from the left, and number of bits of the three fields."""
    sign, exponent = int(fmt.signed), fmt.exponent_bits
    starts, counts = (0, sign, sign + exponent), (sign, exponent, fmt.mantissa_bits)
    return list(zip(FIELD_COLORS, starts, counts))


def _draw_fields(ax: Axes, fmt: FloatFormat, y: float, points_per_bit: float) -> None:
    """A format's fields as one row of bars, with a notch after every bit."""
    for name, start, count in _fields(fmt):
        if count:
            color = FIELD_COLORS[name]
            ax.barh(y, count, 0.76, start, color=color, gid=f"{fmt.name} {name}")
            label = f"{name[0].upper()} {count}"
            label = label if 4.4 * len(label) < points_per_bit * count else label[0]
            middle = start + count / 2
            ax.text(middle, y, label, ha="center", va="center_baseline", fontsize=7.5)
    for low, high in ((-0.38, -0.24), (0.24, 0.38)):
        ax.vlines(range(1, fmt.bits), y + low, y + high, color="white", lw=0.6)


# Where the numbers of a format lie


@_styled
def number_line(
    fmt: FloatFormat,
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Every number of a format on a line, marked by its class.

    Infinity and NaN, which have no place on the line, and zero on a logarithmic one, stand at its
    ends. The legend counts the codes of each class in the whole format.

    Parameters
    ----------
    fmt : FloatFormat of up to 16 bits
    log : False for all numbers on a linear axis, True for the positive ones on a logarithmic one
    low, high : the part of the line to show; by default all of it
    ax : Axes to draw into; None makes a figure

    Returns
    -------
    Axes; one line artist a class, its `gid` the name of the class, its x the numbers themselves.
        Of more than 256 numbers one in two, one in four … is drawn, as the axis then says.

    Raises
    ------
    TypeError, ValueError
        If `fmt` is no format or has more than 16 bits; if low … high is no interval or, on a
        logarithmic line, not positive; if `ax` is no Axes.

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> ax = number_line(E2M1, log=True)
    >>> [line.get_xdata().tolist() for line in ax.lines if line.get_gid() == "subnormal"]
    [[0.5]]
    >>> plt.close(ax.figure)
    """
    _require_format(fmt)
    values = fmt.values()
    classes = fmt.classify(np.arange(values.size))
    finite = np.isfinite(values) & ((values > 0) | (not log))
    low = float(values[finite].min()) if low is None else low
    high = float(values[finite].max()) if high is None else high
    _require_interval(low, high, positive=log)
    ax = _axes(ax, (8.5, 1.9))
    if log:
        _log2_axis(ax.xaxis, low, high)
    else:
        room = 0.045 * (high - low)
        ax.set_xlim(low - room, high + room)
    ax.axhline(0, color=FAINT, lw=1, zorder=0)
    inside = finite & (values >= low) & (values <= high)
    stride = _stride(int(np.count_nonzero(inside)))
    handles = []
    for kind, (color, marker) in CLASSES.items():
        shape: dict[str, Any] = {"color": color, "marker": marker, "ls": "none", "ms": 6, "mew": 0}
        if kind in ("subnormal", "normal"):
            shape |= {"ms": 26 if kind == "normal" else 18, "mew": 0.9 if fmt.bits > 6 else 2.0}
        x = _every(stride, values[inside & (classes == kind)])
        if x.size:
            ax.plot(x, np.zeros(x.size), gid=kind, zorder=3 if kind == "zero" else 2, **shape)
        label = f"{kind}: {np.count_nonzero(classes == kind):,}"
        handles.append(plt.Line2D([], [], label=label, **(shape | {"ms": 8, "mew": 2})))
    _draw_beyond(ax, values, log)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.98), "ncols": 5}
    ax.legend(handles=handles, handletextpad=0.2, **place)
    if log:
        title = f"{_numbers(2**fmt.mantissa_bits)} from each power of two to the next"
    else:
        half, limit = f"{np.median(np.abs(values[finite])):.4g}", _short(fmt.max)
        words = ("within ±", "within ±") if fmt.signed else ("at or below ", "up to ")
        title = f"half of the numbers lie {words[0]}{half}, all {words[1]}{limit}"
    ax.set_title(f"{fmt.name}: {title}", pad=24)
    sparse = f"; one number in {stride} is drawn" if stride > 1 else ""
    ax.set(ylim=(-1, 1.2), yticks=[])
    ax.set_xlabel(f"value ({'logarithmic' if log else 'linear'}{sparse})")
    ax.spines["left"].set_visible(False)
    return ax


def _draw_beyond(ax: Axes, values: np.ndarray, log: bool) -> None:
    """What has no place on the line, at its ends."""
    ends = (
        (np.isposinf(values).any(), 0.985, 0, "infinity", "+∞", ">"),
        (np.isneginf(values).any() and not log, 0.015, 0, "infinity", "−∞", "<"),
        (np.isnan(values).any(), 0.985, -0.75, "NaN", "NaN", "X"),
        ((values == 0).any() and log, 0.015, 0, "zero", "0", "o"),
    )
    across = ax.get_yaxis_transform()  # x in fractions of the Axes
    for there, x, y, kind, label, marker in ends:
        if there:
            shape: dict[str, Any] = {"color": CLASSES[kind][0], "marker": marker, "mew": 0, "ms": 6}
            ax.plot([x], [y], gid=f"{kind} at the end", transform=across, **shape)
            ax.text(x, y + 0.2, label, transform=across, ha="center", va="bottom", fontsize=8)


def _stride(count: int) -> int:
    """The power of two such that at most 256 of `count` numbers are left."""
    return 2 ** max(0, math.ceil(math.log2(max(count, 1) / 256)))


def _every(stride: int, x: np.ndarray) -> np.ndarray:
    """Every stride-th of the numbers in the order of their codes, the smallest and the largest."""
    if stride == 1 or not x.size:
        return x
    return np.unique(np.concatenate([x[::stride], [x.min(), x.max()]]))


@_styled
def split_budget(exponent_bits: int, mantissa_bits: int, ax: Axes | None = None) -> Axes:
    """What a fixed number of bits buys: range with exponent bits, precision with mantissa bits.

    All splits are drawn with every code finite (specials="finite") and the usual bias, and all
    splits of one budget on the axis of its longest range (of 8 exponent bits at most, if this one
    has no more), so that they compare.

    Parameters
    ----------
    exponent_bits : 1 … 10
    mantissa_bits : 0 or more; with the sign at most 16 bits together
    ax : Axes to draw into; None makes a figure

    Returns
    -------
    Axes; the line with the `gid` "numbers" holds the positive numbers, thinned as in `number_line`

    Raises
    ------
    TypeError, ValueError
        If there is no such format or it has more than 16 bits; if `ax` is no Axes.

    Examples
    --------
    >>> ax = split_budget(4, 3)
    >>> print(ax.get_title(loc="left"))
    8 bits as 1 + 4 + 3: from 2^-9 to 480, 8 numbers to each doubling
    >>> to_png(ax)[1:4]
    b'PNG'
    """
    fmt = _all_finite(exponent_bits, mantissa_bits)
    values = fmt.values()
    positive = values[values > 0]
    most = max(min(fmt.bits - 1, 8), exponent_bits)
    widest = _all_finite(most, fmt.bits - 1 - most)
    ax = _axes(ax, (8.5, 2.9))
    _log2_axis(ax.xaxis, widest.smallest_subnormal, widest.max, margin=0.02)
    stride = _stride(positive.size)
    x = _every(stride, positive)
    ax.plot(x, np.zeros(x.size), gid="numbers", ls="none", marker="none")
    ax.vlines(x, 0, 0.24, color=QUANTIZED, lw=0.6)

    one = 2.0 ** max(fmt.min_exponent, 0)
    near = positive[(positive >= one) & (positive <= 2 * one)]
    zoom = ax.inset_axes((0.02, 0.47, 0.96, 0.15), gid="zoom")
    zoom.plot(near, np.zeros(near.size), marker=TICKUP, ms=16, color=QUANTIZED, ls="none")
    zoom.set(xlim=(one, 2 * one), ylim=(0, 1), yticks=[], xticks=[one, 1.5 * one, 2 * one])
    zoom.xaxis.set_major_formatter("{x:g}")
    zoom.tick_params(labelsize=8, pad=1, length=2)
    zoom.spines["left"].set_visible(False)
    line = {"arrowstyle": "-", "color": ORIGINAL, "lw": 0.7}
    for below, above in ((one, 0.02), (2 * one, 0.98)):
        ax.annotate("", (below, 0.25), (above, 0.38), "data", "axes fraction", arrowprops=line)
    strip = ax.inset_axes((0.0, 0.79, 0.42, 0.18), gid="bits")
    strip.set(xlim=(0, fmt.bits), ylim=(-0.5, 0.5))
    strip.axis("off")
    _draw_fields(strip, fmt, 0, 0.42 * _width(ax) / fmt.bits)

    decades = math.log10(fmt.max) - math.log10(fmt.smallest_subnormal)
    worst = 2 ** (mantissa_bits + 1) + 1
    stated = (
        f"range: {decades:.1f} decades\n"
        f"precision: {mantissa_bits + 1} significand bit{'s' if mantissa_bits else ''}; rounding\n"
        f"a normal number errs by at most 1/{worst} = {100 / worst:.2g} %"
    )
    ax.text(0.46, 0.98, stated, transform=ax.transAxes, va="top", linespacing=1.4)
    ax.set_title(
        f"{fmt.bits} bits as 1 + {exponent_bits} + {mantissa_bits}: "
        f"from 2^{round(math.log2(fmt.smallest_subnormal))} to {_short(fmt.max)}, "
        f"{_numbers(2**mantissa_bits)} to each doubling"
    )
    drawn = "every positive number" if stride == 1 else f"one in {stride} of the positive numbers"
    ax.set(ylim=(0, 1), yticks=[], xlabel=f"{drawn} of {fmt.name} (logarithmic)")
    ax.spines["left"].set_visible(False)
    return ax


def _all_finite(exponent_bits: int, mantissa_bits: int) -> FloatFormat:
    name = f"E{exponent_bits}M{mantissa_bits}"
    return FloatFormat(name, exponent_bits, mantissa_bits, specials="finite")


# Formats beside one another


@_styled
def range_precision(
    formats: Formats = FORMATS, ax: Axes | None = None, tables: Mapping[str, Any] | None = None
) -> Axes:
    """The map of formats: a bar from the smallest to the largest number, at its precision.

    Parameters
    ----------
    formats : FloatFormat, or several
    ax : Axes to draw into; None makes a figure
    tables : levels [K] by name, of formats that are a table of numbers and have no fields (NF4);
        drawn apart

    Returns
    -------
    Axes; x is log2 of the number. The `gid` of a bar is the format's name, with "subnormal" after
        it for that part. What reaches beyond 2^±160 goes off the map if others do not.

    Raises
    ------
    TypeError, ValueError
        If `formats` are not formats, or none; if a table has no positive level; if `ax` is no Axes.

    Examples
    --------
    >>> from quantedu.formats import BF16, FP16
    >>> to_png(range_precision([FP16, BF16], tables={"thirds": [-1, 0, 1 / 3, 1]}))[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    levels = {name: _as_levels(name, table) for name, table in (tables or {}).items()}
    ends = {fmt: (math.log2(fmt.smallest_subnormal), math.log2(fmt.max)) for fmt in formats}
    shown = [end for end in ends.values() if max(map(abs, end)) <= 160] or list(ends.values())
    first, last = min(low for low, _ in shown), max(high for _, high in shown)
    left, right = first - 0.05 * (last - first), last + 0.05 * (last - first)
    bands = sorted({fmt.mantissa_bits for fmt in formats}, reverse=True)
    rows = len(formats) + len(levels) + 0.5 * (len(bands) + bool(levels))
    ax = _axes(ax, (8.5, max(1.9, 0.9 + 0.27 * rows)))
    y, ticks = 0.0, []
    for band in bands:
        members = sorted((f for f in formats if f.mantissa_bits == band), key=lambda f: ends[f])
        ticks.append((y + (len(members) - 1) / 2, f"{band + 1}  ($\\epsilon = 2^{{{-band}}}$)"))
        for fmt in members:
            _draw_range(ax, fmt, y, left, right)
            y += 1
        ax.axhline(y - 0.25, color=FAINT, lw=0.8, zorder=0)
        y += 0.5
    for name, table in levels.items():
        x = np.log2(table[table > 0])
        ax.plot(x, np.full(x.size, y), "D", ms=4, color=INK, gid=name)
        _beside(ax, f" {name}: a table of {table.size} levels, to be scaled", x.max(), y)
        ticks.append((y, "no fields"))
        y += 1
    ax.set_yticks(*zip(*ticks))
    ax.set(xlim=(left, right), ylim=(y - (0.4 if levels else 0.9), -0.6))
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(FixedLocator(_round_exponents(first, last)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda exponent, _: _power(exponent)))
    ax.axvline(0, color=FAINT, lw=0.8, zorder=0)
    ax.set_title("Exponent bits buy range (longer bars), mantissa bits precision (higher up)")
    ax.set(xlabel="positive numbers (hatched: subnormal)", ylabel="significand bits")
    return ax


def _draw_range(ax: Axes, fmt: FloatFormat, y: float, left: float, right: float) -> None:
    """One bar of the map, its name and limits inside it, or beside it where there is more room."""
    numbers = (fmt.smallest_subnormal, fmt.smallest_normal, fmt.max)
    smallest, normal, largest = (math.log2(x) for x in numbers)
    start, middle, end = np.clip([smallest, normal, largest], left, right)
    color = CLASSES["subnormal"][0]
    look: dict[str, Any] = {"facecolor": _tint(color), "edgecolor": color, "hatch": "/////"}
    if middle > start:
        ax.barh(y, middle - start, 0.74, start, lw=0, gid=f"{fmt.name} subnormal", **look)
    ax.barh(y, end - middle, 0.74, middle, color=CLASSES["normal"][0], gid=fmt.name)
    label = f"{fmt.name}: {_power(smallest)} … {_short(fmt.max)}"
    if start > smallest or end < largest:
        label += " (off the map)"
        for x, marker in ((0.985, "<"), (0.015, ">")):
            ax.plot(x * left + (1 - x) * right, y, marker, color="white", ms=8, mew=0)
    if end - middle > 0.45 * (right - left):
        ax.text((middle + end) / 2, y, label, ha="center", va="center_baseline", color="white")
    elif right - end >= start - left:
        _beside(ax, label, end, y)
    else:
        _beside(ax, label, start, y, side=-1)


@_styled
def spacing(
    formats: Formats, ax: Axes | None = None, low: float | None = None, high: float | None = None
) -> Axes:
    """Distance from a number to the next larger one (ulp), against its magnitude.

    Parameters
    ----------
    formats : FloatFormat, or several
    ax : Axes to draw into; None makes a figure
    low, high : the magnitudes to show; by default those of the formats, within 2^-26 … 2^18

    Returns
    -------
    Axes; one line a format, its `gid` the name, with a point wherever the distance changes

    Raises
    ------
    TypeError, ValueError
        If `formats` are not formats, or none; if low … high is no positive interval, or holds no
        number; if `ax` is no Axes.

    Examples
    --------
    >>> from quantedu.formats import BF16, FP16
    >>> ax = spacing([FP16, BF16])
    >>> float(ax.lines[0].get_ydata()[-1])      # the last step of FP16, from 32768 to 65504
    32.0
    >>> to_png(ax)[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    curves = []
    for fmt in formats:
        first = round(math.log2(fmt.smallest_subnormal))
        exponents = np.array([first, *range(fmt.min_exponent + 1, fmt.max_exponent + 1)])
        ulp = np.ldexp(1.0, np.maximum(exponents, fmt.min_exponent) - fmt.mantissa_bits)
        curves.append((np.append(np.ldexp(1.0, exponents), fmt.max), np.append(ulp, ulp[-1])))
    ax = _draw_lines(ax, formats, curves, *_magnitudes(formats, low, high))
    ax.set_title("The distance to the next number doubles with every power of two")
    ax.set(xlabel="magnitude of the number", ylabel="distance to the next (ulp)")
    return ax


@_styled
def errors_against_magnitude(
    formats: Formats, ax: Axes | None = None, low: float | None = None, high: float | None = None
) -> Axes:
    """The largest relative error of rounding to nearest, against the magnitude of what is rounded.

    Parameters
    ----------
    formats : FloatFormat, or several
    ax : Axes to draw into; None makes a figure
    low, high : the magnitudes to show; by default those of the formats and a little below, within
        2^-26 … 2^18

    Returns
    -------
    Axes; one line a format, its `gid` the name: for every doubling the largest relative error
        |round(x) − x| / x of 512 numbers and the tie above the power of two. It is 1 where all
        becomes zero, and ends with the format.

    Raises
    ------
    TypeError, ValueError
        If `formats` are not formats, or none, or so precise that float64 cannot measure their
        errors; if low … high is no positive interval, or holds no number; if `ax` is no Axes.

    Examples
    --------
    >>> from quantedu.formats import BF16, FP16
    >>> to_png(errors_against_magnitude([FP16, BF16]))[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    for fmt in formats:
        if fmt.mantissa_bits > 36:
            raise ValueError(f"float64 cannot measure the small errors of {fmt.name}; leave it out")
    low, high = _magnitudes(formats, low, high, below=8.0)
    curves = []
    for fmt in formats:
        last = math.ceil(math.log2(min(fmt.max, high))) - 1
        edges = np.ldexp(1.0, np.arange(min(math.floor(math.log2(low)), last), last + 1))
        tie = 1 + 2.0 ** -(fmt.mantissa_bits + 1)  # the worst there is among normal numbers
        x = edges[:, np.newaxis] * np.append(tie, 2.0 ** ((np.arange(512) + 0.5) / 512))
        error = np.abs(fmt.round(x, overflow="saturate") - x) / x
        worst = np.where(x <= fmt.max, error, 0).max(axis=1)
        end = 2 * edges[-1] if edges[-1] < fmt.max / 2 else fmt.max
        curves.append((np.append(edges, end), np.append(worst, worst[-1])))
    ax = _draw_lines(ax, formats, curves, low, high)
    ax.axhline(1, color=FAINT, zorder=0)
    ax.set_title("The relative error is the same for all normal numbers, and grows below them")
    ax.set(xlabel="magnitude of what is rounded", ylabel="largest relative error (1: all is lost)")
    return ax


def _magnitudes(
    formats: Sequence[FloatFormat], low: float | None, high: float | None, below: float = 1.0
) -> tuple[float, float]:
    """The magnitudes to show: those asked for, or the formats', as far as FP16 and a bit goes."""
    if low is None:
        low = max(2.0**-26, min(fmt.smallest_subnormal for fmt in formats) / below)
    high = min(2.0**18, max(fmt.max for fmt in formats)) if high is None else high
    _require_interval(low, high, positive=True)
    if not any(fmt.smallest_subnormal <= high and fmt.max > low for fmt in formats):
        raise ValueError(f"none of the formats has numbers from low={low!r} to high={high!r}")
    return low, high


def _draw_lines(
    ax: Axes | None,
    formats: Sequence[FloatFormat],
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    low: float,
    high: float,
) -> Axes:
    """Steps, one line a format, a bar where the format ends; named at the right edge."""
    ax = _axes(ax, (8.5, max(4.2, 1.4 + 0.25 * len(formats))))
    windows = [np.searchsorted(x, (low, high), side="right") for x, _ in curves]
    seen = [y[max(i - 1, 0) : j] for (_, y), (i, j) in zip(curves, windows) if j and i < y.size]
    _log2_axis(ax.xaxis, low, high, margin=0.0)
    bottom, top = (extreme(extreme(y) for y in seen) for extreme in (min, max))
    if top < 4 * bottom:
        bottom, top = bottom / 2, 2 * top
    bottom, top = (math.log2(limit) for limit in _log2_axis(ax.yaxis, bottom, top))
    ends = []
    looks = zip(itertools.cycle(LINE_COLORS), itertools.cycle(LINE_DASHES))
    for fmt, (x, y), (i, j), (color, dashes) in zip(formats, curves, windows, looks):
        ax.plot(x, y, color=color, ls=dashes, lw=2, gid=fmt.name, drawstyle="steps-post")
        if j and i < x.size:
            ends.append((math.log2(y[j - 1]), min(x[-1], high), fmt.name, color))
            if x[-1] < high:
                ax.plot(x[-1:], y[-1:], "|", ms=9, mew=2, color=color)
    ends.sort()
    own = [(end[0] - bottom) / (top - bottom) for end in ends]
    room = 13 / (72 * ax.get_window_extent().height / ax.figure.dpi)
    line = {"arrowstyle": "-", "lw": 0.8, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
    for height, (exponent, end, name, color) in zip(_moved_apart(own, room), ends):
        start, look = (end, 2.0**exponent), {**line, "color": color}
        place = (1.03, height)
        ax.annotate(name, start, place, "data", "axes fraction", va="center", arrowprops=look)
    return ax


def _moved_apart(heights: list[float], room: float) -> list[float]:
    """Ascending heights, at least `room` apart and, as far as that goes, none above 1."""
    up, down = [-math.inf], [math.inf]
    for height in heights:
        up.append(max(height, up[-1] + room))
    for height in heights[::-1]:
        down.append(min(height, down[-1] - room))
    apart = [1 + room]
    for high, low in zip(up[:0:-1], down[1:]):
        apart.append(min((high + low) / 2, apart[-1] - room))
    return apart[:0:-1]


# What rounding does


@_styled
def staircase(
    fmt: FloatFormat,
    rounding: str = "nearest_even",
    low: float = 0.0,
    high: float | None = None,
    ax: Axes | None = None,
    rng: np.random.Generator | None = None,
) -> Axes:
    """The rounded number against the number: a staircase around the diagonal, and its error.

    Parameters
    ----------
    fmt : FloatFormat
    rounding : as in `FloatFormat.encode`
    low, high : what is rounded; `high` is by default the 24th number above zero, or a little above
        the largest where there are fewer
    ax : Axes to draw into; None makes a figure
    rng : np.random.Generator, required by "stochastic"

    Returns
    -------
    Axes; its lines have the `gid` "original", "rounded" and "error". The error round(x) − x is
        drawn below, around a line of its own, on the same scale.

    Raises
    ------
    TypeError, ValueError
        If `fmt` is no format, low … high no interval, nothing in it rounds to a number, or `ax` is
        no Axes; the errors of `FloatFormat.encode`.

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> to_png(staircase(E2M1, rounding="toward_zero"))[1:4]
    b'PNG'
    """
    _require_format(fmt)
    if high is None:
        high = float(fmt.decode(24)) if fmt.encode(fmt.max) > 24 else 1.1 * fmt.max
    _require_interval(low, high)
    x = np.linspace(low, high, 4001)
    rounded = fmt.round(x, rounding, rng=rng)
    rounded = np.where(np.isfinite(rounded), rounded, np.nan)
    levels = np.unique(rounded[~np.isnan(rounded)])
    if not levels.size:
        raise ValueError(f"nothing from low={low!r} to high={high!r} is a number in {fmt.name}")
    ax = _axes(ax, (8.5, 5.0))
    if levels.size <= 40:
        ax.hlines(levels, low, high, color=FAINT, lw=0.6, zorder=0)
    cloud: dict[str, Any] = {"ls": "none", "marker": ".", "ms": 1.5}
    shape = cloud if rounding == "stochastic" else {"lw": 1.8}
    ax.plot(x, x, color=ORIGINAL, lw=1.2, ls="--", gid="original", label="x, the original")
    ax.plot(x, rounded, color=QUANTIZED, gid="rounded", label="round(x)", **shape)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
    error = rounded - x
    zero = min(low, levels[0]) - 1.5 * np.nanmax(np.abs(error)) - 0.02 * (high - low)
    ax.axhline(zero, color=ORIGINAL, lw=0.6)
    if rounding != "stochastic":
        ax.fill_between(x, zero, zero + error, color=_tint(ERROR), lw=0)
        shape = {"lw": 0.8}
    label = "error round(x) − x, on the same scale"
    ax.plot(x, zero + error, color=ERROR, gid="error", label=label, **shape)
    ax.legend(loc="upper left", markerscale=4)
    how, serve = rounding.replace("_", " "), "serves" if levels.size == 1 else "serve"
    what = f"{_numbers(levels.size)} {serve} for every x from {_short(low)} to {_short(high)}"
    ax.set_title(f"{fmt.name}, {how}: {what}")
    ax.set(xlabel="x", ylabel="round(x)", xlim=(low, high))
    return ax


@_styled
def damage(x: Any, formats: Formats, ax: Any = None) -> Any:
    """What rounding to a format does to an array: the original, what is left of it, the gap.

    Parameters
    ----------
    x : real array [n], finite: a curve, or a row of an image
    formats : FloatFormat, or several
    ax : Axes to draw into, for several formats an array of as many; None makes a figure

    Returns
    -------
    Axes, or for several formats an array of Axes [n_formats], one under another. Lines have the
        `gid` "original" and "rounded"; the gap between them is the error. Numbers that became
        infinite or NaN are crosses where they were, `gid` "lost".

    Raises
    ------
    TypeError, ValueError
        If x is not such an array, `formats` are not formats, or `ax` is no Axes or not as many.

    Examples
    --------
    >>> from quantedu.formats import E2M1, E4M3
    >>> axes = damage(np.sin(np.linspace(0, 6, 200)), [E4M3, E2M1])
    >>> axes.shape
    (2,)
    >>> to_png(axes)[1:4]
    b'PNG'
    """
    single = isinstance(formats, FloatFormat)
    formats = _as_formats(formats)
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise TypeError(f"x must hold real numbers, not {x.dtype}")
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        lost = np.count_nonzero(~np.isfinite(x))
        raise ValueError(
            f"x must be a one-dimensional array of finite numbers; got shape {x.shape} with "
            f"{lost} infinite or NaN; pass one row or column, with these replaced"
        )
    rounded = [fmt.round(x) for fmt in formats]
    if ax is None:
        size = (8.5, 0.5 + 1.5 * len(formats))
        ax = plt.subplots(len(formats), sharex=True, sharey=True, figsize=size)[1]
    axes = np.ravel(np.asarray(ax, dtype=object))
    if axes.size != len(formats):
        raise ValueError(f"{len(formats)} formats need as many Axes, not {axes.size}")
    for one in axes:
        _require_axes(one)
    for one, fmt, y in zip(axes, formats, rounded):
        _draw_damage(one, fmt.name, x, y)
    axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1].set_xlabel("index")
    return axes[0] if single else axes


def _draw_damage(ax: Axes, name: str, x: np.ndarray, y: np.ndarray) -> None:
    index, kept = np.arange(x.size), np.isfinite(y)
    y = np.where(kept, y, np.nan)
    gap: dict[str, Any] = {"facecolor": _tint(ERROR), "edgecolor": ERROR, "hatch": "////", "lw": 0}
    ax.plot(index, x, color=ORIGINAL, lw=2.2, gid="original", label="original")
    look: dict[str, Any] = {"color": QUANTIZED, "lw": 1.2, "drawstyle": "steps-mid"}
    ax.plot(index, y, gid="rounded", label="rounded", **look)
    ax.fill_between(index, x, y, step="mid", label="error", zorder=1, **gap)
    what = f"{name}: {np.unique(y[kept]).size} different values"
    if kept.any():
        what += f", largest error {np.abs(y - x)[kept].max():.2g}"
    if not kept.all():
        ax.plot(index[~kept], x[~kept], "x", ms=5, color=ERROR, gid="lost")
        what += f", {np.count_nonzero(~kept)} of {x.size} lost to infinity or NaN"
    ax.set_title(what, fontsize=10)
    ax.margins(x=0.01)


# Pictures as bytes


def to_png(drawing: Axes | Figure | np.ndarray) -> bytes:
    """A picture as PNG, opaque, 80 dots to the inch; its figure is closed.

    Parameters
    ----------
    drawing : Axes, an array of Axes, or a Figure

    Returns
    -------
    bytes; the same for the same picture

    Raises
    ------
    TypeError
        If `drawing` is something else.

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> to_png(number_line(E2M1))[1:4]
    b'PNG'
    """
    first = drawing.flat[0] if isinstance(drawing, np.ndarray) and drawing.size else drawing
    figure = first.figure if isinstance(first, Axes) else first
    if not isinstance(figure, Figure):
        raise TypeError(f"to_png takes Axes or a Figure, not {drawing!r}")
    file = io.BytesIO()
    look: dict[str, Any] = {"dpi": 80, "facecolor": "white", "transparent": False}
    figure.savefig(file, format="png", metadata={"Software": None}, bbox_inches=None, **look)
    plt.close(figure)
    return file.getvalue()


# At the door


def _axes(ax: Any, size: tuple[float, float]) -> Axes:
    if ax is None:
        return plt.subplots(figsize=size)[1]
    _require_axes(ax)
    return ax


def _require_axes(ax: Any) -> None:
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be Matplotlib Axes or None, not {ax!r}")


def _require_format(fmt: Any) -> None:
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"expected a FloatFormat such as quantedu.FP16, not {fmt!r}")


def _as_formats(formats: Any) -> tuple[FloatFormat, ...]:
    if isinstance(formats, str) or not isinstance(formats, Iterable):
        formats = (formats,)
    formats = tuple(formats)
    if not formats:
        raise ValueError("formats is empty; give at least one FloatFormat")
    for fmt in formats:
        _require_format(fmt)
    return formats


def _as_levels(name: str, table: Any) -> np.ndarray:
    levels = np.asarray(table, dtype=np.float64)
    if levels.ndim != 1 or not np.isfinite(levels).all() or not (levels > 0).any():
        raise ValueError(
            f"tables[{name!r}] must be a list of finite levels, some positive, not {table!r}"
        )
    return levels


def _require_interval(low: float, high: float, positive: bool = False) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low must be below high, both finite; got low={low!r}, high={high!r}")
    if positive and low <= 0:
        raise ValueError(f"a logarithmic axis shows positive numbers only; got low={low!r}")
    if not positive and high - low < 1e-280:
        raise ValueError(f"low={low!r} … high={high!r} is too narrow to be drawn; choose others")


# Axes and words


def _log2_axis(axis: Axis, low: float, high: float, margin: float = 0.045) -> tuple[float, float]:
    """A base-2 logarithmic axis with ticks at round powers of two; gives its limits."""
    first, last = math.log2(low), math.log2(high)
    room = margin * max(last - first, 1)
    limits = 2.0 ** max(first - room, -1074), 2.0 ** min(last + room, 1023.99)
    name = axis.axis_name
    axis.axes.set(**{f"{name}lim": limits})  # first the limits: without, the scale would guess some
    getattr(axis.axes, f"set_{name}scale")("log", base=2)
    axis.set_major_locator(FixedLocator([2.0**k for k in _round_exponents(first, last)]))
    axis.set_major_formatter(FuncFormatter(lambda x, _: _power(math.log2(x))))
    axis.set_minor_locator(NullLocator())
    return limits


def _round_exponents(first: float, last: float) -> list[int]:
    """At most 13 multiples of a power of two, from first to last."""
    step = 1
    while (last - first) / step > 12:
        step *= 2
    return [step * k for k in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _width(ax: Axes) -> float:
    """Width of the Axes in points, before the layout makes room for what is around it."""
    return 72 * ax.get_window_extent().width / ax.figure.dpi


def _beside(ax: Axes, text: str, x: float, y: float, side: int = 1, **look: Any) -> None:
    """A text right of a point, or left of it."""
    look |= {"ha": "left" if side > 0 else "right", "va": "center_baseline"}
    ax.annotate(text, (x, y), (5 * side, 0), "data", "offset points", **look)


def _tint(color: str) -> tuple[float, float, float]:
    """The color, three quarters of it white."""
    red, green, blue = to_rgb(color)
    return (0.75 + red / 4, 0.75 + green / 4, 0.75 + blue / 4)


def _numbers(count: int) -> str:
    return "1 number" if count == 1 else f"{count:,} numbers"


def _power(exponent: float) -> str:
    return f"$2^{{{round(exponent)}}}$"


def _short(x: float) -> str:
    """A number of usual size in full, else in four digits with a decimal power."""
    text = f"{x:.10g}" if x == 0 or 1e-4 <= abs(x) < 1e6 else f"{x:.4g}"
    return text.replace("e+", "e").replace("-", "−")

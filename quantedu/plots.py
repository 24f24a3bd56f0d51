"""The pictures of the course: functions that draw into the Axes `ax` and give them back.

With `ax=None` they make a figure of notebook width, which the notebook shows. Colours are Okabe and
Ito's (Color Universal Design, 2008), which colour-blind readers can tell apart, and never the only
sign: fields carry letters, subnormal numbers are hatched. What is drawn can be read back:
artists carry the name of what they show as their `gid`. Titles stand at the left:
`ax.set_title(text, loc="left")` replaces one.
"""

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from quantedu.formats import FORMATS, TF32, FloatFormat

FIELD_COLORS = {"sign": "#CC79A7", "exponent": "#E69F00", "mantissa": "#56B4E9"}
ORIGINAL, QUANTIZED, ERROR = "#8C8C8C", "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#D8D8D8"
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MONOSPACE = "DejaVu Sans Mono"  # comes with Matplotlib, like the next
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#666666",
    "hatch.linewidth": 0.7,
    "figure.constrained_layout.use": True,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "axes.grid", "legend.frameon"), False),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "white"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}

Formats = FloatFormat | Iterable[FloatFormat]


@contextlib.contextmanager
def _our_style() -> Iterator[None]:
    """Our style for a while; rc_context would undo what Jupyter's backend sets on loading."""
    kept = {name: plt.rcParams[name] for name in STYLE}
    plt.rcParams.update(STYLE)
    try:
        yield
    finally:
        plt.rcParams.update(kept)


_styled = _our_style()  # as a decorator


@_styled
def bit_layout(formats: Formats = FORMATS, ax: Axes | None = None) -> Axes:
    """Sign, exponent and mantissa of formats, to scale: one row a format.

    The `gid` of a bar is the format's name and the field.

    >>> from quantedu.formats import BF16, FP16
    >>> to_png(bit_layout([FP16, BF16]))[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    ax = _axes(ax, (8.5, 0.8 + 0.3 * len(formats)))
    words = [32 if fmt == TF32 else fmt.bits for fmt in formats]
    longest = max(words)
    ax.set(xlim=(0, 1.1 * longest), ylim=(len(formats) - 0.45, -0.55))
    for row, (fmt, word) in enumerate(zip(formats, words)):
        _draw_fields(ax, fmt, row)
        label, unused = f"{fmt.bits} bits", word - fmt.bits
        if unused:
            dotted: dict[str, Any] = {"fill": False, "hatch": "....", "edgecolor": ORIGINAL}
            ax.barh(row, unused, 0.76, fmt.bits, lw=0.8, **dotted)
            label += f", kept in a {word}-bit word"
        free = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps the grid off the text
        _beside(ax, label, word, row, bbox=free)
    ax.set(title="Where the bits go: sign S, exponent E, mantissa M", xlabel="bits")
    ax.set_xticks([tick for tick in (0, 4, 8, 16, 32, 64) if tick <= longest])
    ax.set_yticks(range(len(formats)), [fmt.name for fmt in formats])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=FAINT)
    ax.set_axisbelow(True)
    return ax


@_styled
def bits(fmt: FloatFormat, code: Any, ax: Axes | None = None) -> Axes:
    """The bits of a code, 0 … 2^bits − 1, in boxes by field; below, the text of `fmt.explain`.

    >>> from quantedu.formats import FP16
    >>> to_png(bits(FP16, 0xC100))[1:4]
    b'PNG'
    """
    _require_format(fmt)
    heading, *formula = fmt.explain(code).split("\n")
    digits, kind = f"{int(code):0{fmt.bits}b}", str(fmt.classify(code))
    per_row = 16 if fmt.bits <= 16 else 32
    rows = -(-fmt.bits // per_row)
    ax = _axes(ax, (8.5, 0.55 + 0.82 * rows + 0.17 * len(formula)))
    center: dict[str, Any] = {"ha": "center", "va": "center"}
    for (name, start, count), value in zip(_fields(fmt), fmt.split(code)):
        color, letter = FIELD_COLORS[name], name[0].upper()
        for row in range(rows):
            first, end = row * per_row, (row + 1) * per_row
            y, places = -2.15 * row, range(max(start, first), min(start + count, end))
            for place in places:
                x, one = place - first + 0.5, digits[place] == "1"
                face = {"facecolor": color if one else _tint(color), "edgecolor": color}
                ax.add_patch(plt.Rectangle((x - 0.45, y), 0.9, 1, gid=name, **face))
                ax.text(x, y + 0.48, digits[place], fontsize=11, weight=400 + 300 * one, **center)
                number = str(fmt.bits - 1 - place)
                ax.text(x, y + 1.2, number, fontsize=6.5, color="#555555", **center)
            if places:
                left, right = places.start - first, places.stop - first
                ax.plot([left + 0.07, right - 0.07], [y - 0.18, y - 0.18], color=color, lw=2.5)
                label = f"{name} {letter}" if len(places) > 4 else letter
                label += f" = {value}" if start + count <= end else ", continued below"
                ax.text((left + right) / 2, y - 0.33, label, ha="center", va="top", fontsize=8)
    y = 1.3 - 2.15 * rows
    ax.text(0.05, y, "\n".join(formula), va="top", size=8.5, family=MONOSPACE, linespacing=1.4)
    what = f"is a {kind} number" if kind in ("normal", "subnormal") else f"is {kind}"
    ax.set_title(f"{heading.split(' = ')[0]} {what}")
    ax.set(xlim=(0, per_row), ylim=(y - 0.5 * len(formula) - 0.15, 1.4))
    ax.axis("off")
    return ax


def _fields(fmt: FloatFormat) -> list[tuple[str, int, int]]:
    """Name, first place from the left, and number of bits of the three fields."""
    counts = int(fmt.signed), fmt.exponent_bits, fmt.mantissa_bits
    return list(zip(FIELD_COLORS, accumulate((0, *counts)), counts))


def _draw_fields(ax: Axes, fmt: FloatFormat, y: float) -> None:
    """A format's fields as one row of bars, with a notch after every bit."""
    points_per_bit = 72 * ax.get_window_extent().width / ax.figure.dpi / ax.get_xlim()[1]
    for name, start, count in _fields(fmt):
        if count:
            ax.barh(y, count, 0.76, start, color=FIELD_COLORS[name], gid=f"{fmt.name} {name}")
            label = f"{name[0].upper()} {count}"
            label = label if 4.4 * len(label) < points_per_bit * count else label[0]
            center = {"ha": "center", "va": "center_baseline"}
            ax.text(start + count / 2, y, label, fontsize=7.5, **center)
    for low, high in ((-0.38, -0.24), (0.24, 0.38)):
        ax.vlines(range(1, fmt.bits), y + low, y + high, color="white", lw=0.6)


@_styled
def range_precision(
    formats: Formats = FORMATS, ax: Axes | None = None, tables: Mapping[str, Any] | None = None
) -> Axes:
    """The map of formats: a bar from the smallest to the largest number, at its precision.

    Parameters
    ----------
    formats : FloatFormat, or several
    tables : levels [K], some positive, by name, of formats that are a table and have no fields

    Returns
    -------
    Axes; x is log2 of the number. The `gid` of a bar is the format's name, with "subnormal" after
        it for that part. What reaches beyond 2^±160 goes off the map if others do not.

    Examples
    --------
    >>> from quantedu.formats import BF16, FP16
    >>> to_png(range_precision([FP16, BF16], tables={"thirds": [-1, 0, 1 / 3, 1]}))[1:4]
    b'PNG'
    """
    formats = _as_formats(formats)
    levels = {name: np.asarray(table, dtype=np.float64) for name, table in (tables or {}).items()}
    for name, table in levels.items():
        if table.ndim != 1 or not np.isfinite(table).all() or not (table > 0).any():
            raise ValueError(f"tables[{name!r}] must be finite levels, some positive, not {table}")
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
    ax.tick_params(axis="y", length=0)
    exponents = _round_exponents(first, last)
    ax.set_xticks(exponents, [_power(exponent) for exponent in exponents])
    ax.set(xlim=(left, right), ylim=(y - (0.4 if levels else 0.9), -0.6))
    ax.axvline(0, color=FAINT, lw=0.8, zorder=0)
    ax.set_title("Exponent bits buy range (longer bars), mantissa bits precision (higher up)")
    ax.set(xlabel="positive numbers (hatched: subnormal)", ylabel="significand bits")
    return ax


def _draw_range(ax: Axes, fmt: FloatFormat, y: float, left: float, right: float) -> None:
    """One bar of the map, its name and limits inside it, or beside it where there is more room."""
    smallest, normal, largest = np.log2([fmt.smallest_subnormal, fmt.smallest_normal, fmt.max])
    start, middle, end = np.clip([smallest, normal, largest], left, right)
    if middle > start:
        look = {"facecolor": _tint(ERROR), "edgecolor": ERROR, "hatch": "/////", "lw": 0}
        ax.barh(y, middle - start, 0.74, start, gid=f"{fmt.name} subnormal", **look)
    ax.barh(y, end - middle, 0.74, middle, color=QUANTIZED, gid=fmt.name)
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


def to_png(drawing: Axes | Figure | np.ndarray) -> bytes:
    """A picture (Axes, an array of Axes, or a Figure) as PNG of 80 dots to the inch; closes it.

    The same picture gives the same bytes.

    >>> from quantedu.formats import E2M1
    >>> to_png(bits(E2M1, 7))[1:4]
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


def _axes(ax: Any, size: tuple[float, float] | None = None) -> Axes:
    if ax is None:
        return plt.subplots(figsize=size)[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be Matplotlib Axes or None, not {ax!r}")
    return ax


def _require_format(fmt: Any) -> None:
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"expected a FloatFormat such as quantedu.FP16, not {fmt!r}")


def _as_formats(formats: Any) -> tuple[FloatFormat, ...]:
    several = isinstance(formats, Iterable) and not isinstance(formats, str)
    formats = tuple(formats) if several else (formats,)
    if not formats:
        raise ValueError("formats is empty; give at least one FloatFormat")
    for fmt in formats:
        _require_format(fmt)
    return formats


def _round_exponents(first: float, last: float) -> list[int]:
    """At most 13 multiples of a power of two, from first to last."""
    step = 2 ** max(math.ceil(math.log2((last - first) / 12)), 0)
    return [step * k for k in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _beside(ax: Axes, text: str, x: float, y: float, side: int = 1, **look: Any) -> None:
    """A text right of a point, or left of it."""
    look |= {"ha": "left" if side > 0 else "right", "va": "center_baseline"}
    ax.annotate(text, (x, y), (5 * side, 0), "data", "offset points", **look)


def _tint(color: str) -> tuple[float, ...]:
    """The color, three quarters of it white."""
    return tuple(0.75 + part / 4 for part in to_rgb(color))


def _power(exponent: float) -> str:
    return f"$2^{{{round(exponent)}}}$"


def _short(x: float) -> str:
    """A number of usual size in full, else in four digits with a decimal power."""
    text = f"{x:.10g}" if x == 0 or 1e-4 <= abs(x) < 1e6 else f"{x:.4g}"
    return text.replace("e+", "e").replace("-", "−")

"""How the course's pictures look, and the picture of one code, bit by bit.

Colours are Okabe and Ito's (Color Universal Design, 2008), which colour-blind readers can tell
apart, and never the only sign: fields carry letters. Titles stand at the left:
`ax.set_title(text, loc="left")` replaces one. The chapters' other pictures are scenes, which
`quantedu.explorer` draws.
"""

import contextlib
import io
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from quantedu.formats import FloatFormat

FIELD_COLORS = {"sign": "#CC79A7", "exponent": "#E69F00", "mantissa": "#56B4E9"}
ORIGINAL, QUANTIZED, ERROR = "#8C8C8C", "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#D8D8D8"
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MONOSPACE = "DejaVu Sans Mono"  # comes with Matplotlib, like the next
STYLE: dict[str, Any] = {
    "figure.dpi": 96,  # 8.5 inches are 816 pixels, the width of a notebook
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
def bits(fmt: FloatFormat, code: Any, ax: Axes | None = None) -> Axes:
    """The bits of a code, 0 … 2^bits − 1, in boxes by field; below, the text of `fmt.explain`.

    Drawn into `ax`, by default a figure of notebook width; the `gid` of a box is its field.

    >>> from quantedu.formats import FP16
    >>> to_png(bits(FP16, 0xC100))[1:4]
    b'PNG'
    """
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"expected a FloatFormat such as quantedu.FP16, not {fmt!r}")
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


def to_png(drawing: Axes | Figure | np.ndarray) -> bytes:
    """A picture (Axes, an array of Axes, or a Figure) as PNG of 96 dots to the inch; closes it.

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
    look: dict[str, Any] = {"dpi": STYLE["figure.dpi"], "facecolor": "white", "transparent": False}
    figure.savefig(file, format="png", metadata={"Software": None}, bbox_inches=None, **look)
    plt.close(figure)
    return file.getvalue()


def _axes(ax: Any, size: tuple[float, float] | None = None) -> Axes:
    if ax is None:
        return plt.subplots(figsize=size)[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be Matplotlib Axes or None, not {ax!r}")
    return ax


def _tint(color: str) -> tuple[float, ...]:
    """The color, three quarters of it white."""
    return tuple(0.75 + part / 4 for part in to_rgb(color))

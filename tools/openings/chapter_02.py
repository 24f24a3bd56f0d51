"""The formats as a skyline: as wide as their range, as tall as their precision."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from quantedu.codebooks import NF4
from quantedu.formats import BF16, E2M1, E3M2, E4M3, E5M2, FP16, FP32, FP64, TF32, FloatFormat
from quantedu.plots import ERROR, FAINT, FIELD_COLORS, INK, ORIGINAL, QUANTIZED
from tools.openings.page import QUIET, page, room

ALT = (
    "A skyline of number formats, as wide as their range and as tall as their precision, from FP32 "
    "down to FP4; NF4 is no building but a row of dots, a table without fields"
)
DASHED = (0, (2, 2))


def draw() -> Figure:
    """On the left the formats of 16 bits and more, on the right those of 8 and fewer."""
    figure = page(
        2,
        "Exponent bits make it wide, mantissa bits make it tall",
        "Each format from its smallest to its largest number, as tall as its precision in bits.",
    )
    large = room(figure, 0.85, 0.6, 4.55, 2.6)
    for fmt, color, at in (
        (FP32, ORIGINAL, (-140.0, 22.2)),
        (TF32, "#009E73", (-128, 9.3)),
        (BF16, QUANTIZED, (-125, 6.2)),
        (FP16, FIELD_COLORS["exponent"], (-21, 9.3)),
    ):
        _house(large, fmt, color, at)
    widths = [np.log2(f.max) - np.log2(f.smallest_subnormal) for f in (FP64, FP32)]
    tall, wide = FP64.mantissa_bits + 1, f"{widths[0] / widths[1]:.0f}"
    beyond = f"FP64 would be {tall} tall,\nand {wide} times as wide"
    large.text(-10, 17.3, beyond, ha="center", va="center", color=QUIET)
    large.add_patch(Rectangle((-18, 0), 36, 5.2, fc="none", ec=INK, lw=1, ls=DASHED))
    large.set(xlim=(-152, 131), ylim=(0, 24.6), yticks=[8, 11, 24], ylabel="bits of precision")
    _powers(large, (-128, -64, 0, 64, 128))

    small = room(figure, 6.0, 0.6, 3.6, 2.6)
    for fmt, color, at in (
        (E5M2, QUANTIZED, (-15.6, 2.55)),
        (E4M3, FIELD_COLORS["exponent"], (-8.6, 3.55)),
        (E3M2, "#009E73", (-3.7, 2.55)),
        (E2M1, FIELD_COLORS["sign"], (-1.3, 2.1)),
    ):
        _house(small, fmt, color, at)
    small.set(xlim=(-18, 18), ylim=(-1, 5.2), yticks=[2, 3, 4])
    small.axhline(0, color=INK, lw=1)
    levels = np.log2(NF4.levels[NF4.levels > 0])
    small.plot(levels, np.full(levels.size, -0.5), "D", color=ERROR, ms=4.5, mew=0)
    small.text(-4.4, -0.52, "NF4: a table", ha="right", va="center", color=ERROR, weight="bold")
    small.text(0.9, -0.52, "no fields to read", va="center", color=ERROR)
    for y, corner in ((5.2, (-18.0, 5.2)), (0.0, (-18.0, -1.0))):
        zoom = ConnectionPatch((18, y), corner, large.transData, small.transData)
        zoom.set(color="#777777", lw=0.8, ls=DASHED)
        figure.add_artist(zoom)
    _powers(small, (-16, -8, 0, 8, 16))
    for spine in small.spines.values():
        spine.set(visible=True, ls=DASHED, color=INK, lw=1)
    return figure


def _house(ax: Axes, fmt: FloatFormat, color: str, at: tuple[float, float]) -> None:
    left, right = np.log2([fmt.smallest_subnormal, fmt.max])
    size = (left, 0), right - left, fmt.mantissa_bits + 1
    ax.add_patch(Rectangle(*size, fc="white", ec="none"))
    ax.add_patch(Rectangle(*size, fc=color, alpha=0.28, ec="none"))
    ax.add_patch(Rectangle(*size, fc="none", ec=color, lw=2))
    ax.text(*at, fmt.name.partition(" ")[2] or fmt.name, weight="bold", fontsize=10)


def _powers(ax: Axes, exponents: tuple[int, ...]) -> None:
    names = [f"$2^{{{k}}}$" if k else "1" for k in exponents]
    ax.set_xticks(exponents, names)
    ax.tick_params(color=FAINT)
    ax.spines["left"].set_color(FAINT)
    ax.yaxis.label.set_color(QUIET)

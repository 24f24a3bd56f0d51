"""Three rulers of sixteen codes, aligned at zero: it is there twice, once, or not at all."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quantedu.codebooks import NF4, Codebook, normal_float
from quantedu.plots import ERROR, FAINT, INK, ORIGINAL, QUANTIZED
from quantedu.scenes.chapter_06 import zero_less
from tools.openings.page import QUIET, canvas, page

ALT = (
    "Three rulers of sixteen levels aligned at zero: seven and seven with zero twice, seven and "
    "eight with zero once, eight and eight with no zero"
)


def draw() -> Figure:
    """A ruler for each of the three ways, with its levels counted on both sides."""
    figure = page(
        6,
        "Give away a code, a side, or the zero",
        "Sixteen levels cut from the same bell, in three ways. With −1, 0 and 1 in place, thirteen "
        "are left for two sides.",
    )
    ax = canvas(figure)
    ax.plot([5.35, 5.35], [0.25, 3.25], color=ERROR, lw=1.4, ls=(0, (4, 3)), zorder=0)
    none = zero_less(4)
    step = none.levels[none.levels > 0].min()
    rows: list[tuple[str, str, Codebook, str]] = [
        ("zero twice", "NF4 symmetric", normal_float(4, symmetric=True), "two codes\nsay the same"),
        ("zero once", "NF4", NF4, "one side\nis coarser"),
        ("no zero", "quantiles", none, f"0 comes back\nas ±{step:.2f}"),
    ]
    for i, (what, name, book, price) in enumerate(rows):
        y = 2.78 - 1.0 * i
        ax.text(0.42, y + 0.06, what, fontsize=15, weight="bold")
        ax.text(0.42, y - 0.24, name, color=QUIET)
        ax.text(8.35, y - 0.06, price, va="center", color=INK, linespacing=1.35)
        _ruler(ax, y, book)
    return figure


def _ruler(ax: Axes, y: float, book: Codebook) -> None:
    levels = book.levels[book.codes_by_rank].astype(float)
    middle, half = 5.35, 2.7
    ax.plot([middle - half, middle + half], [y, y], color=FAINT, lw=2, zorder=0)
    sides = levels[levels != 0]
    ax.plot(middle + half * sides, [y] * sides.size, "o", color=QUANTIZED, ms=9.5)
    zeros = levels.size - sides.size
    for k in range(zeros):
        at = y + 0.115 * (2 * k - zeros + 1)
        ax.plot(middle, at, "o", color=ERROR, ms=11.5, zorder=3)
    if not zeros:
        ax.plot(middle, y, "o", mfc="white", mec=ERROR, mew=1.6, ms=9.5, zorder=1)
    for sign in (-1, 1):
        side = levels[levels * sign > 0]
        ends = middle + half * side.min(), middle + half * side.max()
        ax.plot(
            [ends[0], *ends, ends[1]],
            [y - 0.19, y - 0.26, y - 0.26, y - 0.19],
            color=ORIGINAL,
            lw=1.2,
        )
        count = {"ha": "center", "va": "center", "weight": "bold", "backgroundcolor": "white"}
        ax.text(sum(ends) / 2, y - 0.27, str(side.size), color=QUANTIZED, **count, fontsize=12)

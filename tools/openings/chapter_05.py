"""The bell, cut into equal areas on either side of zero: NF4's sixteen numbers."""

import itertools

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from quantedu.codebooks import NF4
from quantedu.plots import ERROR, FAINT, INK, ORIGINAL, QUANTIZED
from tools.openings.page import QUIET, page, room

ALT = (
    "A bell curve cut into seven equal slices on the left of zero and eight on the right; the "
    "sixteen cuts, brought to minus one to one, are the levels of NF4"
)
_END = 929 / 960  # where the outermost cut lies, as an area


def draw() -> Figure:
    """The slices between the levels; their cuts fall on a ruler from −1 to 1."""
    figure = page(
        5,
        "Cut the bell into equal slices: the cuts are NF4",
        "Seven slices of equal area on one side, eight on the other, and sixteen cuts between and "
        "beside them.",
    )
    levels = NF4.levels.astype(np.float64)
    widest = ndtri(_END)
    across = (-1.42, 1.42)
    bell = room(figure, 0.4, 1.05, 9.2, 2.25)
    x = np.linspace(*across, 1201)
    bell.fill_between(x, _density(x * widest), color=FAINT, lw=0)
    for i, (a, b) in enumerate(itertools.pairwise(levels)):
        inside = np.linspace(a, b, 60)
        shade = QUANTIZED if i % 2 else "#7FB8DA"
        bell.fill_between(inside, _density(inside * widest), color=shade, lw=0)
    bell.plot(x, _density(x * widest), color=INK, lw=1.6)
    bell.vlines(levels, 0, _density(levels * widest), color="white", lw=1.4)
    bell.set(xlim=across, ylim=(0, 0.43))
    bell.set_axis_off()
    slices = np.diff(ndtr(levels * widest))
    for at, align, part in ((-0.86, "right", slices[:7]), (0.86, "left", slices[7:])):
        text = f"{part.size} slices of {100 * part.mean():.1f} %"
        bell.text(at, 0.3, text, ha=align, fontsize=13, weight="bold", color=QUANTIZED)
    for at in across:
        side = "left" if at < 0 else "right"
        bell.text(
            at, 0.115, f"left out: {100 - 100 * _END:.1f} %", ha=side, color=QUIET, fontsize=10
        )
    ruler = room(figure, 0.4, 0.2, 9.2, 0.75)
    ruler.set(xlim=across, ylim=(0, 1))
    ruler.set_axis_off()
    ruler.plot([-1, 1], [0.62, 0.62], color=ORIGINAL, lw=1.4, zorder=1)
    for level in levels:
        color = ERROR if level in (-1, 0, 1) else QUANTIZED
        ruler.plot([level, level], [0.62, 1], color=color, lw=1.2)
        ruler.plot(level, 0.62, "o", color=color, ms=7)
    for i, level in enumerate(levels):
        text = f"{level:.2f}".replace("-", "−") if level % 1 else f"{level:.0f}".replace("-", "−")
        low = i % 2
        ruler.text(level, 0.3 - 0.32 * low, text, ha="center", va="bottom", fontsize=10)
    return figure


def _density(z: np.ndarray) -> np.ndarray:
    density: np.ndarray = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return density

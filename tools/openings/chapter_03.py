"""The staircase of linear quantization, six values on it, and the error that it leaves."""

import numpy as np
from matplotlib.figure import Figure

from quantedu.plots import ERROR, FAINT, INK, ORIGINAL, QUANTIZED
from quantedu.recipes import int_absmax
from tools.openings.page import QUIET, canvas, page, room

ALT = (
    "Six numbers climb onto the nearest step of a staircase and become small integers; below, the "
    "error, a saw that never leaves plus or minus half a step"
)
VALUES = np.array([-0.93, -0.45, -0.12, 0.26, 0.62, 1.05], dtype=np.float32)


def draw() -> Figure:
    """Six values in INT3: their steps and errors, and the sums beside them."""
    q = int_absmax(3).quantize(VALUES)
    scale, back = float(np.ravel(q.scale)[0]), q.dequantize()
    codes = np.rint(back / scale).astype(int)
    figure = page(
        3,
        "Everything moves to the nearest step, by half a step at most",
        f"Six numbers share one scale s = {scale:.2f}. What is stored of each is the number of "
        "its step.",
    )
    stairs = room(figure, 0.95, 1.22, 5.0, 2.05)
    end = 3.5 * scale
    x = np.linspace(-end, end, 5001)
    stepped = scale * np.clip(np.rint(x / scale), -3, 3)
    stairs.plot(x, x, color=ORIGINAL, lw=1.6)
    stairs.plot(x, stepped, color=QUANTIZED, lw=2.6)
    stairs.vlines(VALUES, np.minimum(VALUES, back), np.maximum(VALUES, back), color=ERROR, lw=3)
    stairs.plot(VALUES, VALUES, "o", color=ORIGINAL, ms=6.5)
    stairs.plot(VALUES, back, "s", color=QUANTIZED, ms=7)
    levels = scale * np.arange(-3, 4)
    names = [f"{k}".replace("-", "−") for k in range(-3, 4)]
    stairs.hlines(back, -end, VALUES, color=QUANTIZED, lw=0.9, ls=(0, (2, 2)), zorder=0)
    stairs.set_yticks(levels, names)
    stairs.set(xlim=(-end, end), ylim=(-end, end), xticks=[], ylabel="code")
    stairs.text(1.17, -0.55, "the number itself", ha="right", va="center", color="#6B6B6B")
    stairs.text(1.17, -0.88, "the step it gets", ha="right", va="center", color=QUANTIZED)

    saw = room(figure, 0.95, 0.5, 5.0, 0.6)
    error = stepped - x
    saw.fill_between(x, error, color=ERROR, alpha=0.3, lw=0)
    saw.plot(x, error, color=ERROR, lw=1.4)
    saw.plot(VALUES, back - VALUES, "o", color=ERROR, ms=5.5)
    for half in (-scale / 2, scale / 2):
        saw.axhline(half, color=INK, lw=0.9, ls=(0, (4, 3)))
    saw.set_yticks([-scale / 2, 0, scale / 2], ["−½", "0", "½"])
    saw.set(xlim=(-end, end), ylim=(-0.25, 0.25), xticks=[-1, -0.5, 0, 0.5, 1], ylabel="error")
    for ax in (stairs, saw):
        ax.tick_params(length=0)
        ax.yaxis.label.set(color=QUIET)
        ax.yaxis.set_label_coords(-0.085, 0.5)
    saw.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])

    page_ax = canvas(figure)
    columns = {
        "x": (6.95, [f"{v:.2f}" for v in VALUES], "#6B6B6B"),
        "x / s": (7.72, [f"{v / scale:.2f}" for v in VALUES], INK),
        "code": (8.45, [str(c) for c in codes], QUANTIZED),
        "s · code": (9.3, [f"{v:.2f}" for v in back], QUANTIZED),
    }
    for name, (at, column, color) in columns.items():
        page_ax.text(at, 3.05, name, ha="right", color=QUIET, fontsize=11)
        for row, text in enumerate(column):
            weight = "bold" if name == "code" else "normal"
            look = {"ha": "right", "color": color, "weight": weight, "fontsize": 13}
            page_ax.text(at, 2.56 - 0.41 * row, text.replace("-", "−"), **look)
    page_ax.plot([6.45, 9.45], [2.93, 2.93], color=FAINT, lw=1.2)
    return figure

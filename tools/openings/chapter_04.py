"""One outlier among 4,096 weights of the language model, under one scale and under 64."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from quantedu.language_model import language_model
from quantedu.plots import ERROR, ORIGINAL, QUANTIZED
from quantedu.recipes import int_absmax
from tools.openings.page import QUIET, canvas, page, room

ALT = (
    "A field of 4,096 weights with one outlier: under one shared scale all the others vanish, with "
    "a scale for each row only the outlier's own row does"
)
_AT = 37, 24  # row and column of the outlier


def draw(outlier: float = 100) -> Figure:
    """Magnitudes of 64 × 64 weights, of which one was made `outlier` times the usual size."""
    w = language_model().layers["block2.gate"][:64, :64].copy()
    spread = float(np.sqrt(np.mean(w**2)))
    w[_AT] = outlier * spread
    shared = {
        "in 32 bits": w,
        "in 4 bits, one scale for all": int_absmax(4)(w),
        "in 4 bits, a scale for each row": int_absmax(4, block_size=64)(w),
    }
    figure = page(
        4,
        "One outlier silences all who share its scale",
        f"4,096 weights of a language model, the darker the larger; one of them was made "
        f"{outlier:g} times as large.",
    )
    ax = canvas(figure)
    for i, (name, values) in enumerate(shared.items()):
        left = 0.4 + 3.2 * i
        field = room(figure, left, 0.55, 2.8, 2.8)  # 7 dots to a weight, exactly
        dark = LinearSegmentedColormap.from_list("", ["white", QUANTIZED if i else "#4A4A4A"])
        field.imshow(np.abs(values), cmap=dark, vmin=0, vmax=3 * spread, interpolation="nearest")
        field.set(xticks=[], yticks=[])
        for spine in field.spines.values():
            spine.set(visible=True, color=ORIGINAL, lw=1)
        field.add_patch(Circle(_AT[::-1], 2.2, fc="none", ec=ERROR, lw=2.4))
        rows, whose = (values[_AT[0]], "in its row") if i == 2 else (values, "others")
        lost = f"{int(np.sum(rows == 0)):,} of {rows.size - 1:,} {whose} are 0"
        ax.text(left, 0.38, name, color=QUIET if i == 0 else QUANTIZED, va="center")
        if i:
            ax.text(left, 0.17, lost, va="center", weight="bold")
    return figure

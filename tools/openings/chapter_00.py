"""A language model in fewer and fewer bits: what it still knows, and what it still says."""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from quantedu.plots import ERROR, FAINT, INK, MONOSPACE, ORIGINAL, QUANTIZED
from quantedu.scenes.chapter_00 import records
from tools.openings.page import QUIET, canvas, page

ALT = (
    "A language model in 16, 8, 4 and 2 bits a weight: its error stays flat down to 4 bits and "
    "shoots up at 2, where its text turns to noise"
)
_LOOKS = {16: ORIGINAL, 8: QUANTIZED, 4: QUANTIZED, 2: ERROR}


def draw() -> Figure:
    """Squares as large as the model, as high as its error; below each what the model writes."""
    found = records()
    row = {r["bits"]: r for r in found["squeezed"] if r["name"] != "NF4"}
    figure = page(
        0,
        "In 4 bits a language model still talks. In 2 it babbles.",
        "One model, four times. A square's size is that of the model, its height the bits it needs "
        "to guess a byte.",
    )
    ax = canvas(figure)
    places = {bits: 1.5 + 2.33 * (4 - np.log2(bits)) for bits in row}
    heights = {bits: 1.4 + 0.165 * r["bits_per_byte"] for bits, r in row.items()}
    nothing = 1.4 + 0.165 * 8
    ax.plot([0.45, 9.55], [nothing] * 2, color=FAINT, lw=1.4, ls=(0, (4, 3)), zorder=0)
    ax.text(0.45, nothing + 0.06, "8: knows nothing at all", color=QUIET, fontsize=10)
    fine = [places[bits] for bits in row], [heights[bits] for bits in row]
    ax.plot(*fine, color=INK, lw=1.6, marker="o", ms=4, zorder=2)
    for bits, color in _LOOKS.items():
        x, y, side = places[bits], heights[bits], 0.26 * np.sqrt(bits)
        ax.add_patch(Rectangle((x - side / 2, y), side, side, fc=color, ec="none", zorder=1))
        away = -1 if bits == 2 else 1  # words stand to the right, but there the page ends
        words = {"ha": "left" if away > 0 else "right", "color": INK if bits == 16 else color}
        ax.text(x + away * (side / 2 + 0.1), y + 0.3, f"{bits} bits", weight="bold", **words)
        score = f"{row[bits]['bits_per_byte']:.2f}"
        ax.text(x + away * (side / 2 + 0.1), y + 0.09, score, **words)
        box = (x - 1.1, 0.2), 2.2, 0.98
        ax.add_patch(
            FancyBboxPatch(
                *box, boxstyle="round,pad=0,rounding_size=0.06", fc="#F6F6F6", ec=color, lw=1.2
            )
        )
        ax.plot([x, x], [1.18, y], color=color, lw=1.2, zorder=0)
        ax.text(
            x - 1.02, 1.09, _written(row[bits]["text"]), va="top", fontsize=9.5, family=MONOSPACE
        )
    return figure


def _written(text: str, width: int = 25, lines: int = 5) -> str:
    """The beginning of a text, wrapped; what cannot be printed as one sign."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    kept = textwrap.wrap(text, width, break_long_words=True)[:lines]
    return "\n".join(kept)

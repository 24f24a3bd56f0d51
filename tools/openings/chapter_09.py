"""Weights that cross a threshold while a network is trained rounded, and what that wins."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quantedu.plots import ERROR, FAINT, INK, ORIGINAL, QUANTIZED
from quantedu.scenes.chapter_09 import codebook_of, records
from tools.openings.page import page, room

ALT = (
    "Weights over twenty rounds of training with rounding: a few cross a threshold, most stay; "
    "beside it, misread digits against bits, many if rounded afterwards, few if trained rounded"
)
HELD_OUT = 360


def draw() -> Figure:
    """On the left 300 weights in 2 bits, on the right the misread digits of five seeds."""
    figure = page(
        9,
        "Training lets a few weights change sides. That is enough.",
        "Left: weights of a 2-bit network that is rounded in every step of its training. Right: "
        "the digits it then misreads.",
    )
    _paths(room(figure, 0.55, 0.6, 4.3, 2.5))
    _misread(room(figure, 6.35, 0.6, 3.2, 2.5))
    return figure


def _paths(ax: Axes) -> None:
    found, book = records(), codebook_of(2)
    latent = found["straight-through/2/latent"].astype(np.float32)
    scale = found["straight-through/2/scale"]
    codes = book.encode(latent / scale[:, None])
    changed = codes[0] != codes[-1]
    epochs = np.arange(len(latent))
    levels = np.unique(book.levels)
    edges = np.array([-9, *book.thresholds, 9])
    for i, level in enumerate(levels):
        low, high = edges[i] * scale, edges[i + 1] * scale
        ax.fill_between(epochs, low, high, color="#DCEBF5" if i % 2 else "#F3F8FB", lw=0)
        name = f"code {level:.0f}".replace("-", "−")
        ax.text(20.3, float(level * scale[-1]), name, va="center", color=QUANTIZED)
    ax.plot(epochs, latent[:, np.flatnonzero(~changed)[::3]], color=ORIGINAL, lw=0.6, zorder=1)
    for path, code in zip(latent.T[changed], codes.T[changed]):
        ax.plot(epochs, path, color=INK, lw=1.2, zorder=2)
        ax.plot(epochs, np.where(code == code[0], np.nan, path), color=ERROR, lw=1.6, zorder=3)
    ax.set(xlim=(0, 20), ylim=(-0.42, 0.3), xticks=[0, 5, 10, 15, 20], yticks=[])
    ax.set_title(f"orange: {changed.sum()} of {changed.size} weights get another code")
    ax.set_xlabel("rounds of training")
    ax.spines["left"].set_visible(False)


def _misread(ax: Axes) -> None:
    wrong = HELD_OUT - records()["correct"].astype(int)  # [methods, bits, seeds]
    places, names = range(5), ("8", "4", "3", "2", "1")
    for row, color, mark, text, at in (
        (wrong[0], ERROR, "o", "rounded afterwards", (2.75, 62)),
        (wrong[1], QUANTIZED, "s", "rounded in training", (2.2, 1.35)),
    ):
        ax.fill_between(places, row.min(axis=1), row.max(axis=1), color=color, alpha=0.25, lw=0)
        ax.plot(places, np.median(row, axis=1), color=color, marker=mark, ms=5.5)
        ax.text(*at, text, color=color, ha="right" if color == ERROR else "center", weight="bold")
    ax.set(yscale="log", xlim=(-0.25, 4.25), ylim=(1, 150), xlabel="bits of each weight")
    ax.set_xticks(places, names)
    ax.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.minorticks_off()
    ax.set_title(f"misread digits of {HELD_OUT}, five seeds")
    ax.yaxis.grid(True, color=FAINT, lw=0.7)

"""Activations with three loud channels, sixteen levels, and what it costs to cut here or there."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from quantedu import ptq
from quantedu.networks import digits_network, held_out
from quantedu.plots import ERROR, FAINT, INK, ORIGINAL, QUANTIZED
from quantedu.recipes import int_absmax, int_affine
from quantedu.scenes.chapter_08 import split_error
from tools.openings.page import QUIET, page, room

ALT = (
    "A histogram of activations with a long tail of a few loud ones, and the place where the range "
    "is cut; below, the error from rounding falls and that from clipping grows as the cut moves in"
)


def draw() -> Figure:
    """The values that enter `hidden2` in chapter 08, three ends of the range, and their errors."""
    images, labels = load_digits(return_X_y=True)
    held = held_out(labels)
    spare, net = images[~held], digits_network()
    loudest = np.argsort(net.record(spare)["hidden2"].max(axis=0))[-3:]
    loud = ptq.plant_loud_channels(net, ["hidden2"], loudest, factor=10)
    values = np.sort(loud.record(spare)["hidden2"], axis=None)
    batches = np.array_split(spare, 30)
    rest = ptq.calibrate(loud, batches, int_affine(4), ptq.observe_percentile(99))
    eight = ptq.quantized(loud, int_absmax(8, axis=-1))

    def read(end: float) -> int:
        """How many held-out digits are read if what enters ends there."""
        static = {**rest, "hidden2": ptq.Static(int_affine(4), np.float32(end / 15))}
        model = ptq.quantized(eight, activations=static)
        return int(np.sum(model.predict(images[held]) == labels[held]))

    ends = np.geomspace(0.7, values[-1], 120)
    errors = split_error(values, ends, 4)
    best, top = float(ends[errors.sum(axis=0).argmin()]), float(values[-1])
    cut = 3.3
    figure = page(
        8,
        "Clip the loud few, and the many get their steps back",
        "What enters a layer that reads digits, three of its channels made loud; and three ends "
        "for sixteen levels.",
    )
    across, left, wide = (0.25, 40), 2.45, 7.15
    above = room(figure, left, 2.3, wide, 1.0)
    bins = np.geomspace(across[0], top, 64)
    count, _ = np.histogram(values, bins)
    height = np.log10(np.maximum(count, 1))
    kept = bins[1:] <= cut
    above.stairs(np.where(kept, height, 0), bins, fill=True, color="#BDBDBD")
    loud_look = {"fc": "white", "ec": ERROR, "hatch": "////", "lw": 0}
    above.stairs(np.where(kept, 0, height), bins, fill=True, **loud_look)
    above.stairs(height, bins, color=ORIGINAL, lw=1)
    above.set(ylim=(0, 4))
    above.text(0.6, 1.5, "many quiet values", ha="center")
    above.text(11, 2.75, "few loud ones", ha="center", color=ERROR)

    rulers = room(figure, left, 1.36, wide, 0.86)
    cuts = {f"end at {cut:g}": cut, f"end at {best:.0f}": best, "end at the largest": top}
    for row, (name, end) in enumerate(cuts.items()):
        levels = end * np.arange(1, 16) / 15
        rulers.plot([across[0], end], [-row, -row], color=FAINT, lw=1.5, zorder=1)
        rulers.plot([end, top], [-row, -row], color=ERROR, lw=1.5, ls=(0, (3, 2)), zorder=1)
        rulers.plot(levels, np.full(15, -row), "|", color=QUANTIZED, ms=13, mew=2.4)
        words = {"va": "center", "transform": rulers.get_yaxis_transform()}
        rulers.text(-0.29, -row, name, **words)
        rulers.text(-0.015, -row, str(read(end)), ha="right", weight="bold", **words)
    rulers.set(ylim=(-2.5, 0.5))
    digits = {"ha": "right", "color": QUIET, "transform": above.transAxes, "linespacing": 1.3}
    above.text(-0.015, 0.02, f"digits read\nof {held.sum()}", **digits)

    below = room(figure, left, 0.42, wide, 0.88)
    rounding, clipped = errors
    below.plot(ends, rounding, color=QUANTIZED)
    below.plot(ends[:-1], clipped[:-1], color=ERROR, ls=(0, (5, 2)))
    below.plot(best, errors.sum(axis=0).min(), "*", color=INK, ms=13, mew=0)
    below.set(yscale="log", ylim=(2e-3, 9), yticks=[])
    below.text(2.1, 0.028, "error of rounding", ha="right", color=QUANTIZED)
    below.text(0.66, 2.2, "of clipping", ha="right", va="center", color=ERROR)
    below.text(best, 1.4, "least sum", ha="center", color=INK)
    here = {"ha": "right", "va": "top", "color": QUIET, "transform": below.transAxes}
    below.text(-0.015, -0.055, "where the levels end", **here)
    for ax in (above, rulers, below):
        ax.set(xscale="log", xlim=across)
        ax.minorticks_off()
        ax.set(xticks=[], yticks=[])
        ax.spines["left"].set_visible(False)
    rulers.set_axis_off()
    below.set_xticks([0.5, 1, 2, 4, 8, 16, 32], ["0.5", "1", "2", "4", "8", "16", "32"])
    return figure

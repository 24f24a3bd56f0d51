"""The weights of a trained layer, and the two to eight levels that may stand for them."""

import numpy as np
from matplotlib.figure import Figure

from quantedu.networks import digits_network
from quantedu.plots import FAINT, ORIGINAL, QUANTIZED
from quantedu.scenes.chapter_07 import KMEANS, best_of_family
from tools.openings.page import QUIET, page, room

ALT = (
    "The bell of a trained layer's weights four times, with the few levels that stand for it: two "
    "signs, three, seven powers of two, eight means; the more, the less is lost"
)
_FAMILIES = {
    "the sign": ("evenly spaced", 1),
    "ternary": ("evenly spaced, with 0", 2),
    "powers of two": ("powers of two, with 0", 3),
    "k-means": (KMEANS, 3),
}


def draw() -> Figure:
    """Four pictures of the same weights, with levels as high as they are used."""
    found = {k: best_of_family(*which, "digits network") for k, which in _FAMILIES.items()}
    kept = [f"{100 - 100 * error:.0f} %" for _, _, error, _ in found.values()]
    figure = page(
        7,
        f"Two levels keep {kept[0]} of a trained layer, eight keep {kept[-1]}",
        "Grey: its weights. Blue: the levels that stand for them, each as high as it is used.",
    )
    w = digits_network().layers["hidden2"].astype(np.float64).ravel()
    w = w / np.sqrt(np.mean(w**2))
    density, edges = np.histogram(w, 44, range=(-3.4, 3.4), density=True)
    for i, (name, (book, scale, error, shares)) in enumerate(found.items()):
        ax = room(figure, 0.45 + 2.34 * i, 0.75, 2.08, 1.85)
        ax.stairs(density / density.max(), edges, fill=True, color=FAINT)
        ax.stairs(density / density.max(), edges, color=ORIGINAL, lw=1)
        levels = book.levels[book.codes_by_rank] * scale
        high = shares / 0.62
        ax.vlines(levels, 0, high, color=QUANTIZED, lw=3)
        ax.plot(levels, high, "o", color=QUANTIZED, ms=7.5)
        ax.set(xlim=(-3.4, 3.4), ylim=(0, 1.1), yticks=[], xticks=[-2, 0, 2])
        ax.set_xticks([-2, 0, 2], ["−2", "0", "2"])
        ax.spines["left"].set_visible(False)
        ax.tick_params(length=0, labelcolor=QUIET)
        ax.text(-3.4, 1.3, f"{levels.size} levels", weight="bold", fontsize=14)
        ax.text(-3.4, 1.14, name, color=QUIET)
        lost = f"{100 * error:.0f} % of the energy lost"
        ax.text(0, -0.27, lost, ha="center", va="center", color=QUANTIZED, weight="bold")
    return figure

"""Make the pictures that stand in files: the chapters' openings, the map, the bit inspector.

python tools/pictures.py              writes notebooks/pictures/*.png
python tools/pictures.py --output D   writes into another folder
"""

import argparse
import base64
import importlib
import pathlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from quantedu.codebooks import NF4, lloyd_max, log2, normal_float, ternary, uniform
from quantedu.formats import BF16, E4M3, FP16
from quantedu.plots import ERROR, FAINT, FIELD_COLORS, INK, ORIGINAL, QUANTIZED, STYLE
from quantedu.scenes.chapter_00 import records
from quantedu.widgets import BitInspector
from tools.openings.page import LOOK, to_png

PICTURES = pathlib.Path(__file__).resolve().parent.parent / "notebooks" / "pictures"
CHAPTERS = range(11)

# The map: a way through the chapters, and from each of them the picture to remember


def _squeezed(ax: Axes) -> None:
    row = [r for r in records()["squeezed"] if r["name"] != "NF4"]
    ax.plot(np.log2([r["bits"] for r in row]), [r["bits_per_byte"] for r in row], color=ORIGINAL)
    [four] = [r["bits_per_byte"] for r in row if r["bits"] == 4]
    ax.plot(2, four, "s", color=QUANTIZED)
    ax.plot(1, row[-1]["bits_per_byte"], "X", color=ERROR)
    ax.text(2, 2.2, "4 bits", ha="center", color=QUANTIZED)
    ax.text(1.25, row[-1]["bits_per_byte"], "2 bits", ha="right", va="center", color=ERROR)
    ax.set(xlim=(4.3, 0.3), ylim=(0, 9.8))


def _fields(ax: Axes) -> None:
    bits = f"{int(FP16.encode(0.1)):016b}"
    names = ["sign", *["exponent"] * 5, *["mantissa"] * 10]
    for i, (bit, name) in enumerate(zip(bits, names)):
        color = FIELD_COLORS[name]
        fill = color if bit == "1" else (*to_rgb(color), 0.15)
        ax.add_patch(plt.Rectangle((i, 0), 0.9, 1, fc=fill, ec=color, lw=0.8))
    ax.text(8, -0.9, "0.09997558…", ha="center", va="center")
    ax.set(xlim=(-0.5, 16.4), ylim=(-2.3, 2.3))


def _ranges(ax: Axes) -> None:
    for f, color in ((BF16, QUANTIZED), (FP16, ERROR), (E4M3, ORIGINAL)):
        reach = np.log2([f.smallest_subnormal, f.max])
        ax.plot(reach, [f.mantissa_bits] * 2, color=color, lw=6, solid_capstyle="butt")
        name = f.name.removeprefix("FP8 ")
        ax.text(np.mean(reach), f.mantissa_bits + 0.6, name, ha="center", va="bottom")
    ax.set(xlim=(-140, 140), ylim=(1.5, 12.5))


def _staircase(ax: Axes) -> None:
    x = np.linspace(-3.5, 3.5, 701)
    ax.plot(x, x, color=ORIGINAL)
    ax.plot(x, np.clip(np.rint(x), -3, 3), color=QUANTIZED, lw=1.8)
    ax.set(xlim=(-4, 4), ylim=(-4, 4))


def _walls(ax: Axes) -> None:
    x = np.random.default_rng(5).normal(0, 0.9, 32)
    x[21] = 8
    for i, value in enumerate(x):
        ax.plot([i, i], [0, value], color=ERROR if i == 21 else QUANTIZED, lw=2)
    for wall in (7.5, 15.5, 23.5):
        ax.axvline(wall, color=INK, lw=1)
    ax.set(xlim=(-1, 32), ylim=(-3, 9))


def _bell(ax: Axes) -> None:
    x = np.linspace(-2.6, 2.6, 201)
    ax.fill_between(x, np.exp(-x * x / 2), color=FAINT, ec=ORIGINAL)
    levels = NF4.levels * 1.85
    ax.vlines(levels, -0.22, np.exp(-levels * levels / 2), color=QUANTIZED, lw=1.2)
    ax.set(xlim=(-2.7, 2.7), ylim=(-0.35, 1.15))


def _rulers(ax: Axes, rows: dict[str, Any], color: str = QUANTIZED) -> None:
    for y, (name, levels) in enumerate(reversed(rows.items())):
        ax.plot([-1, 1], [y, y], color=FAINT, lw=1, zorder=1)
        ax.plot(levels, np.full(len(levels), y), "|", color=color, ms=9, mew=1.4)
        ax.text(-1.1, y, name, ha="right", va="center", fontsize=7)
    ax.set(xlim=(-1.75, 1.1), ylim=(-0.6, len(rows) - 0.4))


def _zeros(ax: Axes) -> None:
    ax.axvline(0, color=ERROR, lw=1.2, ls="--")
    maps = (normal_float(4, symmetric=True), NF4, uniform(4))
    _rulers(ax, {name: m.levels for name, m in zip(("7 + 7", "7 + 8", "8 + 8"), maps)})


def _few(ax: Axes) -> None:
    means = lloyd_max(np.random.default_rng(0).standard_normal(4096), 3).levels
    rows = {"sign": uniform(1), "ternary": ternary(), "powers": log2(4)}
    _rulers(ax, {k: v.levels for k, v in rows.items()} | {"means": means / np.abs(means).max()})


def _clipped(ax: Axes) -> None:
    x = np.linspace(0, 8, 161)
    y = x * np.exp(-x)
    ax.fill_between(x, y, color=FAINT, ec=ORIGINAL)
    ax.fill_between(x[x > 4], y[x > 4], fc="none", ec=ERROR, hatch="////", lw=0.8)
    ax.vlines(np.linspace(0, 4, 9), -0.05, 0, color=QUANTIZED, lw=1.4)
    ax.axvline(4, color=QUANTIZED, lw=1.6)
    ax.text(4.2, 0.3, "clip here?", color=QUANTIZED)
    ax.set(xlim=(-0.3, 8), ylim=(-0.08, 0.42))


def _trained(ax: Axes) -> None:
    wrong = {"without": ([3, 6, 7, 21, 99], ERROR), "with training": ([4, 5, 5, 5, 6], QUANTIZED)}
    for of_360, color in wrong.values():
        ax.plot(range(5), np.log2(of_360), "o-", color=color, ms=3.5)
    ax.text(2.9, 5.4, "rounded after", ha="right", color=ERROR)
    ax.text(2.6, 0.9, "trained rounded", ha="center", color=QUANTIZED)
    ax.set(xlim=(-0.4, 4.4), ylim=(0, 7.2))


def _smoothed(ax: Axes) -> None:
    loud = np.array([1, 1.4, 0.8, 9, 1.1, 0.7, 1.3])
    calm = loud / np.sqrt(loud)
    for start, heights in ((0, loud), (9, calm)):
        colors = [ERROR if i == 3 else QUANTIZED for i in range(7)]
        ax.bar(start + np.arange(7), heights, 0.75, color=colors)
    ax.annotate("", (8.6, 4.5), (5.4, 4.5), arrowprops={"arrowstyle": "->", "color": INK})
    ax.set(xlim=(-1, 16), ylim=(0, 10))


_TILES: dict[str, tuple[str, Callable[[Axes], None]]] = {
    "00": ("squeeze a model", _squeezed),
    "01": ("bits to a number", _fields),
    "02": ("range or precision", _ranges),
    "03": ("round and scale", _staircase),
    "04": ("walls for outliers", _walls),
    "05": ("16 numbers, a bell", _bell),
    "06": ("where zero goes", _zeros),
    "07": ("down to two levels", _few),
    "08": ("all in integers", _clipped),
    "09": ("trained with levels", _trained),
    "10": ("loud channels", _smoothed),
}
_ROWS = {
    "One number, then many that share a scale": "each needs the one before it",
    "A few levels: which ones?": "06 and 07 need 05",
    "A whole network": "from 03 on you may go straight here; 10 needs 04 as well",
}


def course_map() -> np.ndarray:
    """The chapters on the way through them, each with its picture, drawn roughly.

    Returns
    -------
    Array of Axes [11], by chapter; the way lies on one more Axes of their figure, below them
    """
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(8.5, 6.35), dpi=144, layout="none")
        way = figure.add_axes((0, 0, 1, 1), xlim=(0, 8.5), ylim=(0, 6.35))
        way.set_axis_off()
        boxes = [(0.42 + 2.03 * (i % 4), 4.4 - 2.1 * (i // 4)) for i in range(12)]
        middle = [y + 0.75 for _, y in boxes[::4]]
        path: dict[str, Any] = {"color": "#9CC7E3", "lw": 6}
        turn, left, right = middle[0] - 0.97, 0.2, 8.36
        way.plot([0.5, right, right, left, left], [*middle[:1] * 2, turn, turn, middle[2]], **path)
        for y in middle[1:]:
            way.plot([left, 6.6], [y, y], **path)
        for x, y in boxes:
            box = FancyBboxPatch((x, y), 1.74, 1.5, boxstyle="round,pad=0,rounding_size=0.1")
            way.add_patch(box).set(fc="white", ec=INK, lw=0.9, zorder=3)
        box.set(ls="--", ec=ORIGINAL)
        end = {"ha": "center", "va": "center", "zorder": 4}
        way.text(boxes[-1][0] + 0.87, middle[2], "a model\nof your own", **end)
        for y, (name, needs) in zip(middle, _ROWS.items()):
            words = way.text(0.42, y + 0.84, name, weight="bold", fontsize=10.5)
            small = {"fontsize": 8.5, "color": "#666666", "va": "baseline"}
            way.annotate(f"   {needs}", (1, y + 0.84), xycoords=(words, "data"), **small)
        axes = []
        for (x, y), (number, (title, drawn)) in zip(boxes, _TILES.items()):
            ax = figure.add_axes(((x + 0.07) / 8.5, (y + 0.07) / 6.35, 1.6 / 8.5, 1.1 / 6.35))
            drawn(ax)
            ax.set(xticks=[], yticks=[], facecolor="none", frame_on=False)
            ax.set_title(f"{number} {title}", fontsize=9, weight="normal", loc="left", pad=5)
            axes.append(ax)
        return np.array(axes)


def chapter(number: int) -> ModuleType:
    """The module that draws a chapter's opening and says in `ALT` what is seen."""
    return importlib.import_module(f"tools.openings.chapter_{number:02}")


def opening(number: int) -> Figure:
    """The picture that opens a chapter, drawn from the data of today."""
    with plt.rc_context(LOOK):
        figure: Figure = chapter(number).draw()
    return figure


def others() -> dict[str, bytes]:
    """The map and the bit inspector, as PNG."""
    bundle, _ = BitInspector(FP16, "0.1")._repr_mimebundle_()
    inspector = base64.b64decode(bundle["image/png"])
    return {"course_map": to_png(course_map()[0].figure), "bit_inspector": inspector}


def save(folder: pathlib.Path) -> None:
    """Write the pictures; no dates in them, so that the same pictures are the same bytes."""
    openings = {f"chapter_{number:02}": to_png(opening(number)) for number in CHAPTERS}
    for name, png in {**openings, **others()}.items():
        (folder / f"{name}.png").write_bytes(png)


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--output", type=pathlib.Path, default=PICTURES)
    save(parser.parse_args().output)


if __name__ == "__main__":
    main()

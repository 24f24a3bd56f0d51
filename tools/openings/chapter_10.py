"""The INT8 codes of a language model's activations, loud channels and all, and after smoothing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quantedu.language_model import held_out_text, language_model
from quantedu.plots import ERROR, QUANTIZED
from quantedu.ptq import plant_loud_channels
from quantedu.recipes import int_absmax
from quantedu.scenes.chapter_10 import records
from tools.openings.page import QUIET, canvas, page, room

ALT = (
    "INT8 codes of activations as a landscape of tokens and channels: four loud channels stand as "
    "walls on an empty plain; after SmoothQuant the plain is full of hills"
)
LAYER, TOKENS = "block2.gate", 14


def draw() -> Figure:
    """Codes of the same tokens, one scale for all, before and after; and bits per byte."""
    about, model = records(), language_model()
    group = next(group for group in model.rescalable if group[0] == LAYER)
    planted = plant_loud_channels(model, group, about["channels"], about["factor"])
    x = planted.record(held_out_text()[-256:], [LAYER])[LAYER]
    w = np.concatenate([planted.layers[name] for name in group])
    s = np.sqrt(np.abs(x).max(axis=0) / np.abs(w).max(axis=0))
    figure = page(
        10,
        "Four loud channels leave no codes for the rest",
        f"A language model with four channels made {about['factor']} times as loud. INT8 codes, a "
        "line for each token, channels across.",
    )
    ax = canvas(figure)
    score = {name: f"{bits:.2f}" for name, bits in about["planted"].items()}
    before = f"{score['W8A8 per tensor']} bits per byte (FP32: {score['FP32']})"
    after = f"{score['smoothed + W8A8 per tensor']} bits per byte"
    for left, values, title, bits in (
        (0.45, x[-TOKENS:], "one scale for all", before),
        (
            5.2,
            x[-TOKENS:] / s,
            "loudness moved into the weights",
            after,
        ),
    ):
        codes = int_absmax(8).quantize(values).codes.view(np.int8).reshape(values.shape)
        _ridges(room(figure, left, 0.55, 4.35, 2.65), np.abs(codes.astype(int)), about["channels"])
        ax.text(left + 0.05, 0.25, title, weight="bold", color=QUANTIZED)
        ax.text(left + 4.3, 0.25, bits, ha="right", color=QUIET)
    return figure


def _ridges(ax: Axes, codes: np.ndarray, loud: list[int]) -> None:
    """A line for each row of magnitudes [rows, channels], the first at the back."""
    channels = np.arange(codes.shape[1])
    for row, heights in enumerate(codes):
        base, z = float(len(codes) - row), 3 * row
        line = base + 5.6 * heights / 127
        shift = 0.35 * (len(codes) - row)  # a view from the left
        ax.fill_between(channels + shift, base, line, color="white", lw=0, zorder=z)
        ax.plot(channels + shift, line, color=QUANTIZED, lw=0.9, zorder=z + 1)
        for channel in loud:
            near = slice(channel - 1, channel + 2)
            ax.plot(channels[near] + shift, line[near], color=ERROR, lw=1.1, zorder=z + 2)
    ax.set(xlim=(-2, channels.size + 9), ylim=(0.5, len(codes) + 5.7))
    ax.set_axis_off()

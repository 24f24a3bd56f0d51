"""Chapter 10, loud channels: what α moves from activations to weights, and what the model says."""

import functools
import json
from typing import Any

import numpy as np

from quantedu.language_model import held_out_text, language_model
from quantedu.networks import DATA
from quantedu.ptq import plant_loud_channels
from quantedu.sketch import Axis, Panel, Scene, hline, line, points

READERS = {"q": "q, k, v", "gate": "gate, up"}
LAYERS = ("block2.gate", "block0.q", "block5.q")  # what the interactive offers


@functools.cache
def records() -> dict[str, Any]:
    """What `tools/record_outliers.py` found.

    >>> records()["factor"]
    64
    """
    text = (DATA / "outlier_records.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@functools.cache
def _planted() -> tuple[Any, dict[str, np.ndarray]]:
    """The model with its loud channels, and what enters the layers shown, all in one pass."""
    model, about = language_model(), records()
    readers = [name for group in model.rescalable if group[0] in LAYERS for name in group]
    model = plant_loud_channels(model, readers, list(about["channels"]), about["factor"])
    return model, model.record(held_out_text()[-about["calibration"] :], LAYERS)


@functools.cache
def maxima(layer: str) -> tuple[np.ndarray, np.ndarray]:
    """max|X_j| and max|W_j| [n_in] of the planted model, over the calibration text and all readers.

    >>> x, w = maxima("block0.q")
    >>> x.shape, bool(x.max() > 30 * np.median(x))
    ((192,), True)
    """
    model, heard = _planted()
    group = next(group for group in model.rescalable if group[0] == layer)
    w = np.max([np.abs(model.layers[name]).max(axis=0) for name in group], axis=0)
    return np.abs(heard[layer]).max(axis=0), w


def loudness(
    alpha: float = 0.5, scheme: str = "W8A8 per tensor", layer: str = "block2.gate"
) -> Scene:
    """The loudest of each channel and of its weights before and after smoothing, and what it gives.

    Planted are the loud channels of the records; bits per byte are from there, for what the whole
    model says when the inputs behind all its norms are smoothed by α.

    Parameters
    ----------
    alpha : one of those recorded, 0 … 1
    scheme : one of those recorded
    layer : "block0.q", "block2.gate" or "block5.q": what is shown of the model

    Examples
    --------
    >>> round(float(loudness(alpha=1.0).panels[0].marks[1].y.max()), 3)
    1.0
    """
    if scheme not in (swept := records()["swept"]):
        raise ValueError(f"scheme={scheme!r} was not recorded; choose one of {list(swept)}")
    x, w = maxima(layer)
    s = x**alpha / w ** (1 - alpha)
    order, rank = np.argsort(x)[::-1], np.arange(x.size)
    alphas, curve = np.array(records()["alphas"]), np.array(swept[scheme])
    here = float(np.interp(alpha, alphas, curve))
    before, exact = records()["planted"][scheme], records()["planted"]["FP32"]

    def panel(title: str, values: np.ndarray, new: np.ndarray) -> Panel:
        marks = [
            points(rank, values[order], "original", "as it was"),
            line(rank, new[order], "quantized", "smoothed"),
        ]
        ticks = (0, 50, 100, 150)
        return Panel(marks, Axis("channel, by loudness", ticks=ticks), Axis(title, log=2))

    marks = [
        line(alphas, curve, "error"),
        hline(exact, "original", "FP32"),
        points([alpha], [here], "quantized", f"here: {here:.4f}"),
    ]
    reach, hushed = (float(v.max() / np.median(v)) for v in (x, x / s))
    title = (
        f"α = {alpha:g}: the loudest channel is {hushed:.1f} × the usual, it was {reach:.0f} ×; "
        f"{scheme} costs {here:.3f} bits per byte, {before:.3f} without smoothing"
    )
    text = (
        f"what enters {READERS[layer.split('.')[1]]} of {layer.split('.')[0]}: loudest of "
        f"each channel {x.min():.3g} to {x.max():.3g}, smoothed {(x / s).min():.3g} to "
        f"{(x / s).max():.3g}\n"
        f"heaviest weight on each: {w.min():.3g} to {w.max():.3g}, smoothed "
        f"{(w * s).min():.3g} to {(w * s).max():.3g}\n"
        f"bits per byte over {records()['bytes']:,} bytes: FP32 {exact:.4f}, {scheme} "
        f"{before:.4f}, smoothed with α = {alpha:g} {here:.4f}"
    )
    panels = [
        panel("loudest input of each channel", x, x / s),
        panel("heaviest weight it meets", w, w * s),
        Panel(
            marks,
            Axis("α, the weights' part of the load", ticks=(0, 0.25, 0.5, 0.75, 1)),
            Axis("bits per byte"),
        ),
    ]
    return Scene(title, panels, text, columns=3)

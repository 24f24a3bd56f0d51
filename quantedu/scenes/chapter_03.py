"""Chapter 03, what round, scale and zero-point do: staircase and error, and rulers of levels."""

import functools
import re
from dataclasses import replace
from typing import Any

import numpy as np

from quantedu.metrics import mse, sqnr_db
from quantedu.networks import digits_network
from quantedu.sketch import (
    Axis,
    Panel,
    Scene,
    bars,
    hline,
    line,
    points,
    step,
    ticks,
)

ZERO_POINTS = ("none", "over a range that holds 0", "clamped")
GROUPS = ("trained weights", "after ReLU", "10.5 … 14")


@functools.cache
def _group(data: str) -> np.ndarray:
    """One of GROUPS, 8,192 numbers of float64."""
    weights = digits_network().layers["hidden2"].astype(np.float64).ravel()
    group = {
        "trained weights": weights,
        "after ReLU": np.maximum(np.random.default_rng(0).standard_normal(weights.size), 0),
        "10.5 … 14": np.linspace(10.5, 14, weights.size),
    }[data]
    group.flags.writeable = False
    return group


def linear_quantizer(
    bits: int = 3, clip: float = 100, zero_point: str = "none", data: str = "trained weights"
) -> Scene:
    """The staircase of an integer quantizer over its data, and its error, a sawtooth.

    Parameters
    ----------
    bits : 2 to 8
    clip : how much of the data's range the levels span, in percent; what lies beyond is clipped
    zero_point : "none", symmetric integers −h … h; or unsigned ones with the zero-point
        rint(−min/scale), whose range is first widened to hold 0, or which is "clamped" instead
    data : one of GROUPS

    Examples
    --------
    >>> print(linear_quantizer(4, 100, "clamped", "10.5 … 14").text)
    scale 0.2333, zero-point 0, integers 0 … 15
    levels from 0 to 3.5: 1 of 16 used, 8192 of 8192 values clipped
    mean squared error 77.6: 0 % from rounding, 100 % from clipping
    SQNR 2.9 dB
    """
    x, kept = _group(data), clip / 100
    scale, zero, codes = _integers_over(x, bits, kept, zero_point)
    levels = scale * (codes - zero)
    edges = (levels[1:] + levels[:-1]) / 2
    place = np.searchsorted(edges, x)
    x_hat = levels[place]
    inside = (x >= levels[0] - scale / 2) & (x <= levels[-1] + scale / 2)
    rounding, total = np.square((x_hat - x)[inside]).sum() / x.size, mse(x, x_hat)

    low, high = min(x.min(), levels[0]), max(x.max(), levels[-1])
    ends = np.concatenate([[low], edges, [high]])
    error_x = np.stack([ends[:-1], ends[1:], np.full(levels.size, np.nan)], axis=1).ravel()
    density, bins = np.histogram(x, 60, density=True)
    highest = 1.2 * np.sort(density)[-2]  # a spike of zeros would flatten all else
    often = "how often" + ", a spike cut off" * bool(density.max() > highest)
    across = Axis(limits=(low - 0.04 * (high - low), high + 0.04 * (high - low)))
    largest = 1.15 * max(scale / 2, abs(levels[-1] - high), abs(levels[0] - low))
    panels = [
        Panel(
            [
                bars(bins, np.minimum(density, highest), role="original", label="data"),
                ticks(levels, label="levels"),
            ],
            across,
            Axis(often, ticks=()),
            height=90,
        ),
        Panel(
            [line([low, high], [low, high], "original", "x"), step(ends, levels, label="x̂")],
            across,
            Axis("what comes back"),
        ),
        Panel(
            [
                line(error_x, np.repeat(levels, 3) - error_x, "error", "x̂ − x"),
                hline([-scale / 2, scale / 2], label="± half a step"),
            ],
            replace(across, label="x"),
            Axis("error", (-largest, largest)),
            height=110,
        ),
    ]
    share = round(100 * rounding / total)
    text = (
        f"scale {scale:.4g}, zero-point {zero:g}, integers {codes[0]:g} … {codes[-1]:g}\n"
        f"levels from {levels[0]:.3g} to {levels[-1]:.3g}: {np.unique(place).size} "
        f"of {levels.size} used, {(~inside).sum()} of {x.size} values clipped\n"
        f"mean squared error {total:.3g}: {share} % from rounding, {100 - share} % from clipping\n"
        f"SQNR {sqnr_db(x, x_hat):.1f} dB"
    )
    text = re.sub(r"-(?=\d)", "−", text)
    title = "Inside its range a quantizer errs by half a step at most; outside, by the whole way"
    return Scene(title, panels, text)


def _integers_over(
    x: np.ndarray, bits: int, kept: float, zero_point: str
) -> tuple[float, float, np.ndarray]:
    """Scale, zero-point and the integers [n] that span this part of the range of x."""
    if zero_point == "none":
        highest = 2 ** (bits - 1) - 1
        return kept * np.abs(x).max() / highest, 0.0, np.arange(-highest, highest + 1)
    highest, low, high = 2**bits - 1, kept * x.min(), kept * x.max()
    if zero_point == "over a range that holds 0":
        low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / highest
    zero = np.clip(np.rint(-low / scale), 0, highest) + 0.0  # no −0
    return scale, float(zero), np.arange(highest + 1)


def rulers(x: Any, quantized: dict[str, tuple[Any, Any]], title: str = "") -> Scene:
    """Where a few numbers go: one ruler of levels for each way to quantize them.

    Parameters
    ----------
    x : [n]
    quantized : name → levels [k] and x̂ [n]
    title : the sentence to notice

    Examples
    --------
    >>> print(rulers([0.4, 1.2], {"integers": ([0, 1, 2], [0, 1])}).text)
    integers: error at most 0.4, distinct values: 2
    """
    x = np.asarray(x, dtype=np.float64)
    everything = np.concatenate([x, *(np.ravel(levels) for levels, _ in quantized.values())])
    room = 0.04 * np.ptp(everything)
    across, last = (everything.min() - room, everything.max() + room), len(quantized) - 1
    panels, text = [], []
    for i, (name, (levels, x_hat)) in enumerate(quantized.items()):
        named = ("levels", "x", "x̂") if i == 0 else ("", "", "")
        x_hat = np.asarray(x_hat, dtype=np.float64)
        paths = np.stack([x, x_hat, np.full(x.size, np.nan)], axis=1).ravel()
        marks = [
            line(paths, np.tile([0.85, 0.3, np.nan], x.size), "neutral"),
            ticks(levels, 0, 0.3, label=named[0]),
            points(x, np.full(x.size, 0.85), "original", named[1]),
            points(x_hat, np.full(x.size, 0.3), label=named[2]),
        ]
        label = "" if i < last else "value"
        panels.append(Panel(marks, Axis(label, across), Axis(name, (0, 1), ticks=()), height=60))
        worst, distinct = np.abs(x - x_hat).max(), np.unique(x_hat).size
        text.append(f"{name}: error at most {worst:.3g}, distinct values: {distinct}")
    return Scene(title, panels, "\n".join(text))

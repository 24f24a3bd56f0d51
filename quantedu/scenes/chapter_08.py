"""Chapter 08, calibration: where to cut a range, and what that costs the layer and the network."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from quantedu.ptq import Static, observe_percentile, quantized
from quantedu.recipes import int_affine
from quantedu.sketch import Axis, Panel, Scene, bars, hline, line, points, ticks, vline


def split_error(x: Any, thresholds: Any, bits: int, sums: np.ndarray | None = None) -> np.ndarray:
    """Mean squared error of values that are cut at a threshold: from rounding, from clipping.

    The levels are threshold · k / (2^bits − 1), k = 0 …; what is above the threshold becomes it.

    Parameters
    ----------
    x : array, no entry below 0, sorted
    thresholds : [k], above 0
    sums : `running_sums(x)`, for whoever asks more than once

    Returns
    -------
    float64 [2, k]

    Examples
    --------
    >>> split_error([0.0, 0.4, 1.0, 3.0], [1.0], bits=1) * 4     # 0.4² and (3 − 1)²
    array([[0.16],
           [4.  ]])
    """
    x = np.asarray(x)
    sums = running_sums(x) if sums is None else sums
    found = []
    for t in np.asarray(thresholds, dtype=np.float64):
        levels = t * np.arange(2**bits) / (2**bits - 1)
        inner = np.searchsorted(x, (levels[1:] + levels[:-1]) / 2)
        cuts = np.concatenate([[0], inner, [np.searchsorted(x, t)], [x.size]])
        total, square = np.diff(sums[:, cuts], axis=1)
        level = np.append(levels, t)
        error = square - 2 * level * total + level**2 * np.diff(cuts)
        found.append([error[:-1].sum(), error[-1]])
    return np.maximum(np.transpose(found), 0) / x.size


def running_sums(x: Any) -> np.ndarray:
    """The sums of the first k values and of their squares, k = 0 … size: float64 [2, size + 1].

    >>> running_sums([1, 3])
    array([[ 0.,  1.,  4.],
           [ 0.,  1., 10.]])
    """
    x = np.asarray(x, dtype=np.float64)
    sums = np.zeros((2, x.size + 1))
    np.cumsum([x, x * x], axis=1, out=sums[:, 1:])
    return sums


def clipping(
    model: Any,
    seen: Mapping[str, np.ndarray],
    images: Any,
    labels: Any,
    layer: str = "hidden2",
    bits_offered: Sequence[int] = (2, 3, 4, 6, 8),
) -> Callable[..., Scene]:
    """A function of percentile and bits, whose scene shows what that range costs.

    Every layer's input is kept up to the percentile of what calibration has seen there. The
    pictures are of one of them; the score is that of the whole model.

    Parameters
    ----------
    model : of the protocol, with its weights as they are to be used; `forward` gives scores
    seen : name → float32 [n, n_in], what entered each layer in calibration (`record`)
    images, labels : what the score is taken on
    layer : the one that is drawn; its inputs have to be 0 or more
    bits_offered : for which the curves are computed at once, so that a slider need not wait
    """
    ordered = {name: np.sort(values, axis=None) for name, values in seen.items()}
    x = ordered[layer]
    sums = running_sums(x)
    labels, top = np.asarray(labels), float(x[-1])
    across = Axis(f"what enters {layer}, and where it is cut", (0.25, 1.1 * top), log=2)
    bins = np.geomspace(0.25, top, 49)
    count = np.histogram(x, bins)[0]
    thresholds = np.geomspace(0.5, top, 100)

    def score(of: Any) -> tuple[float, int]:
        """Cross-entropy, and how many images are read; the network runs once for both."""
        scores = of.forward(images).astype(np.float64)
        true = scores[np.arange(labels.size), labels]
        right = scores.argmax(axis=1) == labels
        return float(np.mean(np.logaddexp.reduce(scores, axis=1) - true)), int(right.sum())

    alone = score(model)[0]

    @functools.cache
    def errors(bits: int) -> np.ndarray:
        return split_error(x, thresholds, bits, sums)

    @functools.cache
    def ranges(percentile: float) -> dict[str, np.ndarray]:
        """What is kept of each layer's input, at any number of bits."""
        observer = observe_percentile(percentile)
        return {name: observer([a[None]], int_affine()) for name, a in ordered.items()}

    @functools.cache
    def scored(percentile: float, bits: int) -> tuple[float, float, int]:
        """Threshold of the layer drawn, cross-entropy, and how many images are read."""
        recipe, found = int_affine(bits), ranges(percentile)
        static = {name: Static(recipe, *recipe.fit(kept)) for name, kept in found.items()}
        return float(found[layer][0, 1]), *score(quantized(model, activations=static))

    @functools.cache
    def scores(bits: int) -> np.ndarray:
        """Thresholds and cross-entropies [2, n]."""
        near_the_end = (97.5, 98, 98.2, 98.4, 98.6, 98.8, 99, 99.25, 99.5, 99.8, 99.95, 100)
        percentiles = (75, 80, 85, 90, 92.5, 94, 95, 96, 97, *near_the_end)
        return np.transpose([scored(q, bits)[:2] for q in percentiles])

    def scene(percentile: float = 98.0, bits: int = 4) -> Scene:
        """What the percentile keeps, what that costs this layer, and the whole model."""
        threshold, loss, right = scored(percentile, bits)
        rounding, clipped = split_error(x, [threshold], bits, sums)[:, 0]
        cut = bins[:-1] >= threshold
        height = np.log10(np.maximum(count, 0.5)) - np.log10(0.5)
        levels = threshold * np.arange(1, 2**bits) / (2**bits - 1)
        curves, (cuts, losses) = errors(bits), scores(bits)
        error = Axis("mean squared error", (1e-4, 10), log=10)
        panels = [
            Panel(
                [
                    bars(bins, np.where(cut, 0, height), role="original", label="kept"),
                    bars(bins, np.where(cut, height, 0), role="error", label="clipped"),
                    ticks(levels if bits <= 5 else [], 0, 0.2, label="levels"),
                    vline(threshold, role="highlight"),
                ],
                across,
                Axis("values, log scale", ticks=()),
            ),
            Panel(
                [
                    line(thresholds, np.maximum(curves[0], 1e-9), label="rounding"),
                    line(thresholds, np.maximum(curves[1], 1e-9), role="error", label="clipping"),
                    line(thresholds, curves.sum(axis=0), role="original", label="both"),
                    points([threshold], [rounding + clipped], role="highlight"),
                ],
                across,
                error,
            ),
            Panel(
                [
                    line(cuts, losses, label="quantized"),
                    hline(alone, role="original", label="activations in FP32"),
                    points([threshold], [loss], role="highlight"),
                ],
                across,
                Axis("cross-entropy", (0.03, 3), log=10),
            ),
        ]
        beyond = np.mean(x > threshold)
        title = f"Cut at percentile {percentile:g}, {bits} bits: {right} of {len(labels)} read"
        text = (
            f"{layer} is cut at {threshold:.3g}: {beyond:.1%} of the values lie beyond, the "
            f"largest is {top:.3g}\n"
            f"mean squared error {rounding + clipped:.3g}: {rounding:.3g} from rounding, "
            f"{clipped:.3g} from clipping\n"
            f"the whole network: cross-entropy {loss:.3f} ({alone:.3f} with activations in FP32), "
            f"{right} of {len(labels)} images read"
        )
        return Scene(title, panels, text)

    for offered in bits_offered:
        scores(offered)
    return scene

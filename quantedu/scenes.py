"""The scenes of the chapters' interactives: what an Explorer shows, computed as plain data.

Each chapter has a section; its functions take the values of the controls and give a Scene.
"""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from quantedu.metrics import entropy, mse, sqnr_db
from quantedu.networks import digits_network
from quantedu.quantizers import int_absmax
from quantedu.sketch import (
    Axis,
    Mark,
    Panel,
    Scene,
    area,
    bars,
    hline,
    line,
    note,
    points,
    step,
    ticks,
    vline,
)

# Chapter 03: what do round, scale and zero-point do?

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
    scale 0.2333, zero-point 0, integers 0 … 15: levels from 0 to 3.5
    clipped: 8192 of 8192 values; mean squared error 77.6: 0 % from rounding, 100 % from clipping
    1 of 16 levels used; SQNR 2.9 dB
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
        f"scale {scale:.4g}, zero-point {zero:g}, integers {codes[0]:g} … {codes[-1]:g}: "
        f"levels from {levels[0]:.3g} to {levels[-1]:.3g}\n"
        f"clipped: {(~inside).sum()} of {x.size} values; mean squared error {total:.3g}: "
        f"{share} % from rounding, {100 - share} % from clipping\n"
        f"{np.unique(place).size} of {levels.size} levels used; SQNR {sqnr_db(x, x_hat):.1f} dB"
    )
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


# Chapter 04: why blocks?

OUTLIER_AT = 2000
BLOCK_SIZES = tuple(2**k for k in range(4, 13))


@functools.cache
def _calm() -> np.ndarray:
    """4,096 numbers from a bell curve, those of the chapter."""
    calm = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    calm.flags.writeable = False
    return calm


@functools.lru_cache(maxsize=256)
def _score_of_the_others(outlier: float, block_size: int) -> float:
    """SQNR in dB of all values but the outlier, in INT4."""
    wild, others = _wild(outlier), np.arange(_calm().size) != OUTLIER_AT
    return sqnr_db(wild[others], int_absmax(4, block_size=block_size)(wild)[others])


def _wild(outlier: float) -> np.ndarray:
    wild = _calm().copy()
    wild[OUTLIER_AT] = outlier
    return wild


def outlier_in_blocks(outlier: float = 100, block_size: int = 64) -> Scene:
    """What one outlier among 4,096 numbers of a bell curve does to its neighbours, in INT4.

    Parameters
    ----------
    outlier : what the value number 2000 is set to, in units of σ
    block_size : a positive integer

    Returns
    -------
    Scene of two panels: values 1888 to 2143 before and after, the outlier's block shaded; and the
    SQNR of all values but the outlier against the block size, with the outlier and without it

    Examples
    --------
    >>> print(outlier_in_blocks(outlier=100, block_size=64).text.splitlines()[0])
    63 of the 63 neighbours in its block come back as 0, 11 without the outlier
    """
    wild, usual = _wild(outlier), float(_calm()[OUTLIER_AT])
    recipe = int_absmax(4, block_size=block_size)
    q = recipe.quantize(wild)
    x_hat = q.dequantize()
    start = OUTLIER_AT // block_size * block_size
    block = np.arange(start, min(start + block_size, wild.size))
    neighbours = block[block != OUTLIER_AT]
    lost, usually = (int(np.sum(y[neighbours] == 0)) for y in (x_hat, recipe(_calm())))

    seen = np.arange(1888, 2144)
    ends = np.clip([start - 0.5, start + block_size - 0.5], seen[0] - 0.5, seen[-1] + 0.5)
    values = Panel(
        [
            area(ends, [4, 4], base=-4, role="neutral", label="the outlier's block"),
            points(seen, wild[seen], "original", "x"),
            points(seen, x_hat[seen], "quantized", "x̂"),
            *([note(OUTLIER_AT, 3.6, f"{outlier:g} ↑", "error")] if outlier > 4 else []),
        ],
        x=Axis("number of the value", limits=(seen[0] - 0.5, seen[-1] + 0.5)),
        y=Axis("value", limits=(-4, 4)),
    )
    calm_db = [_score_of_the_others(usual, size) for size in BLOCK_SIZES]
    wild_db = [_score_of_the_others(float(outlier), size) for size in BLOCK_SIZES]
    here, here_calm = (_score_of_the_others(size, block_size) for size in (float(outlier), usual))
    scores = Panel(
        [
            line(BLOCK_SIZES, calm_db, "original", "no outlier"),
            line(BLOCK_SIZES, wild_db, "error", "with the outlier"),
            points(block_size, here, "quantized", f"B = {block_size}"),
        ],
        x=Axis("block size B", log=2),
        y=Axis("SQNR of the others in dB", limits=(-1, 23)),
        height=170,
    )
    text = (
        f"{lost} of the {neighbours.size} neighbours in its block come back as 0, "
        f"{usually} without the outlier\n"
        f"SQNR of all but the outlier: {round(here, 1) + 0.0:.1f} dB, "
        f"{here_calm:.1f} dB without it\n"
        f"{q.bits_per_value:.6g} bits per value"
    )
    title = f"An outlier of {outlier:g}: {lost} of its {neighbours.size} neighbours become 0"
    return Scene(title, [values, scores], text)


# Chapter 05: areas, quantiles, levels, errors


_DATA = {  # standard deviation 1 each
    "normal": lambda rng, n: rng.standard_normal(n),
    "Laplace": lambda rng, n: rng.laplace(scale=0.5**0.5, size=n),
    "Student t (5)": lambda rng, n: rng.standard_t(5, size=n) * 0.6**0.5,
    "uniform": lambda rng, n: rng.uniform(-(3**0.5), 3**0.5, n),
}
_OFFSETS = np.linspace(0.87, 0.999, 44)


def nf4_made(offset: float = 929 / 960, data: str = "normal", block_size: int = 64) -> Scene:
    """From areas under the bell curve to quantiles, levels and errors, for one offset.

    The levels are made as NF4's are, in float64, and tried on 2^16 values of standard deviation 1
    in blocks that share their largest magnitude.

    Parameters
    ----------
    offset : probability of the largest level, between 1/2 and 1
    data : "normal", "Laplace", "Student t (5)" or "uniform"
    block_size : values that share a scale; at most 2^16

    Examples
    --------
    >>> print(nf4_made(offset=0.94).title)
    Offset 0.9400 on normal data, blocks of 64: 20.96 dB, commonest code 6.8 × the rarest
    """
    quantiles = _nf4_quantiles(offset)
    levels = quantiles / quantiles[-1]
    shares, decibels, mean_error = nf4_errors(levels, data, block_size)
    density, edges = _histogram(data, block_size)
    curves = _errors_by_offset(data, block_size)
    sigma = Axis("σ of the bell curve", (-3.2, 3.2))
    panels = [
        Panel(_strips(quantiles), sigma, Axis("equal areas", (0, 0.42), ticks=())),
        Panel(_across_and_down(quantiles), sigma, Axis("area to the left → quantile", (0, 1))),
        Panel(
            [
                bars(edges, density, role="original", label="data"),
                ticks(levels, 0, 0.45, label="levels"),
            ],
            Axis("value / largest of its block", (-1.05, 1.05)),
            Axis("data and levels", ticks=()),
        ),
        Panel(
            [bars(np.arange(17) - 0.5, 100 * shares), hline(100 / 16, label="1/16")],
            Axis("code", (-0.7, 15.7), ticks=range(0, 16, 3)),
            Axis("use of the codes, %", (0, max(15, 110 * shares.max()))),
        ),
        _against_offset("SQNR, dB", curves[0], offset, decibels),
        _against_offset("mean |error|, σ", curves[1], offset, mean_error),
    ]
    ratio = f"{shares.max() / shares.min():.1f} × the rarest" if shares.min() else "one unused"
    title = (
        f"Offset {offset:.4f} on {data} data, blocks of {block_size}: {decibels:.2f} dB, "
        f"commonest code {ratio}"
    )
    (left, right), cut = np.diff(ndtr(quantiles))[[0, -1]], 1 - offset
    text = (
        f"strips of {left:.1%} left of 0 and {right:.1%} right of it, {cut:.1%} cut off at each "
        f"end; the last quantile at {quantiles[-1]:.3f} σ\n"
        f"levels above 0: {' '.join(f'{level:.4f}' for level in levels[8:])}\n"
        f"levels below 0: {' '.join(f'{-level:.4f}' for level in levels[6::-1])}\n"
        f"codes used {shares.min():.1%} to {shares.max():.1%}, entropy "
        f"{entropy(shares):.3f} of 4 bits; SQNR {decibels:.2f} dB, "
        f"mean |error| {mean_error:.4f} σ"
    )
    return Scene(title, panels, text, columns=2)


def _nf4_quantiles(offset: float) -> np.ndarray:
    right = ndtri(np.linspace(offset, 0.5, 9)[:-1])
    left = -ndtri(np.linspace(offset, 0.5, 8)[:-1])
    return np.sort(np.concatenate([left, [0.0], right]))


@functools.lru_cache(maxsize=6)
def _blocks(data: str, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Values divided by their block's largest, ascending, and running sums [5, n + 1] over them.

    The sums are of s², s²u, s²u², s and su, where u is the value divided and s its scale: enough
    for the squared and absolute error of any levels, without another look at the values.
    """
    if data not in _DATA:
        raise ValueError(f"data={data!r} is not known; choose one of {', '.join(_DATA)}")
    n = 2**16  # few, for speed; the seed's errors are close to those of a million
    blocks = _DATA[data](np.random.default_rng(5), n)[: n // block_size * block_size]
    blocks = blocks.reshape(-1, block_size)
    scale = np.abs(blocks).max(axis=1, keepdims=True)
    u = (blocks / scale).ravel()
    order = np.argsort(u)
    u, s = u[order], np.repeat(scale, block_size)[order]
    sums = np.zeros((5, u.size + 1))
    np.cumsum([s * s, s * s * u, s * s * u * u, s, s * u], axis=1, out=sums[:, 1:])
    return u, sums


@functools.lru_cache(maxsize=64)
def _histogram(data: str, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(_blocks(data, block_size)[0], 50, range=(-1, 1), density=True)


def nf4_errors(levels: Any, data: str, block_size: int) -> tuple[np.ndarray, float, float]:
    """Share of each code, SQNR in dB and mean absolute error of data in blocks, under levels.

    Parameters
    ----------
    levels : ascending array [K], from −1 to 1
    data, block_size : as for `nf4_made`

    Returns
    -------
    shares [K], SQNR in dB, mean absolute error in standard deviations

    Examples
    --------
    >>> shares, decibels, mean_error = nf4_errors(np.linspace(-1, 1, 16), "uniform", 64)
    >>> round(decibels, 1)
    23.7
    """
    levels = np.asarray(levels)
    u, sums = _blocks(data, block_size)
    thresholds = (levels[1:] + levels[:-1]) / 2
    cuts = np.concatenate([[0], np.searchsorted(u, thresholds), [u.size]])
    s2, s2u, s2uu, _, _ = np.diff(sums[:, cuts], axis=1)  # of what each level stands for
    squared = np.sum(s2uu - 2 * levels * s2u + levels**2 * s2)
    at = np.searchsorted(u, levels)
    above, below = sums[:, cuts[1:]] - sums[:, at], sums[:, at] - sums[:, cuts[:-1]]
    absolute = np.sum(above[4] - levels * above[3] + levels * below[3] - below[4])
    decibels = 10 * np.log10(sums[2, -1] / squared)
    return np.diff(cuts) / u.size, float(decibels), float(absolute / u.size)


@functools.lru_cache(maxsize=64)
def _errors_by_offset(data: str, block_size: int) -> np.ndarray:
    """SQNR and mean absolute error [2, n] for all of `_OFFSETS`."""
    quantiles = [_nf4_quantiles(offset) for offset in _OFFSETS]
    return np.transpose([nf4_errors(q / q[-1], data, block_size)[1:] for q in quantiles])


def _strips(quantiles: np.ndarray) -> list[Mark]:
    """The bell curve in strips, every other one filled, and the ends that are cut off."""

    def bell(x: np.ndarray) -> np.ndarray:
        return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    def filled(first: int, role: str) -> Mark:
        ends = zip(quantiles[first:-1:2], quantiles[first + 1 :: 2], strict=True)
        x = np.concatenate([[*np.linspace(low, high, 16), np.nan] for low, high in ends])
        return area(x, bell(x), role=role)

    tail = np.linspace(quantiles[-1], max(3.2, quantiles[-1] + 0.1), 16)
    x = np.concatenate([-tail[::-1], [np.nan], tail])
    whole = np.linspace(-3.2, 3.2, 121)
    return [
        filled(0, "quantized"),
        filled(1, "neutral"),
        area(x, bell(x), role="error", label="cut off"),
        line(whole, bell(whole), role="original"),
    ]


def _across_and_down(quantiles: np.ndarray) -> list[Mark]:
    """The curve of the area to the left, and the way from areas to quantiles."""
    x, areas = np.linspace(-3.2, 3.2, 121), ndtr(quantiles)
    edge, gap = np.where(quantiles > 0, 3.2, -3.2), np.full(quantiles.size, np.nan)
    ways = np.stack([edge, quantiles, quantiles, gap]), np.stack([areas, areas, 0 * areas, gap])
    return [
        line(x, ndtr(x), role="original"),
        line(ways[0].T.ravel(), ways[1].T.ravel(), role="neutral"),
        points(quantiles, areas),
    ]


def _against_offset(label: str, curve: np.ndarray, offset: float, value: float) -> Panel:
    marks = [
        line(_OFFSETS, curve, role="error"),
        vline(929 / 960, label="929/960"),
        points([offset], [value], role="quantized", label=f"here: {value:.4g}"),
    ]
    return Panel(marks, Axis("offset", (0.865, 1.0)), Axis(label))

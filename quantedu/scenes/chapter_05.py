"""Chapter 05, where NF4 comes from: areas, quantiles, levels, errors."""

import functools
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from quantedu.metrics import entropy
from quantedu.sketch import (
    Axis,
    Mark,
    Panel,
    Scene,
    area,
    bars,
    hline,
    line,
    points,
    ticks,
    vline,
)

_DATA = {  # standard deviation 1 each
    "normal": lambda rng, n: rng.standard_normal(n),
    "Laplace": lambda rng, n: rng.laplace(scale=0.5**0.5, size=n),
    "Student t (5)": lambda rng, n: rng.standard_t(5, size=n) * 0.6**0.5,
    "uniform": lambda rng, n: rng.uniform(-(3**0.5), 3**0.5, n),
}
_OFFSETS = np.linspace(0.87, 0.999, 44)


def area_between(a: float = -1.0, b: float = 1.0) -> Scene:
    """The share of normally distributed values between two points: a normal calculator.

    Above the area under the bell curve; below the curve of the area to the left of each point,
    whose two heights differ by it.

    Parameters
    ----------
    a, b : points in standard deviations, in either order

    Examples
    --------
    >>> print(area_between(-1, 1).text)
    area(1) − area(−1) = 0.8413 − 0.1587 = 0.6827
    left of both 15.87%, between them 68.27%, right of both 15.87%
    """
    low, high = min(a, b), max(a, b)
    names = [f"{x:.6g}".replace("-", "−") for x in (low, high)]
    left, up_to = float(ndtr(low)), float(ndtr(high))
    share = up_to - left
    whole, between = np.linspace(-4, 4, 161), np.linspace(low, high, 81)
    sigma = Axis("x, in σ", (-4, 4))
    above = [
        area(between, _bell(between), label=f"from {names[0]} to {names[1]}"),
        line(whole, _bell(whole), role="original"),
    ]
    corner = [low, low, -4, np.nan, high, high, -4]
    height = [0, left, left, np.nan, 0, up_to, up_to]
    below = [
        line(whole, ndtr(whole), role="original"),
        line(corner, height, role="neutral"),
        points([low, high], [left, up_to]),
    ]
    panels = [
        Panel(above, sigma, Axis("bell curve", (0, 0.42), ticks=()), height=150),
        Panel(below, sigma, Axis("area(x), all that lies left of x", (0, 1.04)), height=150),
    ]
    text = (
        f"area({names[1]}) − area({names[0]}) = {up_to:.4f} − {left:.4f} = {share:.4f}\n"
        f"left of both {left:.2%}, between them {share:.2%}, right of both {ndtr(-high):.2%}"
    )
    title = f"Between {names[0]} σ and {names[1]} σ lie {share:.1%} of all weights"
    return Scene(title, panels, text)


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
    usage = f"{np.sum(shares == 0)} of 16 codes never used"
    if shares.min():
        usage = f"commonest code {shares.max() / shares.min():.1f} × the rarest"
    title = (
        f"Offset {offset:.4f} on {data} data, blocks of {block_size}: {decibels:.2f} dB, {usage}"
    )
    (left, right), cut = np.diff(ndtr(quantiles))[[0, -1]], 1 - offset
    text = (
        f"strips of {left:.1%} left of 0 and {right:.1%} right of it, "
        f"{cut:.1%} cut off at each end\n"
        f"the last quantile at {quantiles[-1]:.3f} σ\n"
        f"levels above 0: {' '.join(f'{level:.4f}' for level in levels[8:])}\n"
        f"levels below 0: {' '.join(f'{-level:.4f}' for level in levels[6::-1])}\n"
        f"codes used {shares.min():.1%} to {shares.max():.1%}, entropy "
        f"{entropy(shares):.3f} of 4 bits\n"
        f"SQNR {decibels:.2f} dB, mean |error| {mean_error:.4f} σ"
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


def _bell(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def _strips(quantiles: np.ndarray) -> list[Mark]:
    """The bell curve in strips, every other one filled, and the ends that are cut off."""

    def filled(first: int, role: str) -> Mark:
        ends = zip(quantiles[first:-1:2], quantiles[first + 1 :: 2], strict=True)
        x = np.concatenate([[*np.linspace(low, high, 16), np.nan] for low, high in ends])
        return area(x, _bell(x), role=role)

    tail = np.linspace(quantiles[-1], max(3.2, quantiles[-1] + 0.1), 16)
    x = np.concatenate([-tail[::-1], [np.nan], tail])
    whole = np.linspace(-3.2, 3.2, 121)
    return [
        filled(0, "quantized"),
        filled(1, "neutral"),
        area(x, _bell(x), role="error", label="cut off"),
        line(whole, _bell(whole), role="original"),
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

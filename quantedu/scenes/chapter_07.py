"""Chapter 07, how low we can go: families of levels over a density, code by code and bit by bit."""

import functools
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from quantedu.codebooks import (
    BINARY,
    Codebook,
    integers,
    lloyd_max,
    log2,
    normal_float,
    uniform,
)
from quantedu.metrics import entropy
from quantedu.networks import digits_network
from quantedu.sketch import Axis, Panel, Scene, bars, line, points, ticks

# from 2 bits; with one bit all of them are −1 and 1
_FIXED: dict[str, Callable[[int], Codebook]] = {
    "evenly spaced": uniform,
    "evenly spaced, with 0": lambda bits: integers(bits, narrow=True),
    "powers of two": lambda bits: log2(bits, zero=False),
    "powers of two, with 0": log2,
    "normal float": normal_float,
}
KMEANS = "k-means"  # made of the data
FAMILIES = (*_FIXED, KMEANS)
DATA = ("normal", "Laplace", "uniform", "digits network")
BITS = range(1, 7)


@functools.cache
def _values(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of mean square 1, ascending [n], and running sums [3, n + 1] of 1, x and x².

    Densities are given by their quantiles at the middles of 2^14 equal areas, the network by the
    weights of its second layer.
    """
    p = (np.arange(2**14) + 0.5) / 2**14
    if data == "digits network":
        x = np.sort(digits_network().layers["hidden2"].astype(np.float64), axis=None)
    elif data in DATA:
        half = np.minimum(p, 1 - p)
        x = {
            "normal": ndtri(p),
            "Laplace": np.sign(p - 0.5) * -np.log(2 * half),
            "uniform": p - 0.5,
        }[data]
    else:
        raise ValueError(f"data={data!r} is not known; choose one of {', '.join(DATA)}")
    x = x / np.sqrt(np.mean(x**2))
    sums = np.zeros((3, x.size + 1))
    np.cumsum([np.ones(x.size), x, x**2], axis=1, out=sums[:, 1:])
    return x, sums


def _tried(book: Codebook, data: str, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Under each scale [m]: the squared error [m], and how many values each level gets [m, K]."""
    x, sums = _values(data)
    levels = book.levels[book.codes_by_rank].astype(np.float64)
    scales = scales[:, None]
    inner = np.searchsorted(x, book.thresholds * scales, side="right")
    cuts = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, x.size)))
    count, first, second = np.diff(sums[:, cuts], axis=-1)
    error = (second - 2 * scales * levels * first + (scales * levels) ** 2 * count).sum(axis=1)
    return error / x.size, count


@functools.cache
def best_of_family(family: str, bits: int, data: str) -> tuple[Codebook, float, float, np.ndarray]:
    """The codebook of a family, the scale that serves the data best, and what comes of it.

    Parameters
    ----------
    family, bits, data : as for `low_bits`

    Returns
    -------
    codebook, scale, mean squared error (of values whose mean square is 1), and the share of the
    values that each level gets, in ascending order of the levels

    Examples
    --------
    >>> book, scale, error, shares = best_of_family("k-means", 1, "normal")
    >>> round(error, 3), round(1 - 2 / np.pi, 3), shares
    (0.363, 0.363, array([0.5, 0.5]))
    """
    if family not in FAMILIES:
        raise ValueError(f"family={family!r} is not known; choose one of {', '.join(FAMILIES)}")
    if family == KMEANS:
        book, scale = lloyd_max(_values(data)[0], bits), np.ones(1)
    else:
        book = _FIXED[family](bits) if bits > 1 else BINARY
        scales = np.geomspace(0.4, 7, 64) / book.max
        best = _tried(book, data, scales)[0].argmin()
        low, high = scales[np.clip([best - 1, best + 1], 0, 63)]
        scales = np.linspace(low, high, 65)  # once more, finer
        scale = scales[[_tried(book, data, scales)[0].argmin()]]
    error, count = _tried(book, data, scale)
    return book, float(scale[0]), float(error[0]), count[0] / count[0].sum()


def low_bits(family: str = "k-means", bits: int = 3, data: str = "normal") -> Scene:
    """Levels over a density, the error between them, how often each is used; all families compared.

    Every family has the scale with the least mean squared error.

    Parameters
    ----------
    family : one of FAMILIES
    bits : 1 to 6
    data : one of DATA

    Examples
    --------
    >>> print(low_bits("powers of two, with 0", 2).title)
    3 levels, powers of two, with 0, on normal data: 19 % of the energy lost, 7.21 dB
    """
    book, scale, error, shares = best_of_family(family, bits, data)
    levels = book.levels[book.codes_by_rank].astype(np.float64) * scale
    thresholds = book.thresholds * scale
    density, edges = _histogram(data)
    ends = np.concatenate([[-4], np.clip(thresholds, -4, 4), [4]])
    saw = np.stack([ends[:-1], ends[1:], np.full(levels.size, np.nan)], axis=1).ravel()
    across, high = (-4.0, 4.0), 100 * shares.max()
    decibels = {name: _decibels(name, data) for name in FAMILIES}
    others = [name for name in FAMILIES if name not in (family, KMEANS)]
    curves = [line(BITS, decibels[name], "neutral", "the others") for name in others]
    if family != KMEANS:
        curves.append(line(BITS, decibels[KMEANS], "highlight", KMEANS))
    curves.append(line(BITS, decibels[family], label=family))
    curves.append(points([bits], [decibels[family][bits - BITS[0]]]))
    places, step = np.arange(levels.size + 1) - 0.5, max(1, levels.size // 8)
    panels = [
        Panel(
            [bars(edges, density, role="original", label="data"), ticks(levels, 0, 0.5)],
            Axis("value / its root mean square", across),
            Axis("data and levels", ticks=()),
        ),
        Panel(
            bars(places, 100 * shares),
            Axis("level", (-0.7, levels.size - 0.3), ticks=range(0, levels.size, step)),
            Axis("use of the levels, %", (0, 1.1 * high)),
        ),
        Panel(
            line(saw, np.repeat(levels, 3) - saw, "error"),
            Axis("value / its root mean square", across),
            Axis("error x̂ − x", (-1.2, 1.2)),
        ),
        Panel(curves, Axis("bits", (0.8, 6.2)), Axis("SQNR, dB", (0, 38))),
    ]
    title = (
        f"{levels.size} levels, {family}, on {data} data: {100 * error:.3g} % of the energy lost, "
        f"{-10 * np.log10(error):.2f} dB"
    ).replace("digits network data", "a trained layer")
    top = levels[levels.size // 2 :]  # of many, the largest: powers of two go down to nothing
    shown = " ".join(f"{level:+.3f}" for level in top[-10:])
    here = {name: f"{found[bits - BITS[0]]:.2f}" for name, found in decibels.items()}
    even, powers = (
        f"{name} {here[name]} (with 0: {here[f'{name}, with 0']})"
        for name in ("evenly spaced", "powers of two")
    )
    text = (
        f"levels from the middle up: {'… ' * (top.size > 10)}{shown}\n"
        f"used {shares.min():.1%} to {shares.max():.1%}, entropy {entropy(shares):.3f} of "
        f"{np.log2(levels.size):.3f} bits\n"
        f"dB with {bits} bit{'s' * (bits > 1)}: {even},\n{powers},\n"
        f"normal float {here['normal float']}, {KMEANS} {here[KMEANS]}"
    )
    return Scene(title, panels, text, columns=2)


@functools.cache
def _histogram(data: str) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(_values(data)[0], 60, range=(-4, 4), density=True)


@functools.cache
def _decibels(family: str, data: str) -> np.ndarray:
    """SQNR in dB for each of BITS."""
    return np.array([-10 * np.log10(best_of_family(family, bits, data)[2]) for bits in BITS])


def rulers_over(data: str = "normal", bits: int = 3) -> Scene:
    """The levels of every family, each on a ruler of its own under one density.

    >>> rulers_over().text.splitlines()[-1]
    'k-means: 14.62 dB, levels from the middle up 0.245 0.757 1.345 2.153'
    """
    density, edges = _histogram(data)
    across = (-4.0, 4.0)
    panels = [
        Panel(
            bars(edges, density, role="original"),
            Axis("", across, ticks=()),
            Axis(f"{data} data", ticks=()),
            height=90,
        )
    ]
    text = []
    for i, family in enumerate(FAMILIES):
        book, scale, error, _ = best_of_family(family, bits, data)
        levels = book.levels[book.codes_by_rank].astype(np.float64) * scale
        last = i == len(FAMILIES) - 1
        x = Axis("value / its root mean square" * last, across, ticks=None if last else ())
        name = f"{family}: {-10 * np.log10(error):.2f} dB"
        panels.append(Panel(ticks(levels, 0, 0.8), x, Axis(name, (0, 1), ticks=()), height=28))
        upper = " ".join(f"{level:.3f}" for level in levels[levels.size // 2 :])
        text.append(f"{name}, levels from the middle up {upper}")
    title = f"The same {bits} bits, spent in six ways, each under its best scale"
    return Scene(title, panels, "\n".join(text))

"""Chapter 02, which format for which job: what a budget of bits buys."""

import math

import numpy as np

from quantedu.formats import FloatFormat
from quantedu.sketch import Axis, Mark, Panel, Scene, area, bars, note, ticks

_SEEN = 600  # places that an eye tells apart in a panel


def bit_budget(bits: int = 8, exponent_bits: int = 4) -> Scene:
    """A fixed number of bits, divided: range with exponent bits, precision with mantissa bits.

    Every split has all its codes as numbers (specials="finite") and the usual bias, and all splits
    of one budget are drawn on one axis, so that they compare.

    Parameters
    ----------
    bits : 4 to 16, the sign among them
    exponent_bits : 1 to 8; what goes beyond bits − 1 is left out

    Examples
    --------
    >>> print(bit_budget(8, 5).text)
    largest number 114688, smallest 2^-16 = 1.53e-05
    range: 9.9 decades, 32.8 doublings
    precision: 3 significand bits, 0.9 decimal digits
    rounding a normal number errs by at most 11 %
    """
    most = min(bits - 1, 8)
    exponent_bits = min(exponent_bits, most)
    fmt, widest = _split(bits, exponent_bits), _split(bits, most)
    mantissa_bits = fmt.mantissa_bits
    x = fmt.decode(np.arange(1, 2 ** (bits - 1)))
    one = 2.0 ** max(fmt.min_exponent, 0)  # with one exponent bit, normal numbers begin at 2
    near = x[(x >= one) & (x <= 2 * one)]
    limits = (widest.smallest_subnormal / 2, 2 * widest.max)
    zoom = area([one, 2 * one], [1, 1], role="original", label="enlarged below")
    panels = [
        Panel(_fields(fmt), Axis("", (0, 16), ticks=()), Axis("", (0, 1), ticks=()), height=44),
        Panel(
            [zoom, ticks(_thinned(x, np.log2(x / limits[0])), 0, 0.6)],
            Axis(f"all positive numbers, on the axis of every split of {bits} bits", limits, log=2),
            Axis("range", (0, 1), ticks=()),
            height=80,
        ),
        Panel(
            ticks(_thinned(near, near), 0, 0.6),
            Axis(f"the numbers from {one:g} to {2 * one:g}", (0.99 * one, 2.01 * one)),
            Axis("precision", (0, 1), ticks=()),
            height=70,
        ),
    ]
    low, doublings = fmt.smallest_subnormal, math.log2(fmt.max / fmt.smallest_subnormal)
    significand = mantissa_bits + 1
    each = f"{2**mantissa_bits} number{'s' * (mantissa_bits > 0)} to each doubling"
    title = f"{bits} bits as 1 + {exponent_bits} + {mantissa_bits}: up to {fmt.max:.6g}, {each}"
    text = (
        f"largest number {fmt.max:.6g}, smallest 2^{math.log2(low):.0f} = {low:.3g}\n"
        f"range: {doublings * math.log10(2):.1f} decades, {doublings:.1f} doublings\n"
        f"precision: {significand} significand bit{'s' * (significand > 1)}, "
        f"{significand * math.log10(2):.1f} decimal digits\n"
        f"rounding a normal number errs by at most {100 / (2**significand + 1):.2g} %"
    )
    return Scene(title, panels, text)


def _split(bits: int, exponent_bits: int) -> FloatFormat:
    mantissa_bits = bits - 1 - exponent_bits
    name = f"E{exponent_bits}M{mantissa_bits}"
    return FloatFormat(name, exponent_bits, mantissa_bits, specials="finite")


def _fields(fmt: FloatFormat) -> list[Mark]:
    """The word, bit by bit, each field in a look and with a letter of its own."""
    marks, start = [], 0
    counts = {"sign": 1, "exponent": fmt.exponent_bits, "mantissa": fmt.mantissa_bits}
    for (name, count), role in zip(counts.items(), ("neutral", "highlight", "quantized")):
        edges = np.arange(start, start + count + 1)
        if count:
            marks += [
                bars(edges, np.ones(count), role=role, label=f"{name}: {count}"),
                note(edges[:-1] + 0.5, np.full(count, 0.5), [name[0].upper()] * count, role),
            ]
        start += count
    return marks


def _thinned(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Of numbers [n] at places [n], as many as an eye tells apart, the first and last included."""
    seen = np.rint(_SEEN * (where - where[0]) / max(where[-1] - where[0], 1e-9))
    return x[np.unique([*np.unique(seen, return_index=True)[1], x.size - 1])]

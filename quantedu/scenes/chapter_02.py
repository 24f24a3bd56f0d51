"""Chapter 02, which format for which job: bits, ranges, gaps, roundings, a budget of bits."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quantedu.formats import FORMATS, TF32, FloatFormat
from quantedu.sketch import (
    FIELDS,
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
)

_SEEN = 600  # places that an eye tells apart in a panel
_LINES = ("quantized", "error", "highlight", "original")  # looks of formats side by side


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
    largest number 114688, smallest 2^−16 = 1.53e−05
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
    return Scene(title, panels, text.replace("-", "−"))


def _split(bits: int, exponent_bits: int) -> FloatFormat:
    mantissa_bits = bits - 1 - exponent_bits
    name = f"E{exponent_bits}M{mantissa_bits}"
    return FloatFormat(name, exponent_bits, mantissa_bits, specials="finite")


def _fields(fmt: FloatFormat) -> list[Mark]:
    """The word, bit by bit, each field in a look and with a letter of its own."""
    marks, start = [], 0
    for name, count in zip(FIELDS, (1, fmt.exponent_bits, fmt.mantissa_bits)):
        edges = np.arange(start, start + count + 1)
        if count:
            marks += [
                bars(edges, np.ones(count), role=name, label=f"{name}: {count}"),
                note(edges[:-1] + 0.5, np.full(count, 0.5), [name[0].upper()] * count),
            ]
        start += count
    return marks


def _thinned(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Of numbers [n] at places [n], as many as an eye tells apart, the first and last included."""
    seen = np.rint(_SEEN * (where - where[0]) / max(where[-1] - where[0], 1e-9))
    return x[np.unique([*np.unique(seen, return_index=True)[1], x.size - 1])]


def bit_layout(formats: Sequence[FloatFormat] = FORMATS) -> Scene:
    """Sign, exponent and mantissa of formats, to scale: one row a format, a box for every bit.

    >>> [mark.label for mark in bit_layout().panels[0].marks[:3]]
    ['sign S', 'exponent E', 'mantissa M']
    """
    rows = -np.arange(float(len(formats)))
    counts = np.array([[f.signed, f.exponent_bits, f.mantissa_bits] for f in formats], dtype=int)
    ends = np.cumsum(counts, axis=1)
    marks = []
    for name, count, end in zip(FIELDS, counts.T, ends.T):
        left = np.concatenate([np.arange(n) for n in count]) + np.repeat(end - count, count)
        label = f"{name} {name[0].upper()}"
        marks.append(_boxes(left, left + 1, np.repeat(rows, count), name, label))
    names = {}
    for fmt, row in zip(formats, rows.tolist()):
        names[row] = (
            f"{fmt.name}: {fmt.bits} = {fmt.signed:d} + {fmt.exponent_bits} + {fmt.mantissa_bits}"
        )
        if fmt == TF32:
            marks += [
                _boxes([fmt.bits], [32], [row], "original"),
                note(25.5, row, "unused in a word"),
            ]
    stops = [k for k in (0, 4, 8, 16, 32, 64) if k <= max(ends[:, 2])]
    panel = Panel(
        marks,
        Axis("bits", (0, 1.02 * max(ends[:, 2])), ticks=stops),
        Axis("bits = S + E + M", (rows[-1] - 0.6, 0.6), ticks=names),
        height=30 + 21 * len(formats),
    )
    return Scene("Where the bits go: sign S, exponent E, mantissa M", panel)


def _boxes(left: Any, right: Any, y: Any, role: str, label: str = "") -> Mark:
    """Boxes from left [n] to right [n] in the rows y [n]."""
    x = np.stack([left, right, np.full(len(left), np.nan)], axis=1).ravel()
    middle = np.repeat(y, 3)
    return area(x, middle + 0.37, middle - 0.37, role, label)


def range_precision(
    formats: Sequence[FloatFormat] = FORMATS, tables: Mapping[str, Any] | None = None
) -> Scene:
    """The map of formats: a bar from the smallest to the largest number, at its precision.

    Parameters
    ----------
    formats : what is drawn; what reaches beyond 2^±160 goes off the map if others do not
    tables : levels [K], some positive, by name, of formats that are a table and have no fields

    Returns
    -------
    Scene of one panel; x is log2 of the number

    Examples
    --------
    >>> scene = range_precision(tables={"thirds": [-1, 0, 1 / 3, 1]})
    >>> [mark.label for mark in scene.panels[0].marks]
    ['normal numbers', 'subnormal numbers', '', 'levels']
    """
    levels = {name: np.asarray(table, dtype=np.float64) for name, table in (tables or {}).items()}
    for name, table in levels.items():
        if table.ndim != 1 or not np.isfinite(table).all() or not (table > 0).any():
            raise ValueError(f"tables[{name!r}] must be finite levels, some positive, not {table}")
    formats = sorted(formats, key=lambda f: (-f.mantissa_bits, f.smallest_subnormal, f.max))
    reach = np.log2([(f.smallest_subnormal, f.smallest_normal, f.max) for f in formats])
    far = np.abs(reach).max(axis=1) > 160
    seen = reach if far.all() else reach[~far]
    room = 0.03 * np.ptp(seen)
    limits = seen.min() - room, seen.max() + room
    start, middle, end = np.clip(reach, *limits).T
    coarser = [a.mantissa_bits != b.mantissa_bits for a, b in itertools.pairwise(formats)]
    rows = -np.arange(len(formats)) - 0.5 * np.cumsum([0, *coarser])
    names = {
        row: f"{fmt.mantissa_bits + 1}:  {fmt.name},  2^{low:.0f} … {fmt.max:.6g}"
        for row, fmt, (low, *_) in zip(rows.tolist(), formats, reach)
    }
    some = start < middle
    marks = [
        _boxes(middle, end, rows, "quantized", "normal numbers"),
        _boxes(start[some], middle[some], rows[some], "error", "subnormal numbers"),
    ]
    off = rows[(reach[:, 2] > limits[1]) & (reach[:, 0] < limits[0])]
    marks.append(note(np.full(off.size, np.mean(limits)), off, ["off the map"] * off.size))
    for row, (name, table) in enumerate(levels.items()):
        at = float(rows[-1] - 1.5 - row)
        names[at] = f"–:  {name},  {table.size} levels to be scaled"
        marks.append(points(np.log2(table[table > 0]), at, "highlight", "" if row else "levels"))
    stride = 2 ** max(math.ceil(math.log2(np.ptp(limits) / 12)), 0)
    powers = range(math.ceil(limits[0] / stride) * stride, math.floor(limits[1]) + 1, stride)
    lowest = min(names)
    panel = Panel(
        marks,
        Axis(
            "positive numbers", limits, ticks={float(k): f"2^{k}".replace("-", "−") for k in powers}
        ),
        Axis("bits of the significand", (lowest - 0.6, 0.6), ticks=names),
        height=40 + round(21 * (1 - lowest)),
    )
    return Scene(
        "Exponent bits buy range (longer bars), mantissa bits precision (higher up)", panel
    )


def spacing(formats: Sequence[FloatFormat], gap: float | None = None) -> Scene:
    """Distance from a number to the next larger one (ulp), for magnitudes from 2^-26 to 2^18.

    Parameters
    ----------
    formats : up to four; a stair at every power of two
    gap : a power of two; a line at this distance, and a mark from where on a format has it

    Examples
    --------
    >>> from quantedu.formats import FP16
    >>> spacing([FP16]).panels[0].marks[0].y[-1].item()      # the last step, from 32768 to 65504
    32.0
    """
    marks = [] if gap is None else [hline(gap), note(2.0**-22, 2.5 * gap, f"a gap of {gap:g}")]
    reached = []
    for fmt, role in zip(formats, _LINES, strict=len(formats) > len(_LINES)):
        if fmt.smallest_subnormal >= 2.0**18 or fmt.max <= 2.0**-26:
            raise ValueError(f"{fmt.name} has no numbers from 2^-26 to 2^18; leave it out")
        low, high = max(fmt.smallest_subnormal, 2.0**-26), min(fmt.max, 2.0**18)
        x = 2.0 ** np.arange(math.log2(low), math.ceil(math.log2(high)))
        ulp = 2.0 ** (np.maximum(np.log2(x), fmt.min_exponent) - fmt.mantissa_bits)
        marks.append(step([*x, high], ulp, role, fmt.name))
        if gap is not None and gap in ulp:
            first = x[ulp == gap][0]
            reached.append(points(first, gap, role, f"{fmt.name} from {first:g} on"))
    panel = Panel(
        marks + reached,
        Axis("magnitude of the number", (2.0**-26, 2.0**18.5), log=2),
        Axis("distance to the next (ulp)", log=2),
        height=260,
    )
    return Scene("The distance to the next number doubles with every power of two", panel)


def staircase(
    fmt: FloatFormat,
    roundings: Sequence[str] = ("nearest_even",),
    low: float = 0.0,
    high: float | None = None,
) -> Scene:
    """The rounded number against the number: a staircase around the diagonal, and its error.

    Parameters
    ----------
    fmt : FloatFormat
    roundings : as in `FloatFormat.encode`, a panel for each
    low, high : what is rounded; `high` is by default the 24th number above zero, or a little above
        the largest where there are fewer

    Returns
    -------
    Scene; the error round(x) − x is drawn below, around a line of its own, on the same scale

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> staircase(E2M1, ["toward_zero"]).title
    'FP4 E2M1: 8 numbers for all x from 0 to 6.6'
    """
    if high is None:
        high = float(fmt.decode(24)) if fmt.encode(fmt.max) > 24 else 1.1 * fmt.max
    if not (math.isfinite(low) and math.isfinite(high) and high - low > 1e-280):
        raise ValueError(f"high must be 1e-280 or more above low, both finite; got {low=}, {high=}")
    stops, drawn = np.linspace(low, high, 5).tolist(), []
    for rounding in roundings:
        x = np.linspace(low, high, 73 if rounding == "stochastic" else 1201)
        rounded = fmt.round(x, rounding, rng=np.random.default_rng(0))
        drawn.append((rounding, x, np.where(np.isfinite(rounded), rounded, np.nan)))
    levels = np.concatenate([np.unique(rounded[~np.isnan(rounded)]) for *_, rounded in drawn])
    if not levels.size:
        raise ValueError(f"nothing from {low=} to {high=} is a number in {fmt.name}")
    largest = max(np.nanmax(np.abs(rounded - x), initial=0) for _, x, rounded in drawn)
    zero = min(low, levels.min()) - 1.1 * largest - 0.02 * (high - low)
    heights = zero - 1.1 * largest, max(high, levels.max()) + 0.02 * (high - low)
    panels = []
    for rounding, x, rounded in drawn:
        error, axis = zero + rounded - x, Axis(rounding.replace("_", " "), heights, ticks=stops)
        stairs = [line(x, rounded), area(x, error, zero, "error")]
        lots = [points(x, rounded), points(x, error, "error")]  # either neighbour: no line
        marks = [
            line(x, x, "original"),
            hline(zero),
            *(lots if rounding == "stochastic" else stairs),
        ]
        panels.append(Panel(marks, Axis("", (low, high), ticks=stops), axis, height=210))
    n = np.unique(levels).size
    what = f"{n} number{'s' * (n > 1)} for all x from {low:.6g} to {high:.6g}".replace("-", "−")
    return Scene(f"{fmt.name}: {what}", panels, columns=min(3, len(panels)))

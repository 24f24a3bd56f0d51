"""Pictures as plain data: a scene of panels with marks on axes, which `explorer` draws.

A function that computes one is tested like any function: nothing here knows what draws it.

    def rounded(bits=3):
        x = np.linspace(-1, 1, 401)
        x_hat = int_absmax(bits)(x)
        curves = [line(x, x, "original", "x"), line(x, x_hat, "quantized", "x̂")]
        return Scene("Each bit doubles the steps", Panel(curves, x="x", y="stored"), f"{bits} bits")

- **Scene**: title (the sentence to notice), panels, text (a few lines of numbers), columns.
- **Panel**: marks, x, y (an Axis, or just its label), height in pixels.
- **Axis**: label, limits (None: what the marks need), log (0, 2 or 10), ticks (None: round numbers;
  else positions, or {position: text}; () shows none).
- **Marks**, drawn in their order: `line(x, y)`, `step(edges, y)`, `area(x, y, base)`,
  `bars(edges, y, base)`, `points(x, y)`, `ticks(x)` (a rug: low and high are parts of the panel's
  height), `vline(x)`, `hline(y)`, `note(x, y, text)`. y and base may be one number; a NaN in x or
  y interrupts lines and areas. A mark with a label is in the legend. Powers such as 2^-3 in
  titles, labels and notes are set raised.
- **Roles** give color and shape: "original" (grey, plain, circles), "quantized" (blue, heavy,
  squares), "error" (vermilion, dashed, hatched, crosses), "highlight" (green, dash-dot, hatched,
  diamonds), "neutral" (dotted, pale, dots); and for the fields of a code "sign" (purple),
  "exponent" (orange, hatched), "mantissa" (sky blue), as in `plots.bits`.

Up to 5,000 vertices a scene stay quick in the browser; thin longer curves with x[::k].
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

FIELDS = ("sign", "exponent", "mantissa")
ROLES = ("original", "quantized", "error", "highlight", "neutral", *FIELDS)


@dataclass(frozen=True, eq=False)
class Mark:
    """What `line`, `area`, … give: its kind, float64 arrays x and y, a role, a label.

    Examples
    --------
    >>> mark = line([0, 1], [2, 3], label="wave")
    >>> isinstance(mark, Mark), mark.kind, mark.role, mark.x
    (True, 'line', 'quantized', array([0., 1.]))
    """

    kind: str
    x: Any
    y: Any
    role: str = "quantized"
    label: str = ""
    base: Any = 0.0
    texts: tuple[str, ...] = ()
    thin: bool = False

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role={self.role!r} is not known; choose one of {', '.join(ROLES)}")
        more, free = int(self.kind in ("step", "bars")), self.kind in ("vlines", "hlines")
        for name in ("x", "y", "base"):
            values = np.array(getattr(self, name), dtype=np.float64, ndmin=1)
            if name == "y" and values.size == 1 and not free:
                values = np.full(max(self.x.size - more, 0), values.item())
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        n = self.y.size
        if max(self.x.ndim, self.y.ndim) > 1 or not (free or self.x.size == n + more):
            shapes = f"x {list(self.x.shape)} and y {list(self.y.shape)}"
            raise ValueError(f"{self.kind} takes x [n{' + 1' * more}] and y [n], not {shapes}")
        if self.base.shape not in ((1,), (n,)):
            raise ValueError(f"base is one number or [{n}] like y, not {list(self.base.shape)}")
        if self.kind == "note" and len(self.texts) != n:
            raise ValueError(f"{n} notes need as many texts, not {len(self.texts)}")


def line(x: Any, y: Any, role: str = "quantized", label: str = "") -> Mark:
    """A curve through x [n], y [n].

    >>> line([0, 1, 2], [0, 1, 4], "original").y
    array([0., 1., 4.])
    """
    return Mark("line", x, y, role, label)


def step(edges: Any, y: Any, role: str = "quantized", label: str = "") -> Mark:
    """A staircase: y [n] from each of the edges [n + 1] to the next.

    >>> step([0, 1, 2], [5, 7]).x.size    # one edge more than stairs
    3
    """
    return Mark("step", edges, y, role, label)


def area(x: Any, y: Any, base: Any = 0.0, role: str = "quantized", label: str = "") -> Mark:
    """What lies between the curve x [n], y [n] and its base, a number or [n].

    >>> area([0, 1], [2, 3], base=1).base
    array([1.])
    """
    return Mark("area", x, y, role, label, base)


def bars(edges: Any, y: Any, base: Any = 0.0, role: str = "quantized", label: str = "") -> Mark:
    """A histogram: bars from the base up to y [n], between edges [n + 1].

    >>> bars([0, 1, 2], [5, 7]).kind
    'bars'
    """
    return Mark("bars", edges, y, role, label, base)


def points(x: Any, y: Any, role: str = "quantized", label: str = "") -> Mark:
    """One marker for each x [n], y [n].

    >>> points([0, 1], 0.5).y    # one y for all
    array([0.5, 0.5])
    """
    return Mark("points", x, y, role, label)


def ticks(
    x: Any, low: float = 0.0, high: float = 0.12, role: str = "quantized", label: str = ""
) -> Mark:
    """A short line up at each x [n], from low to high: 0 is the panel's bottom, 1 its top.

    More than 60 are drawn thin, so that a crowd is seen to be one.

    >>> ticks([1, 2, 3], high=0.5).y
    array([0. , 0.5])
    """
    return Mark("vlines", x, (low, high), role, label, thin=np.size(x) > 60)


def vline(x: Any, role: str = "neutral", label: str = "") -> Mark:
    """A vertical line across the panel at x, a number or [n].

    >>> vline(0.5).y    # across the panel
    array([0., 1.])
    """
    return Mark("vlines", x, (0.0, 1.0), role, label)


def hline(y: Any, role: str = "neutral", label: str = "") -> Mark:
    """A horizontal line across the panel at y, a number or [n].

    >>> hline([1, 2]).y
    array([1., 2.])
    """
    return Mark("hlines", (0.0, 1.0), y, role, label)


def note(x: Any, y: Any, text: str | Sequence[str], role: str = "neutral") -> Mark:
    """Words centred at a place, or at several: x [n], y [n] and as many texts.

    >>> note([0, 1], 2, ["left", "right"]).texts
    ('left', 'right')
    """
    return Mark("note", x, y, role, texts=(text,) if isinstance(text, str) else tuple(text))


@dataclass(frozen=True)
class Axis:
    """Label, limits (low, high), log and ticks, as the module's text says.

    Examples
    --------
    >>> Axis("block size", limits=(16, 1024), log=2).marked()[:2]
    [(0.0, '16'), (0.16666666666666666, '32')]
    """

    label: str = ""
    limits: tuple[float, float] | None = None
    log: int = 0
    ticks: Sequence[float] | Mapping[float, str] | None = None

    def __post_init__(self) -> None:
        if self.log not in (0, 2, 10):
            raise ValueError(f"log={self.log!r} is none of 0 (a linear axis), 2 and 10")
        low, high = self.limits or (1, 2)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"limits must be finite, low below high, not {self.limits}")
        if self.log and low <= 0:
            raise ValueError(f"a logarithmic axis begins above zero, not at {low:g}")

    def around(self, values: np.ndarray, grounded: bool = False) -> "Axis":
        """The same axis; if it has no limits, with some that hold the values [n].

        >>> Axis("x").around(np.array([0.0, 1.0])).limits
        (-0.04, 1.04)
        """
        if self.limits is not None:
            return self
        values = values[np.isfinite(values) & (values > 0 if self.log else True)]
        low, high = (1.0, 2.0) if self.log else (0.0, 1.0)
        if values.size:
            low, high = float(values.min()), float(values.max())
        if self.log:
            room = 2 ** max(0.04 * math.log2(high / low), 0.1)
            return replace(self, limits=(low / room, high * room))
        room = 0.04 * (high - low) or abs(high) / 2 or 1
        return replace(self, limits=(low if grounded and low == 0 else low - room, high + room))

    def place(self, values: Any) -> np.ndarray:
        """Where values lie: 0 at the axis' beginning, 1 at its end; what is far outside, near.

        >>> Axis("x", limits=(0, 4)).place([0, 1, 4])
        array([0.  , 0.25, 1.  ])
        """
        assert self.limits is not None  # those of a panel have limits
        ends, values = np.array(self.limits), np.asarray(values, dtype=np.float64)
        if self.log:
            with np.errstate(divide="ignore"):
                ends, values = np.log2(ends), np.log2(np.maximum(values, 0))
        return np.clip((values - ends[0]) / (ends[1] - ends[0]), -50, 50)

    def marked(self) -> list[tuple[float, str]]:
        """The ticks within the limits: places from 0 to 1, and texts."""
        assert self.limits is not None
        low, high = self.limits
        if self.ticks is not None:
            at = list(self.ticks)
        elif self.log and high / low >= self.log**2:
            first, last = (math.log2(x) / math.log2(self.log) for x in (low, high))
            stride = math.ceil((last - first) / 9)
            powers = range(math.ceil(first / stride - 1e-9), math.floor(last / stride + 1e-9) + 1)
            at = [float(self.log) ** (stride * k) for k in powers]
        else:
            size = 10.0 ** math.floor(math.log10((high - low) / 6))
            size *= next(k for k in (1, 2, 2.5, 5, 10) if 6.001 * k * size >= high - low)
            first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
            at = [size * k for k in range(first, last + 1)]
        named = self.ticks if isinstance(self.ticks, Mapping) else {x: self._text(x) for x in at}
        places = zip(self.place(at).tolist(), (named[x] for x in at))
        return [(where, text) for where, text in places if -1e-9 <= where <= 1 + 1e-9]

    def _text(self, x: float) -> str:
        power = math.log2(x) / math.log2(self.log) if self.log and x > 0 else 0.5
        if power == round(power) and not (1e-2 if self.log == 10 else 1) <= x < 1e4:
            return f"{self.log}^{round(power)}".replace("-", "−")
        return f"{x:.6g}".replace("-", "−")


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on two axes; an axis without limits gets some that hold the marks."""

    marks: Any
    x: Any = ""
    y: Any = ""
    height: int = 190

    def __post_init__(self) -> None:
        marks = tuple(self.marks) if isinstance(self.marks, (list, tuple)) else (self.marks,)
        if not all(isinstance(mark, Mark) for mark in marks):
            raise TypeError(f"marks are a list of what line, area, … give, not {self.marks!r}")
        solid = [mark for mark in marks if mark.kind in ("area", "bars")]
        xs = [mark.x for mark in marks if mark.kind != "hlines"]
        ys = [mark.y for mark in marks if mark.kind != "vlines"] + [mark.base for mark in solid]
        x, y = (Axis(axis) if isinstance(axis, str) else axis for axis in (self.x, self.y))
        object.__setattr__(self, "marks", marks)
        object.__setattr__(self, "x", x.around(np.concatenate([[], *xs])))
        object.__setattr__(self, "y", y.around(np.concatenate([[], *ys]), grounded=bool(solid)))

    def shape(self, mark: Mark) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
        """A mark as "line", "area", "points" or "note", and its x, y, base in places [m].

        >>> panel = Panel(hline(1), y=Axis("y", limits=(0, 2)))
        >>> panel.shape(panel.marks[0])[2]    # half way up, and a gap
        array([0.5, 0.5, 0.5])
        """
        if mark.kind == "vlines":
            x = np.repeat(self.x.place(mark.x), 3)
            return "line", x, np.resize([*mark.y, np.nan], x.size), x
        y, base = self.y.place(mark.y), np.broadcast_to(self.y.place(mark.base), mark.y.shape)
        if mark.kind == "hlines":
            return "line", np.resize([*mark.x, np.nan], 3 * y.size), np.repeat(y, 3), base
        x = self.x.place(mark.x)
        if mark.kind == "step":
            return "line", np.repeat(x, 2)[1:-1], np.repeat(y, 2), base
        if mark.kind == "bars":
            x = np.stack([x[:-1], x[1:], np.full(y.size, np.nan)], axis=1).ravel()
            return "area", x, np.repeat(y, 3), np.repeat(base, 3)
        return mark.kind, x, y, base


@dataclass(frozen=True, eq=False)
class Scene:
    """Title, panels (one or several, row by row in `columns`), and a text of a few lines.

    Examples
    --------
    >>> scene = Scene("Squares", Panel(line([0, 1, 2], [0, 1, 4]), x="x", y="x^2"), "2^2 = 4")
    >>> scene.panels[0].marks[0].y
    array([0., 1., 4.])
    """

    title: str
    panels: Any
    text: str = ""
    columns: int = 1

    def __post_init__(self) -> None:
        panels = tuple(self.panels) if isinstance(self.panels, (list, tuple)) else (self.panels,)
        if not panels or not all(isinstance(panel, Panel) for panel in panels):
            raise TypeError(f"panels are one Panel or a list of some, not {self.panels!r}")
        vertices = sum(mark.x.size + mark.y.size for panel in panels for mark in panel.marks) // 2
        if vertices > 50_000:
            raise ValueError(f"{vertices} vertices take a browser too long; thin them: x[::k]")
        object.__setattr__(self, "panels", panels)

"""One interactive for all chapters: an ordinary function, its controls, and the scene it gives.

    from quantedu.explorer import Choice, Explorer, Slider, Toggle
    from quantedu.sketch import Axis, Panel, Scene, area, line, points    # says what a scene is

    Explorer(rounded, bits=Slider(1, 8, value=3, unit="bits"))

calls `rounded(bits=3)` for a Scene, and again whenever the slider is moved. Python owns every
number; the browser, and `draw` for the still picture, draw the same places.
"""

import math
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import traitlets as t
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from quantedu import plots
from quantedu.sketch import Panel, Scene
from quantedu.widgets import _STATIC, _Interactive, _png, _script

# The controls: each is a list of values, and where in it to begin


@dataclass(frozen=True)
class Slider:
    """Values from low to high in steps; with log2, low · 2^step, low · 2^(2 step), … up to high.

    `value`, where it begins (by default low), is a stop even if it lies between two steps.

    Examples
    --------
    >>> Slider(16, 128, log2=True, unit="values").values
    (16, 32, 64, 128)
    """

    low: float
    high: float
    step: float = 1
    value: Any = None
    label: str = ""
    log2: bool = False
    unit: str = ""
    kind: ClassVar[str] = "slider"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.low if self.value is None else self.value)
        if not (self.low < self.high and self.step > 0 and self.low <= self.value <= self.high):
            raise ValueError(f"a slider needs low < high, step > 0, value between them: {self}")
        if (self.log2 and self.low <= 0) or self._moves() > 2000:
            raise ValueError(f"with log2 low is above 0, and 2000 steps are the most: {self}")

    def _moves(self) -> int:
        length = math.log2(self.high / self.low) if self.log2 else self.high - self.low
        return math.floor(length / self.step + 1e-9)

    @property
    def values(self) -> tuple[Any, ...]:
        """The stops, ascending: integers if low, step and value are."""
        moves = [self.step * i for i in range(self._moves() + 1)]
        stops = [self.low * 2.0**k if self.log2 else round(self.low + k, 12) for k in moves]
        whole = all(isinstance(x, int) for x in (self.low, self.step, self.value))
        number = int if whole and all(float(x).is_integer() for x in stops) else float
        return tuple(sorted({number(x) for x in (*stops, self.value)}))


@dataclass(frozen=True)
class Choice:
    """One of several options, texts or numbers; `value`, by default the first, to begin with.

    With buttons, all of them are seen at once, in a row, instead of in a list that opens.

    >>> Choice(["INT4", "NF4"], label="codebook").values
    ('INT4', 'NF4')
    >>> Choice(["INT4", "NF4"], buttons=True).kind
    'buttons'
    """

    options: Any
    value: Any = None
    label: str = ""
    unit: str = ""
    buttons: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if self.value is None and self.options:
            object.__setattr__(self, "value", self.options[0])
        if self.value not in self.options:
            raise ValueError(f"value={self.value!r} is none of the options {list(self.options)}")

    @property
    def kind(self) -> str:
        """How the browser shows it."""
        return "buttons" if self.buttons else "choice"

    @property
    def values(self) -> tuple[Any, ...]:
        """The options."""
        return self.options


@dataclass(frozen=True)
class Toggle:
    """A box to tick: False or True."""

    value: bool = False
    label: str = ""
    unit: ClassVar[str] = ""
    kind: ClassVar[str] = "toggle"
    values: ClassVar[tuple[bool, bool]] = (False, True)


Control = Slider | Choice | Toggle


def _texts(control: Control) -> list[str]:
    if isinstance(control, Toggle):
        return ["off", "on"]
    texts = []
    for x in control.values:
        number = f"{x:.6g}" if isinstance(x, (float, np.floating)) else str(x)
        texts.append(f"{x if isinstance(x, str) else number.replace('-', '−')} {control.unit}")
    return [text.rstrip() for text in texts]


# The interactive


class Explorer(_Interactive):
    """A picture of what a function gives, with a slider, list or box for each of its arguments.

    Parameters
    ----------
    function : takes the controls' names as keywords, gives a Scene
    controls : Slider, Choice or Toggle by name; without a label, the name is shown

    Attributes
    ----------
    value : dict, name → value, of the scene that is shown
    scene : Scene, what the function gave for it

    Raises
    ------
    TypeError, ValueError
        If a control is none, or the function gives no Scene; and what the function raises. While
        a control is moved in the browser that is said below it instead, and the picture stays.

    Examples
    --------
    >>> from quantedu.sketch import Panel, Scene, points
    >>> def powers(n=2, even=False):
    ...     x = np.arange(0, 9, 1 + even)
    ...     return Scene(f"x^{n}", Panel(points(x, x**n)), f"largest: {max(x**n)}")
    >>> explorer = Explorer(powers, n=Slider(1, 4, value=2), even=Toggle(label="even only"))
    >>> explorer
    n = 2, even only = off
    x^2
    largest: 64
    >>> explorer.set(n=3)
    >>> explorer.value, explorer.scene.text
    ({'n': 3, 'even': False}, 'largest: 512')
    """

    _esm = _script("explorer.js")
    _css = _Interactive._css + (_STATIC / "explorer.css").read_text(encoding="utf-8")
    controls: Any = t.List().tag(sync=True)

    def __init__(self, function: Callable[..., Scene], /, **controls: Control) -> None:
        for name, control in controls.items():
            if not isinstance(control, Control):
                raise TypeError(f"{name} must be a Slider, Choice or Toggle, not {control!r}")
        self._function, self._controls = function, controls
        start = {name: control.values.index(control.value) for name, control in controls.items()}
        scene = self._computed(start)
        super().__init__()
        self.controls = [
            {"name": name, "kind": one.kind, "label": self._label(name), "texts": _texts(one)}
            for name, one in controls.items()
        ]
        self._show(scene, start)

    @property
    def value(self) -> dict[str, Any]:
        """What the controls stand at: name → value."""
        return {name: self._controls[name].values[i] for name, i in self._at.items()}

    @value.setter
    def value(self, value: dict[str, Any]) -> None:
        self.set(**value)

    def set(self, **values: Any) -> None:
        """Move controls, as in the browser; what is no value of a control changes nothing."""
        at = dict(self._at)
        for name, value in values.items():
            if name not in at:
                raise ValueError(f"there is no control {name!r}; there are {', '.join(at)}")
            known = self._controls[name].values
            if value not in known:
                few = known if len(known) < 13 else (*known[:4], "…", *known[-2:])
                raise ValueError(f"{name}={value!r} is none of {', '.join(map(str, few))}")
            at[name] = known.index(value)
        self._show(self._computed(at), at)

    def _computed(self, at: dict[str, int]) -> Scene:
        scene = self._function(**{name: self._controls[name].values[i] for name, i in at.items()})
        if not isinstance(scene, Scene):
            raise TypeError(f"the function must give a Scene, not {scene!r}")
        return scene

    def _show(self, scene: Scene, at: dict[str, int], answers: str = "") -> None:
        """The one place where the state changes."""
        view = _viewed(scene)  # may still find fault with the scene
        self.scene, self._at = scene, at
        self.view = {**view, "at": at, "answers": answers, "error": ""}

    def _do_move(self, at: dict[str, int], ticket: str) -> None:
        try:
            self._show(self._computed(at), at, ticket)
        except Exception as error:  # the notebook's own function: whatever it raises is shown
            said = f"{type(error).__name__}: {error}"
            self.view = {**self.view, "at": at, "answers": ticket, "error": said}

    def _label(self, name: str) -> str:
        return self._controls[name].label or name.replace("_", " ")

    def _caption(self) -> str:
        texts = [_texts(self._controls[name])[i] for name, i in self._at.items()]
        return ", ".join(f"{self._label(name)} = {text}" for name, text in zip(self._at, texts))

    def __repr__(self) -> str:
        return "\n".join(filter(None, [self._caption(), self.scene.title, self.scene.text]))

    def _still(self) -> dict[str, str]:
        return _png(draw(self.scene, self._caption()).flat[0])


def _viewed(scene: Scene) -> dict[str, Any]:
    """What the browser draws: texts, and places in ten-thousandths of an axis."""

    def placed(x: np.ndarray) -> str:  # one text travels faster than a list
        x = np.rint(1e4 * x)
        return str((x if np.isnan(x).any() else x.astype(int)).tolist())[1:-1]

    panels = []
    for panel in scene.panels:
        marks = []
        for mark in panel.marks:
            kind, x, y, base = panel.shape(mark)
            view = {"kind": kind, "role": mark.role, "label": mark.label, "texts": list(mark.texts)}
            view["thin"] = mark.thin
            edge = placed(base) if kind == "area" else ""
            marks.append({**view, "x": placed(x), "y": placed(y), "base": edge})
        axes = {
            name: {"label": axis.label, "ticks": [[100 * x, text] for x, text in axis.marked()]}
            for name, axis in (("x", panel.x), ("y", panel.y))
        }
        panels.append({**axes, "height": panel.height, "marks": marks})
    return {"title": scene.title, "text": scene.text, "columns": scene.columns, "panels": panels}


# The still picture


class _Look(NamedTuple):  # explorer.css and explorer.js hold the same for the browser
    color: str
    dashes: str
    width: float
    marker: str
    hatch: str = ""
    opacity: float = 0.4


_LOOKS = {
    "original": _Look(plots.ORIGINAL, "-", 1.6, "o"),
    "quantized": _Look(plots.QUANTIZED, "-", 2.2, "s"),
    "error": _Look(plots.ERROR, "--", 1.6, "x", "////"),
    "highlight": _Look("#009E73", "-.", 1.8, "D", "\\\\\\\\"),
    "neutral": _Look("#666666", ":", 1.2, ".", opacity=0.16),
    "sign": _Look(plots.FIELD_COLORS["sign"], "-", 1.2, "^", opacity=0.65),
    "exponent": _Look(plots.FIELD_COLORS["exponent"], "--", 2.2, "v", "\\\\\\\\", 0.65),
    "mantissa": _Look(plots.FIELD_COLORS["mantissa"], "-.", 2.2, "p", opacity=0.65),
}


@plots._styled
def draw(scene: Scene, caption: str = "") -> np.ndarray:
    """The scene as a still picture, its title above and its text below.

    Parameters
    ----------
    scene : Scene
    caption : a line to stand above the text

    Returns
    -------
    Array of Axes [rows, columns], whose coordinates are places from 0 to 1; the `gid` of what they
        hold is its role

    Examples
    --------
    >>> from quantedu.sketch import Panel, Scene, line
    >>> scene = Scene("Squares", Panel(line([0, 1, 2], [0, 1, 4], label="x^2"), x="x"))
    >>> plots.to_png(draw(scene))[1:4]
    b'PNG'
    """
    panels, columns = scene.panels, scene.columns
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(panel.height for panel in row) for row in rows]
    title = textwrap.fill(scene.title, 92)
    words = "\n".join(filter(None, [caption, scene.text]))
    pixels = sum(heights) + 50 * len(rows) + 19 * title.count("\n") + 15 * words.count("\n") + 45
    figure, axes = plt.subplots(
        *(len(rows), columns), figsize=(8.5, pixels / 80), height_ratios=heights, squeeze=False
    )
    figure.suptitle(_raised(title), x=0.01, ha="left", weight="bold", fontsize=11)
    plain: dict[str, Any] = {"family": plots.MONOSPACE, "fontsize": 8.5, "parse_math": False}
    figure.supxlabel(words, x=0.01, ha="left", **plain)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    for ax, panel in zip(axes.flat, panels):
        _draw_panel(ax, panel, letters=100 // columns)
    return axes


def _draw_panel(ax: Axes, panel: Panel, letters: int) -> None:
    legend: dict[str, Any] = {}
    for order, mark in enumerate(panel.marks):
        look, (kind, x, y, base) = _LOOKS[mark.role], panel.shape(mark)
        common: dict[str, Any] = {"gid": mark.role, "zorder": 2 + order / 100}
        key: Any = None
        if kind == "line":
            width = 0.7 if mark.thin else look.width
            [key] = ax.plot(x, y, look.dashes, color=look.color, lw=width, **common)
        elif kind == "points":
            inside = "none" if mark.role == "original" else look.color
            [key] = ax.plot(x, y, look.marker, color=look.color, mfc=inside, ms=5, **common)
        elif kind == "area":
            fill: dict[str, Any] = {
                "fc": (*plots.to_rgb(look.color), look.opacity),
                "hatch": look.hatch,
            }
            ax.fill_between(x, y, base, ec=look.color, lw=0.7, **fill, **common)
            key = Patch(ec=look.color, lw=0.7, **fill)
        for where, height, text in zip(x, y, mark.texts):
            ink = plots.INK if mark.role == "neutral" else look.color
            words = ax.text(where, height, _raised(text), color=ink, ha="center", va="center")
            words.set(size=8.5, bbox={"fc": "white", "ec": "none", "alpha": 0.6, "pad": 1})
        if mark.label:
            legend.setdefault(_raised(mark.label), key)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=_raised(panel.x.label))
    for axis, side in ((panel.x, ax.xaxis), (panel.y, ax.yaxis)):
        marked = axis.marked()
        side.set_ticks([x for x, _ in marked], [_raised(text) for _, text in marked])
    widths = [len(label) + 7 for label in legend]
    per_row = max(letters // max(widths, default=1), 1) if sum(widths) > letters else len(legend)
    beside = len(panel.y.label) + sum(widths) <= letters or not legend  # both fit in one line
    pad = 5 if beside else 5 + 13 * -(-len(legend) // per_row)
    ax.set_title(_raised(panel.y.label), fontsize=9, weight="normal", pad=pad)
    if legend:
        small = {"ncols": per_row, "fontsize": 8, "borderpad": 0.1, "borderaxespad": 0.2}
        ax.legend(legend.values(), legend, loc="lower right", bbox_to_anchor=(1, 1), **small)


def _raised(text: str) -> str:
    """Powers such as 2^-3 and 2^(-3), raised; every other sign as it is."""
    power = r"\^(?:\(([^)]*)\)|([-−]?\d+))"
    plain = text.replace("$", r"\$")
    return re.sub(power, lambda found: f"$^{{{found[1] or found[2]}}}$".replace("−", "-"), plain)

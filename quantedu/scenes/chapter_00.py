"""Chapter 00: a language model under pressure, from records made beforehand; and a curve."""

import functools
import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from quantedu.formats import FloatFormat
from quantedu.networks import DATA
from quantedu.sketch import Axis, Panel, Scene, area, hline, line, note, points, step


@functools.cache
def records() -> dict[str, Any]:
    """What `tools/record_language_model.py` stored: scores and texts of the shipped model.

    >>> [r["name"] for r in records()["squeezed"]]
    ['FP16', 'INT8', 'INT6', 'INT5', 'NF4', 'INT4', 'INT3', 'INT2']
    """
    path = DATA / "language_model_records.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _shown(text: str, width: int = 75) -> str:
    """A text for the eye: long lines broken, long gaps counted, what cannot be printed as �."""
    text = re.sub(" {16,}", lambda gap: f"⟨{len(gap[0])} spaces⟩", text)
    text = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    wrapped = (textwrap.wrap(line, width, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join("\n".join(lines) for lines in wrapped)


def squeezed(weights: str = "16 bits, FP16") -> Scene:
    """The language model with its weights in few bits: bits per byte, and what it then writes.

    Parameters
    ----------
    weights : one of WEIGHTS

    Returns
    -------
    Scene of one panel, bits per byte against the bits of a code; the text is the model's own

    Examples
    --------
    >>> squeezed("4 bits, NF4").title
    '4 bits, NF4: 1.205 bits per byte, 0.012 more than with 16'
    """
    every = records()["squeezed"]
    here = every[WEIGHTS.index(weights)]
    full, score = every[0]["bits_per_byte"], here["bits_per_byte"]
    row = [r for r in every if r["name"] != "NF4"]
    more = round(score - full, 3)
    than = (
        f", {more:.3f} more than with 16" if more > 0 else ", as with 16" * (here is not every[0])
    )
    panel = Panel(
        [
            hline(8, "neutral"),
            note(7.2, 8.5, "8 bits per byte: knowing nothing at all"),
            line(
                [r["bits"] for r in row], [r["bits_per_byte"] for r in row], "original", "FP16, INT"
            ),
            points(here["bits"], score, "quantized", here["name"]),
        ],
        x=Axis(
            "bits of each weight's code", log=2, limits=(1.8, 17.8), ticks=(2, 3, 4, 5, 6, 8, 16)
        ),
        y=Axis("bits per byte of text it never saw", limits=(0, 9.5)),
    )
    words = _shown(f"{records()['prompt']}▸{here['text']}…").split("\n")
    words += [" "] * (7 - len(words))  # the page must not jump from one to the next
    stored = f"{here['bits_per_weight']:g} bits a weight, scales included. Going on at ▸, it writes"
    title = f"{weights}: {score:.3f} bits per byte{than}"
    return Scene(title, panel, "\n".join([stored, "", *words]))


def damage(x: Any, formats: Sequence[FloatFormat]) -> Scene:
    """What rounding to formats does to an array: the original, what is left of it, the gap.

    Parameters
    ----------
    x : real array [n], finite: a curve, or a row of an image
    formats : one or several; numbers that become infinite or NaN are marked as lost

    Returns
    -------
    Scene of a panel for each format

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> damage(np.sin(np.linspace(0, 6, 200)), [E2M1]).panels[0].y.label
    'FP4 E2M1: 5 different values, largest error 0.25'
    """
    rounded = [fmt.round(x) for fmt in formats]
    x = np.asarray(x)
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        lost = np.count_nonzero(~np.isfinite(x))
        raise ValueError(
            f"x must be a one-dimensional array of finite numbers; got shape {x.shape} with "
            f"{lost} infinite or NaN; pass one row or column, with these replaced"
        )
    index = np.arange(x.size)
    panels: list[Panel] = []
    for fmt, y in zip(formats, rounded):
        kept = np.isfinite(y)
        y = np.where(kept, y, np.nan)
        what = f"{fmt.name}: {np.unique(y[kept]).size} different values"
        if kept.any():
            what += f", largest error {np.abs(y - x)[kept].max():.2g}"
        original, stairs, error = ("original", "rounded", "error") if not panels else ("", "", "")
        marks = [
            area(index, y, x, "error", error),
            step(np.arange(x.size + 1) - 0.5, y, "quantized", stairs),
            line(index, x, "original", original),
        ]
        if not kept.all():
            marks.append(points(index[~kept], x[~kept], "error"))
            what += f", {np.count_nonzero(~kept)} of {x.size} lost to infinity or NaN (crosses)"
        last = "index" if len(panels) == len(rounded) - 1 else ""
        panels.append(Panel(marks, last, what, height=110))
    return Scene("Rounded to coarser formats, a curve becomes stairs", panels)


WEIGHTS = tuple(f"{r['bits']} bits, {r['name']}" for r in records()["squeezed"])

"""Chapter 00: a language model under pressure, from records made beforehand."""

import functools
import json
import re
from typing import Any

from quantedu.networks import DATA
from quantedu.sketch import Axis, Panel, Scene, hline, line, note, points


@functools.cache
def records() -> dict[str, Any]:
    """What `tools/record_language_model.py` stored: scores and texts of the shipped model.

    >>> [r["name"] for r in records()["squeezed"]]
    ['FP16', 'INT8', 'INT6', 'INT5', 'NF4', 'INT4', 'INT3', 'INT2']
    """
    path = DATA / "language_model_records.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _shown(text: str, width: int = 96) -> str:
    """A text for the eye: long lines cut, long gaps counted, what cannot be printed as �."""
    text = re.sub(" {16,}", lambda gap: f"⟨{len(gap[0])} spaces⟩", text)
    text = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    lines = (
        line[i : i + width] for line in text.split("\n") for i in range(0, len(line) or 1, width)
    )
    return "\n".join(lines)


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
    words = _shown(f"{records()['prompt']}▸{here['text']}").split("\n")[:6]
    words[-1] += " …"
    words += [" "] * (6 - len(words))  # the page must not jump from one to the next
    stored = f"{here['bits_per_weight']:g} bits a weight, scales included. Going on at ▸, it writes"
    title = f"{weights}: {score:.3f} bits per byte{than}"
    return Scene(title, panel, "\n".join([stored, "", *words]))


WEIGHTS = tuple(f"{r['bits']} bits, {r['name']}" for r in records()["squeezed"])

"""Sixteen bits by field, how they add up to a number, and where all such numbers lie."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from quantedu.formats import FP16
from quantedu.plots import ERROR, FIELD_COLORS, INK
from tools.openings.page import QUIET, canvas, page, room

ALT = (
    "The sixteen bits of pi in FP16, coloured by sign, exponent and mantissa, add up to 3.140625; "
    "below, the number line, where codes stand the denser the nearer they are to zero"
)
_DARK = {"sign": "#9B4A77", "exponent": "#8F6200", "mantissa": "#1B6E9F"}  # readable on white


def draw(number: float = np.pi) -> Figure:
    """The bits of a number below 4 in FP16, what each field gives, and the number line."""
    figure = page(
        1,
        "Sixteen switches and one agreement make a number",
        "π in FP16. The exponent picks a power of two, the mantissa walks on from there in equal "
        "steps.",
    )
    ax, code = canvas(figure), int(FP16.encode(number))
    sign, exponent, mantissa = (int(field) for field in FP16.split(code))
    step = 0.545
    names = ["sign", *["exponent"] * 5, *["mantissa"] * 10]
    weights = ["±", *(str(2**k) for k in range(4, -1, -1)), *(f"1/{2**k}" for k in range(1, 11))]
    left = 0.66 + step * np.arange(16) + 0.1 * (np.arange(16) > 0) + 0.1 * (np.arange(16) > 5)
    for x, bit, name, weight in zip(left, f"{code:016b}", names, weights):
        on, color = bit == "1", FIELD_COLORS[name]
        _box(ax, x, color, on)
        ax.text(x + 0.24, 2.83, bit, ha="center", va="center", fontsize=17, color=INK)
        look = {"color": _DARK[name], "weight": "bold"} if on else {"color": "#8A8A8A"}
        ax.text(x + 0.24, 3.14, weight, ha="center", va="bottom", fontsize=10, **look)
    halves = [f"1/{2**k}" for k in range(1, 11) if mantissa >> (10 - k) & 1]
    value = float(FP16.decode(code))
    power = f"$2^{{{exponent}-{FP16.bias}}} = {2.0 ** (exponent - FP16.bias):g}$"
    fraction = 1 + mantissa / 2**FP16.mantissa_bits
    said = {
        "sign": (left[0], left[0], "+" if sign == 0 else "−"),
        "exponent": (left[1], left[5], power),
        "mantissa": (left[6], left[15], f"{' + '.join(['1', *halves])} = {fraction:.10g}"),
    }
    for name, (first, last, text) in said.items():
        ax.plot([first, last + 0.48], [2.5, 2.5], color=FIELD_COLORS[name], lw=3.5)
        middle = (first + last + 0.48) / 2
        ax.text(middle, 2.41, text, ha="center", va="top", color=_DARK[name], fontsize=12)
    times = (said["exponent"][1] + 0.48 + said["mantissa"][0]) / 2
    ax.text(times, 2.41, "×", ha="center", va="top", fontsize=12)
    ax.text(5, 1.63, f"= {value:.10g}", ha="center", fontsize=20, weight="bold")
    line = room(figure, 0.4, 0.18, 9.2, 1.25)
    _number_line(line, value)
    return figure


def _box(ax: Axes, x: float, color: str, on: bool) -> None:
    fill = to_rgb(color) if on else tuple(0.86 + 0.14 * part for part in to_rgb(color))
    shape = "round,pad=0,rounding_size=0.07"
    ax.add_patch(FancyBboxPatch((x, 2.58), 0.48, 0.5, boxstyle=shape, fc=fill, ec=color, lw=1.4))


def _number_line(ax: Axes, value: float) -> None:
    """Every 64th code between −4 and 4: those whose last six bits are 0; powers of two taller."""
    codes = np.arange(0, int(FP16.encode(4)) + 1, 64)
    x = FP16.decode(codes)
    x, powers = x[x > 2**-7], x[(x > 2**-7) & (np.log2(np.maximum(x, 2**-24)) % 1 == 0)]
    for some, top, color, lw in (
        (x, 0.42, FIELD_COLORS["mantissa"], 1.3),
        (powers, 0.62, FIELD_COLORS["exponent"], 2.2),
    ):
        ax.vlines([*-some[::-1], *some], 0, top, color=color, lw=lw)
    ax.vlines(0, 0, 0.62, color=INK, lw=2.2)
    ax.axhline(0, color=INK, lw=1.2)
    ax.plot([value, value], [0, 0.82], color=ERROR, lw=2)
    ax.plot(value, 0.82, "v", color=ERROR, ms=8)
    ax.text(value + 0.09, 0.8, f"{value:.10g}", color=ERROR, va="center", weight="bold")
    ax.text(-4.05, 0.8, "every 64th code of FP16", color=QUIET, va="center", fontsize=10)
    ax.set(xlim=(-4.12, 4.12), ylim=(-0.32, 1), yticks=[], xticks=[])
    for k in range(-4, 5):
        ax.text(k, -0.07, str(k).replace("-", "−"), ha="center", va="top", fontsize=10)
    ax.set_axis_off()

"""Chapter 01, how bits become numbers: all the numbers of a format on a line."""

import numpy as np

from quantedu.formats import FloatFormat
from quantedu.sketch import Axis, Panel, Scene, hline, note, points, ticks


def number_line(fmt: FloatFormat, log: bool = False) -> Scene:
    """Every number of a format on a line: normal ones stand on it, subnormal ones hang from it.

    Infinity and NaN, which have no place on it, and zero on a logarithmic one, stand at its ends.
    The labels count the codes of each class.

    Parameters
    ----------
    fmt : FloatFormat of up to 16 bits; of more than 9 bits one number in two, one in four … is
        drawn, as the axis then says
    log : False for all numbers on a linear axis, True for the positive ones on a logarithmic one

    Examples
    --------
    >>> from quantedu.formats import E2M1
    >>> [(mark.label, mark.x.tolist()) for mark in number_line(E2M1, log=True).panels[0].marks[1:3]]
    [('normal: 12', [1.0, 1.5, 2.0, 3.0, 4.0, 6.0]), ('subnormal: 2', [0.5])]
    """
    values = fmt.values()
    classes = fmt.classify(np.arange(values.size))
    shown = np.unique(values[np.isfinite(values) & ((values > 0) | (not log))])
    subnormal = (shown != 0) & (np.abs(shown) < fmt.smallest_normal)
    normal = (shown != 0) & ~subnormal
    least, most = float(shown[0]), float(shown[-1])
    room = (most / least) ** 0.06 if log else 0.06 * (most - least)
    low, high = (least / room, most * room) if log else (least - room, most + room)
    left, right = ((low * least) ** 0.5, (high * most) ** 0.5) if log else (low, high)
    count = {kind: np.count_nonzero(classes == kind) for kind in ("zero", "subnormal", "normal")}
    label = {kind: f"{kind}: {n:,}" for kind, n in count.items()}
    stride = 2 ** max(fmt.bits - 9, 0)
    marks = [hline(0.4)]
    for kind, which, ends, role in (
        ("normal", normal, (0.4, 0.95), "quantized"),
        ("subnormal", subnormal, (0.05, 0.4), "error"),
    ):
        if which.any():
            x = shown[which]
            x = np.unique([*x[::stride], x[-1]])
            marks.append(ticks(x, *ends, role=role, label=label[kind]))
    if count["zero"]:
        marks.append(points(left if log else 0, 0.4, "highlight", label["zero"]))
    for there, place, height, text in (
        (np.isposinf(values), right, 0.55, "+∞"),
        (np.isneginf(values) & (not log), left, 0.55, "−∞"),
        (np.isnan(values), right, 0.85, "NaN"),
        ((values == 0) & log, left, 0.65, "0"),
    ):
        if there.any():
            marks.append(note(place, height, text))
    if log:
        binade, top = 2**fmt.mantissa_bits, np.count_nonzero(shown >= 2.0**fmt.max_exponent)
        title = f"{binade:,} normal number{'s' * (binade > 1)} from each power of two to the next"
        title += f", {top:,} at the top" if top < binade else ""
    else:
        within, to = ("within ±", "within ±") if fmt.signed else ("at or below ", "up to ")
        half = np.median(np.abs(values[np.isfinite(values)]))
        title = f"half of the numbers lie {within}{half:.4g}, all {to}{fmt.max:.6g}"
    sparse = f"; one number in {stride} is drawn" if stride > 1 else ""
    axis = Axis(f"value ({'log' if log else 'linear'} scale{sparse})", (low, high), log=2 * log)
    others = (f"{kind}: {np.count_nonzero(classes == kind):,}" for kind in ("infinity", "NaN"))
    panel = Panel(marks, axis, Axis(", ".join(others), (0, 1), ticks=()), height=85)
    return Scene(f"{fmt.name}: {title}", panel)

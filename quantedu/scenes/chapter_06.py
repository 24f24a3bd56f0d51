"""Chapter 06, where zero goes: maps of sixteen levels, two of them side by side."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from quantedu.codebooks import Codebook, integers, normal_float, uniform
from quantedu.comparison import Record, compare
from quantedu.metrics import code_usage
from quantedu.quantizers import Quantizer
from quantedu.recipes import fp4, int_affine, nf4
from quantedu.scales import absmax, absmax_half_range
from quantedu.sketch import Axis, Panel, Scene, bars, line, note, points, ticks

BLOCK = 64
_EDGES = np.linspace(-1.025, 1.025, 42)  # of the histograms; 0 and ±1 are middles


def zero_less(bits: int = 4) -> Codebook:
    """Normal quantiles of (i + ½)/2^bits, divided by the largest: symmetric, and without a zero.

    >>> zero_less(2).levels
    array([-1.        , -0.27699354,  0.27699354,  1.        ], dtype=float32)
    """
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(2**bits) + 0.5) / 2**bits)
    return Codebook("quantiles, no zero", quantiles / quantiles[-1])


@functools.cache
def maps() -> dict[str, Quantizer]:
    """The chapter's nine maps of sixteen codes, as recipes for blocks of 64.

    >>> maps()["NF4"] == nf4(BLOCK)
    True
    """

    def blocks(book: Codebook, rule: Any = absmax) -> Quantizer:
        return Quantizer(book, rule, block_size=BLOCK)

    return {
        "INT4 narrow": blocks(integers(4, narrow=True)),
        "INT4 full": blocks(integers(4), absmax_half_range),
        "INT4 affine": int_affine(4, block_size=BLOCK),
        "FP4 E2M1": fp4("ocp", block_size=BLOCK),
        "FP4 bitsandbytes": fp4("bitsandbytes", block_size=BLOCK),
        "NF4 symmetric": blocks(normal_float(4, symmetric=True)),
        "NF4": nf4(BLOCK),
        "quantiles, no zero": blocks(zero_less(4)),
        "evenly spaced, no zero": blocks(uniform(4)),
    }


@functools.cache
def kinds() -> dict[str, np.ndarray]:
    """Three kinds of 2^14 made-up values, some of them exactly 0, by the place of their zero.

    Zero-centred: a bell curve with one in sixteen pruned. Skewed: z / (1 + e^(−z)), the SiLU, of a
    bell curve of width 1.5, one in sixteen masked. One-sided: max(z, 0), the ReLU.
    """
    rng = np.random.default_rng(6)
    centred, skewed, one_sided = rng.standard_normal((3, 2**14))
    skewed = 1.5 * skewed / (1 + np.exp(-1.5 * skewed))
    for values in (centred, skewed):
        values[rng.random(values.size) < 1 / 16] = 0
    made = {
        "zero-centred": centred,
        "skewed (SiLU)": skewed,
        "one-sided (ReLU)": np.maximum(one_sided, 0),
    }
    return {name: x.astype(np.float32) for name, x in made.items()}


class _Fitted(NamedTuple):
    """A map on some data: what it does to all blocks, and its ruler on a typical one."""

    recipe: Quantizer
    record: Record
    codes: np.ndarray  # [16], from the lowest level up; one that is never made comes first
    shares: np.ndarray  # [16], in that order
    scale: Any  # of the typical block, in units of its largest magnitude
    zero_point: Any

    def levels(self) -> np.ndarray:
        """Where the codes' numbers lie, in units of the block's largest; NaN of an unused code."""
        return (self.recipe.codebook.levels[self.codes] - self.zero_point) * self.scale

    def through(self, x: float) -> tuple[int, float]:
        """The code of x, and what comes back."""
        q = self.recipe.quantize(
            np.array([x], dtype=np.float32), scale=self.scale, zero_point=self.zero_point
        )
        return int(q.codes[0]), float(q.dequantize()[0]) + 0.0  # no −0


def two_maps_of(arrays: Mapping[str, Any]) -> Callable[..., Scene]:
    """The picture of two maps side by side, for these data: a function for an Explorer.

    Parameters
    ----------
    arrays : by name, real, at least 64 values; of each the first 2^14 are used

    Returns
    -------
    two_maps(left, right, data, x) -> Scene; left and right are names of `maps()`, data one of
        `arrays`, and x a number in units of the largest magnitude of its block

    Examples
    --------
    >>> print(two_maps_of(kinds())("NF4", "INT4 narrow", "one-sided (ReLU)", 0.5).title)
    On one-sided (ReLU) data NF4 has 9 levels in use, INT4 narrow 8: 21.8 and 20.2 dB
    """
    blocks = {}
    for name, x in arrays.items():
        x = np.asarray(x, dtype=np.float32).ravel()[: 2**14]
        if x.size < BLOCK:
            raise ValueError(f"data {name!r} has {x.size} values; a block takes {BLOCK}")
        blocks[name] = x[: x.size // BLOCK * BLOCK].reshape(-1, BLOCK)

    @functools.cache
    def fitted(name: str, data: str) -> _Fitted:
        recipe, x = _known("map", name, maps()), _known("data", data, blocks)
        book = recipe.codebook
        codes = np.concatenate(
            [np.setdiff1d(np.arange(16), book.codes_by_rank), book.codes_by_rank]
        )
        usage = code_usage(recipe.quantize(x).codes, 16)
        largest = np.abs(x).max(axis=1)
        if not largest.any():
            raise ValueError(f"data {data!r} are all 0; there is no ruler to lay on them")
        some = np.flatnonzero(largest)  # blocks that are not all zeros; the typical one is middling
        typical = x[some[np.argsort(largest[some])[some.size // 2]]]
        q = recipe.quantize(typical / np.abs(typical).max())
        zero_point = float(np.ravel(q.zero_point)[0])
        record = compare(x, {name: recipe})[0]
        return _Fitted(recipe, record, codes, usage[codes] / x.size, q.scale.item(), zero_point)

    @functools.cache
    def density(data: str) -> np.ndarray:
        x = _known("data", data, blocks)
        largest = np.abs(x).max(axis=1, keepdims=True)
        u = x / np.where(largest == 0, 1, largest)
        counts = np.histogram(u[u != 0], _EDGES)[0]
        usual = np.sort(counts)[-6] or counts.max()  # a spike beside 0 may leave the picture
        return np.minimum(counts / (2.5 * usual), 1.2)

    def two_maps(
        left: str = "NF4 symmetric",
        right: str = "NF4",
        data: str = next(iter(arrays)),
        x: float = 0.0,
    ) -> Scene:
        both = fitted(left, data), fitted(right, data)
        passed = [one.through(x) for one in both]
        top = 115 * max(one.shares.max() for one in both)
        panels = [
            *(_ruler(one, density(data), x, back) for one, (_, back) in zip(both, passed)),
            *(_usage(one, code, top) for one, (code, _) in zip(both, passed)),
            *(_sawtooth(one, x, back) for one, (_, back) in zip(both, passed)),
        ]
        text = []
        for one, (code, back) in zip(both, passed):
            r = one.record
            zeros = "" if np.isnan(r.zeros_kept) else f", zeros kept {r.zeros_kept:.0%}"
            text += [
                f"{r.name}: {r.levels_used} levels in use, entropy {r.entropy:.2f} of 4 bits",
                f"    {r.sqnr_db:.2f} dB at {r.bits_per_value:.4g} bits a value{zeros}",
                f"    x = {x:.2f} → code {code:2d} = {code:04b} → x̂ = {back:.3f}, "
                f"error {back - x:+.3f}".replace("-", "−"),
            ]
        a, b = (one.record for one in both)
        title = (
            f"On {data} data {a.name} has {a.levels_used} levels in use, {b.name} "
            f"{b.levels_used}: {a.sqnr_db:.1f} and {b.sqnr_db:.1f} dB"
        )
        return Scene(title, panels, "\n".join(text), columns=2)

    return two_maps


def _known(what: str, name: str, there_are: Mapping[str, Any]) -> Any:
    if name not in there_are:
        raise ValueError(f"{what} {name!r} is not known; choose one of {', '.join(there_are)}")
    return there_are[name]


def _ruler(one: _Fitted, density: np.ndarray, x: float, back: float) -> Panel:
    levels = one.levels()
    marks = [
        bars(_EDGES, density, role="original", label="data"),
        ticks(levels[np.isfinite(levels) & (levels != 0)], 0, 0.55, label="levels"),
        ticks(levels[levels == 0], 0, 0.64, role="highlight", label="0"),
        line([x, back], [0.78, 0.78], "error"),
        points(x, 0.78, "original", "x"),
        points(back, 0.78, "quantized", "x̂"),
    ]
    across = Axis("value / largest of its block", (-1.15, 1.15))
    return Panel(marks, across, Axis(one.record.name, (0, 1), ticks=()), height=140)


def _usage(one: _Fitted, code: int, top: float) -> Panel:
    zero, place = one.levels() == 0, int(np.flatnonzero(one.codes == code)[0])
    shares, edges = 100 * one.shares, np.arange(17) - 0.5
    marks = [
        bars(edges, np.where(zero, 0, shares)),
        bars(edges, np.where(zero, shares, 0), role="highlight", label="means 0"),
        note(place, min(shares[place] + 0.1 * top, 0.93 * top), "x"),
    ]
    named = {float(i): str(int(c)) for i, c in enumerate(one.codes)}
    codes = Axis("code, from the lowest level up", (-0.7, 15.7), ticks=named)
    return Panel(marks, codes, Axis(f"{one.record.name}: use, %", (0, top)), height=110)


def _sawtooth(one: _Fitted, x: float, back: float) -> Panel:
    book = one.recipe.codebook
    edges = np.concatenate([[-9], (book.thresholds - one.zero_point) * one.scale, [9]])
    edges = np.clip(edges, -1.15, 1.15)
    levels = one.levels()[-book.codes_by_rank.size :]
    gap = np.full(levels.size, np.nan)
    across = np.stack([edges[:-1], edges[1:], gap], axis=1)
    error = levels[:, None] - across
    marks = [
        line(across.ravel(), error.ravel(), "error"),
        points(x, back - x, "error"),
    ]
    ends = Axis("value / largest of its block", (-1.15, 1.15))
    return Panel(marks, ends, Axis(f"{one.record.name}: error x̂ − x", (-0.2, 0.2)), height=110)

"""Chapter 04, why blocks: one outlier and its neighbours."""

import functools

import numpy as np

from quantedu.metrics import sqnr_db
from quantedu.recipes import int_absmax
from quantedu.sketch import (
    Axis,
    Panel,
    Scene,
    area,
    line,
    note,
    points,
)

OUTLIER_AT = 2000
BLOCK_SIZES = tuple(2**k for k in range(4, 13))


@functools.cache
def _calm() -> np.ndarray:
    """4,096 numbers from a bell curve, those of the chapter."""
    calm = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    calm.flags.writeable = False
    return calm


@functools.lru_cache(maxsize=256)
def _score_of_the_others(outlier: float, block_size: int) -> float:
    """SQNR in dB of all values but the outlier, in INT4."""
    wild, others = _wild(outlier), np.arange(_calm().size) != OUTLIER_AT
    return sqnr_db(wild[others], int_absmax(4, block_size=block_size)(wild)[others])


def _wild(outlier: float) -> np.ndarray:
    wild = _calm().copy()
    wild[OUTLIER_AT] = outlier
    return wild


def outlier_in_blocks(outlier: float = 100, block_size: int = 64) -> Scene:
    """What one outlier among 4,096 numbers of a bell curve does to its neighbours, in INT4.

    Parameters
    ----------
    outlier : what the value number 2000 is set to, in units of σ
    block_size : a positive integer

    Returns
    -------
    Scene of two panels: values 1888 to 2143 before and after, the outlier's block shaded; and the
    SQNR of all values but the outlier against the block size, with the outlier and without it

    Examples
    --------
    >>> print(outlier_in_blocks(outlier=100, block_size=64).text.splitlines()[0])
    63 of the 63 neighbours in its block come back as 0, 11 without the outlier
    """
    wild, usual = _wild(outlier), float(_calm()[OUTLIER_AT])
    recipe = int_absmax(4, block_size=block_size)
    q = recipe.quantize(wild)
    x_hat = q.dequantize()
    start = OUTLIER_AT // block_size * block_size
    block = np.arange(start, min(start + block_size, wild.size))
    neighbours = block[block != OUTLIER_AT]
    lost, usually = (int(np.sum(y[neighbours] == 0)) for y in (x_hat, recipe(_calm())))

    seen = np.arange(1888, 2144)
    ends = np.clip([start - 0.5, start + block_size - 0.5], seen[0] - 0.5, seen[-1] + 0.5)
    values = Panel(
        [
            area(ends, [4, 4], base=-4, role="neutral", label="the outlier's block"),
            points(seen, wild[seen], "original", "x"),
            points(seen, x_hat[seen], "quantized", "x̂"),
            *([note(OUTLIER_AT, 3.6, f"{outlier:g} ↑", "error")] if outlier > 4 else []),
        ],
        x=Axis("number of the value", limits=(seen[0] - 0.5, seen[-1] + 0.5)),
        y=Axis("value", limits=(-4, 4)),
    )
    calm_db = [_score_of_the_others(usual, size) for size in BLOCK_SIZES]
    wild_db = [_score_of_the_others(float(outlier), size) for size in BLOCK_SIZES]
    here, here_calm = (_score_of_the_others(size, block_size) for size in (float(outlier), usual))
    scores = Panel(
        [
            line(BLOCK_SIZES, calm_db, "original", "no outlier"),
            line(BLOCK_SIZES, wild_db, "error", "with the outlier"),
            points(block_size, here, "quantized", f"B = {block_size}"),
        ],
        x=Axis("block size B", log=2),
        y=Axis("SQNR of the others in dB", limits=(-1, 23)),
        height=170,
    )
    text = (
        f"{lost} of the {neighbours.size} neighbours in its block come back as 0, "
        f"{usually} without the outlier\n"
        f"SQNR of all but the outlier: {round(here, 1) + 0.0:.1f} dB, "
        f"{here_calm:.1f} dB without it\n"
        f"{q.bits_per_value:.6g} bits per value"
    )
    title = f"An outlier of {outlier:g}: {lost} of its {neighbours.size} neighbours become 0"
    return Scene(title, [values, scores], text)
